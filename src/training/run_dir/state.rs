//! Everything that training continues from, in memory.

use crate::config::TrainingConfig;
use crate::models::EffectModel;
use crate::training::average::Average;
use crate::training::history::{BestEpoch, EpochRow};
use crate::training::optimiser::Optimiser;
use burn::module::Module;
use std::fmt;

/// What is not in the weights: the rest of a resumable state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Rows of all completed epochs, the first one's epoch being 1.
    pub history: Vec<EpochRow>,
    /// The epoch whose weights are in `best/`.
    pub best: Option<BestEpoch>,
    /// How often it went back to it, more slowly.
    pub setbacks: u32,
    /// Of the log's lines so far.
    pub(super) log_checksum: u32,
}

/// Everything that training continues from.
pub struct State {
    /// With its newest weights, where gradients can reach them.
    pub model: EffectModel,
    /// With its moments.
    pub optimiser: Optimiser,
    /// Of the weights, where `training.average` asks for it.
    pub average: Option<Average>,
    /// What is logged so far.
    pub progress: Progress,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // burn's optimiser has no form to print.
        let State { progress, .. } = self;
        f.debug_struct("State")
            .field("progress", progress)
            .finish_non_exhaustive()
    }
}

impl State {
    /// Before the first epoch; `model` where gradients can reach it.
    pub fn begun(model: EffectModel, training: &TrainingConfig) -> Self {
        let average = training.average;
        Self {
            optimiser: Optimiser::new(training, &model),
            average: average.map(|decay| Average::new(decay, model.valid())),
            progress: Progress::default(),
            model,
        }
    }

    /// The weights that count: the average where there is one, else the newest.
    pub fn valid(&self) -> EffectModel {
        match &self.average {
            Some(average) => average.model(),
            None => self.model.valid(),
        }
    }
}
