//! What is known of a sound file before its first sample. Knows no format.

use crate::audio::{SampleFormat, SampleRate};

/// What every file reader tells before the first sample.
#[derive(Debug)]
pub(super) struct Properties {
    pub(super) sample_rate: SampleRate,
    /// At least 1.
    pub(super) channel_count: usize,
    pub(super) format: SampleFormat,
    pub(super) frames: Option<u64>,
}

/// Bytes as quoted text with escapes for what cannot be printed.
pub(super) fn shown(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}
