//! The numbers of the format: where things stand, and what stands for what.

/// "NAMB" as a number.
pub(super) const MAGIC: u32 = 0x4E41_4D42;
pub(super) const VERSION: u16 = 1;

/// Where the checksum stands, over which it is not taken.
pub(super) const CHECKSUM: std::ops::Range<usize> = 24..28;

/// Where the metadata begins, and the architecture.
pub(super) const METADATA: usize = 32;
pub(super) const MODEL: usize = 80;

/// Numbers of the architectures.
pub(super) const ARCHITECTURES: [&str; 4] = ["Linear", "ConvNet", "LSTM", "WaveNet"];

/// Numbers of the activations.
pub(super) const ACTIVATIONS: [&str; 11] = [
    "Tanh",
    "Hardtanh",
    "Fasttanh",
    "ReLU",
    "LeakyReLU",
    "PReLU",
    "Sigmoid",
    "SiLU",
    "Hardswish",
    "LeakyHardtanh",
    "Softsign",
];

/// Numbers of the gating modes.
pub(super) const GATINGS: [&str; 3] = ["none", "gated", "blended"];

/// The eight modulations of a WaveNet's layer, in the order of the file.
pub(super) const FILMS: [&str; 8] = [
    "conv_pre_film",
    "conv_post_film",
    "input_mixin_pre_film",
    "input_mixin_post_film",
    "activation_pre_film",
    "activation_post_film",
    "layer1x1_post_film",
    "head1x1_post_film",
];

/// The numbers that the metadata can hold, with the flag of each.
pub(super) const LEVELS: [(&str, u8); 3] = [
    ("loudness", 1),
    ("input_level_dbu", 2),
    ("output_level_dbu", 4),
];
