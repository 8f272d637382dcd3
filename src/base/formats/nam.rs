//! `.nam`, the file of Neural Amp Modeler: JSON with one flat list of weights.
//!
//! Versions 0.5.0 to 0.7 are read; architectures WaveNet, LSTM, ConvNet, Linear and
//! SlimmableContainer. Where the field's player and its trainer disagree about a field, the
//! trainer's meaning is used, because that is the network that was trained:
//! `layer1x1_post_film` acts in every gating mode (the player applies it in "blended" only), and
//! Hardtanh honours `min_val` and `max_val` (the player ignores them).

mod initial_state;
mod metadata;
mod read;
mod read_wavenet;
mod write;

pub use initial_state::settled;
pub use metadata::{Latency, Loudness, Metadata, gain, loudness};
pub(crate) use read::{folded, from_value, looks_like};
pub(crate) use write::check;
pub use write::write;

/// The rate of a file that names none.
pub const DEFAULT_SAMPLE_RATE: u32 = 48_000;
