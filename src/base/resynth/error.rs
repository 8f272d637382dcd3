//! Why a sound cannot be resynthesised as asked: one line with the value and what to do.

use crate::dsp::stft::StftError;
use crate::progress::Stopped;

/// A refusal of this module.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ResynthError {
    /// The transform's lengths are refused.
    #[error(transparent)]
    Stft(#[from] StftError),
    /// A sample is infinite or not a number.
    #[error("channel {channel} holds {value} at sample {index}; every sample must be finite")]
    NotFinite {
        /// Channel, from 1.
        channel: usize,
        /// Sample, from 0.
        index: usize,
        /// What was found.
        value: f32,
    },
    /// There is not enough sound.
    #[error("{what}: {found} given, at least {needed} needed")]
    TooFew {
        /// What there is too little of, with what to do about it.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// How much is needed.
        needed: usize,
    },
    /// A setting outside its range.
    #[error("{name} {value} is out of range; {allowed}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What was received.
        value: String,
        /// What is accepted.
        allowed: &'static str,
    },
    /// Settings that exclude each other.
    #[error("{0}")]
    Together(&'static str),
    /// Two sounds of different rates were to be joined.
    #[error("sample rates differ: {0} Hz and {1} Hz; resample one of the files first")]
    SampleRates(u32, u32),
    /// The system refused a thread.
    #[error("no thread could be started: {0}; close other programs and try again")]
    NoThread(String),
    /// The user asked to stop.
    #[error("interrupted; nothing was written")]
    Interrupted,
}

impl From<Stopped> for ResynthError {
    fn from(_: Stopped) -> Self {
        Self::Interrupted
    }
}

/// Refuses samples that are infinite or not a number: one would spread over whole frames.
///
/// # Errors
/// [`ResynthError::NotFinite`] with the first such sample.
pub fn check_finite(channels: &[Vec<f32>]) -> Result<(), ResynthError> {
    for (c, samples) in channels.iter().enumerate() {
        if let Some(index) = samples.iter().position(|x| !x.is_finite()) {
            let channel = c + 1;
            let value = samples[index];
            return Err(ResynthError::NotFinite {
                channel,
                index,
                value,
            });
        }
    }
    Ok(())
}
