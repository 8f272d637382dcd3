//! What can be wrong with a sound or a sound file. Each message is one line that names the
//! file, the value received and what would be accepted.

use std::path::PathBuf;

use super::SampleFormat;
use crate::limits::OverBudget;

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
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder was named where a file is needed.
    #[error("{}: is a folder; name one audio file (WAV, AIFF, FLAC, MP3 or OGG Vorbis)", path.display())]
    IsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The file holds no bytes, or a valid header followed by no sound.
    #[error("{}: holds no sound ({what}); record or export it again", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What is missing: "0 bytes" or "0 frames".
        what: &'static str,
    },
    /// The first bytes are those of no known sound format.
    #[error("{}: is not a sound file ({what}); give WAV, AIFF, FLAC, MP3 or OGG Vorbis", path.display())]
    NotAudio {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        what: String,
    },
    /// A known container or codec that is not decoded here.
    #[error("{}: is stored as {codec}, which is not decoded here; \
             convert it to WAV with 16- or 24-bit integer or 32-bit float samples", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The container or codec, with its number where it has one.
        codec: String,
    },
    /// The file contradicts its own format.
    #[error("{}: is damaged: {what}; copy or export it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the value found.
        what: String,
    },
    /// The file ends before the sound that its header promises.
    #[error("{}: promises {promised} frames but ends after {found}; the copy or recording was cut \
             short: copy or export it again", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Frames (samples per channel) that the header promises.
        promised: u64,
        /// Complete frames that are there.
        found: u64,
    },
    /// The decoded sound would not fit into memory, or into any honest file of that length.
    #[error("{}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What would be held, and what may be.
        source: OverBudget,
    },
    /// A sample that was read is infinite or not a number.
    #[error("{}: frame {frame} of channel {} is {value}; every sample must be a finite number: \
             record or export it again", path.display(), channel + 1)]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Position from the start of the file, from 0: the first such frame.
        frame: u64,
        /// Channel, from 0.
        channel: usize,
        /// What was found.
        value: f32,
    },
    /// A sample format that no WAV file written here has.
    #[error("{}: cannot be written as {format}; allowed are 8-, 16-, 24- and 32-bit integer and \
             32- and 64-bit float", path.display())]
    Unwritable {
        /// The file that was to be written.
        path: PathBuf,
        /// The format asked for.
        format: SampleFormat,
    },
    /// A sound without a sample was to be written.
    #[error("{}: would be empty: what was read is too short for a result; nothing was written", path.display())]
    NothingToWrite {
        /// The file that was to be written.
        path: PathBuf,
    },
    /// More channels than the format can hold, or none.
    #[error("{}: cannot be written with {given} channels; allowed are 1 to {allowed}", path.display())]
    ChannelCount {
        /// The file that was to be written.
        path: PathBuf,
        /// Channels asked for.
        given: usize,
        /// The most that fit.
        allowed: usize,
    },
    /// A block has other channels than the file it is written to.
    #[error("{}: was opened with {expected} channels and got a block with {given}", path.display())]
    BlockChannels {
        /// The file being written.
        path: PathBuf,
        /// Channels the file was opened with.
        expected: usize,
        /// Channels in the block.
        given: usize,
    },
    /// A sample that is not a number was to be written as an integer.
    #[error("{}: frame {frame} of channel {channel} is not a number and has no integer form; \
             write 32-bit float to keep it, or find what produced it", path.display())]
    NotANumber {
        /// The file being written.
        path: PathBuf,
        /// Position from the start of the file, from 0.
        frame: u64,
        /// Channel, from 0.
        channel: usize,
    },
}
