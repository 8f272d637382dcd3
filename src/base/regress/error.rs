//! What can be wrong with a fit. Each message is one line: the thing, the value received, what
//! is allowed, what to do next.

use crate::config::BaselineError;
use crate::progress::Stopped;
use std::path::PathBuf;

/// A failure to fit, apply, save or load a classical model.
#[derive(Debug, thiserror::Error)]
pub enum RegressError {
    /// A setting lies outside what the estimator accepts.
    #[error("{name} = {value}: {allowed}")]
    Parameter {
        /// The setting's name as the user writes it.
        name: &'static str,
        /// What was given.
        value: String,
        /// What would be accepted, and what to do.
        allowed: String,
    },
    /// Fewer samples than the estimator needs.
    #[error("{estimator}: {samples} samples, but at least {needed} are needed; {hint}")]
    TooFewSamples {
        /// The estimator or program that was to be run.
        estimator: String,
        /// Samples received.
        samples: usize,
        /// Samples needed.
        needed: usize,
        /// What to do.
        hint: &'static str,
    },
    /// More coefficients across two channels than are kept.
    #[error("{estimator} is too long across both sides of a stereo effect: at most fir-{most}")]
    TooManyTaps {
        /// The estimator that was to be fitted.
        estimator: String,
        /// So many taps.
        most: usize,
    },
    /// A model of one channel where two are to be fitted together.
    #[error(
        "{estimator} is of one channel and says nothing across two; gain and fir-N are fitted across both \
         sides of a stereo effect"
    )]
    OneChannel {
        /// The model.
        estimator: String,
    },
    /// Input without any sound in it.
    #[error("{what} is silent (every sample is zero); nothing can be fitted to it")]
    Silent {
        /// Which input.
        what: String,
    },
    /// A sample is infinite or not a number.
    #[error("{what} holds {value} at sample {index}; samples must be finite numbers")]
    NotFinite {
        /// Which input.
        what: String,
        /// The value found.
        value: f64,
        /// Where, counted from 0.
        index: usize,
    },
    /// Two inputs that must be of one length are not.
    #[error("{what}: {left} and {right} differ; they must be equal")]
    UnequalLengths {
        /// Which inputs and which measure.
        what: String,
        /// The first length.
        left: usize,
        /// The second length.
        right: usize,
    },
    /// The normal equations stay singular even with the largest penalty that is tried.
    #[error(
        "{estimator}: the features are linearly dependent; use fewer of them or a ridge penalty"
    )]
    Singular {
        /// The estimator that failed.
        estimator: String,
    },
    /// No random subset's model came close to a single sample.
    #[error(
        "{estimator}: none of {trials} random subsets fits any sample to within the median \
         absolute deviation {threshold:e} of the target; use another estimator or seed"
    )]
    NoConsensus {
        /// The estimator.
        estimator: &'static str,
        /// Subsets tried.
        trials: usize,
        /// Largest residual of an inlier.
        threshold: f64,
    },
    /// Frames that cannot be transformed.
    #[error(transparent)]
    Stft(#[from] crate::dsp::stft::StftError),
    /// The user asked to stop.
    #[error("{task}: interrupted")]
    Interrupted {
        /// What was being done.
        task: String,
    },
    /// A model file cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not a model that this program wrote.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl RegressError {
    /// What a stop during `task` is told as.
    pub(crate) fn interrupted(task: &str) -> impl Fn(Stopped) -> Self {
        let task = task.to_string();
        move |_| Self::Interrupted { task: task.clone() }
    }
}

impl From<BaselineError> for RegressError {
    fn from(error: BaselineError) -> Self {
        Self::Parameter {
            name: error.name,
            value: error.value,
            allowed: error.allowed,
        }
    }
}
