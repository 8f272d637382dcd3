//! What can be wrong with a sound or a sound file. Each message is one line that names the
//! file, the value received and what would be accepted.

use std::path::PathBuf;

/// A failure to decode, build or encode audio.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// A sound without channels was to be built.
    #[error("audio has no channels; at least one is needed")]
    NoChannels,
    /// Channels of different lengths were to be joined.
    #[error("channels differ in length ({first} and {other} samples); they must be equal")]
    UnequalChannels {
        /// Samples in the first channel.
        first: usize,
        /// Samples in the one that differs.
        other: usize,
    },
    /// The file cannot be opened, read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
