//! The numbers that reading and writing WAV files share.

/// Codec: linear integers.
pub(super) const CODEC_PCM: u16 = 0x0001;
/// Codec: IEEE floats.
pub(super) const CODEC_FLOAT: u16 = 0x0003;
/// Not a codec: the 16-byte codec name further on says which.
pub(super) const CODEC_EXTENSIBLE: u16 = 0xfffe;

/// The bytes after the number in the 16-byte name of a codec that has a registered number.
pub(super) const REGISTERED_CODEC: [u8; 14] = [
    0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xaa, 0x00, 0x38, 0x9b, 0x71,
];
