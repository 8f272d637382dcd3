//! Why recordings cannot be used: each message names the recording, what is wrong and what to do.

use crate::audio::AudioError;
use crate::dsp::align::AlignError;
use crate::effects::ParameterError;

/// Why recordings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file cannot be decoded.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// A recording or a pair is unfit.
    #[error("{0}")]
    Unfit(String),
    /// A generated signal or effect has a parameter out of range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The latency cannot be measured.
    #[error("{label}")]
    Align {
        /// The pair.
        label: String,
        /// Why not.
        source: AlignError,
    },
    /// The latency was measured but may be wrong.
    #[error(
        "the latency of the training pairs measures {latency} samples with confidence \
         {confidence:.2}, below {needed:.2}; look at it and set data.latency to a number \
         (0 is safe when the recording was made in one session)"
    )]
    Unsure {
        /// Measured.
        latency: i64,
        /// Its confidence.
        confidence: f64,
        /// What is needed.
        needed: f64,
    },
    /// Two parts of the split share samples.
    #[error(
        "{first} and {second} share samples of {pair}; a network tested on what it learned \
         proves nothing: change from/to"
    )]
    Overlap {
        /// "train", "valid" or "test".
        first: &'static str,
        /// Likewise.
        second: &'static str,
        /// The pair.
        pair: String,
    },
}
