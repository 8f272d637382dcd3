//! A run that has lost its way goes back to its best epoch and goes on from there with half the
//! learning rate: a memory at the edge of chaos, whose gradients grow from sample to sample, finds
//! its way back by itself late or never.
//!
//! Knows neither spans nor losses.

use super::run_dir::{Progress, RunDir, RunError, State};
use crate::config::TrainingConfig;
use crate::models::EffectModel;
use crate::progress::{Event, Observer};
use burn::module::Module;

/// What the learning rate is multiplied by each time.
const SLOWER: f64 = 0.5;

/// No run goes back more often: at less than a hundredth of the rate it is not the rate.
const MOST: u32 = 8;

/// What the schedule's learning rate is multiplied by.
pub(super) fn slowness(progress: &Progress) -> f64 {
    SLOWER.powi(progress.setbacks as i32)
}

/// Whether there is an epoch to go back to, and it may be gone back to once more.
pub(super) fn is_left(progress: &Progress) -> bool {
    progress.best.is_some() && progress.setbacks < MOST
}

/// How a run goes back.
pub(super) struct WayBack<'a> {
    run: &'a RunDir,
    training: &'a TrainingConfig,
    model: EffectModel,
    observer: &'a dyn Observer,
}

impl<'a> WayBack<'a> {
    /// Of a run of `model` (without autodiff).
    pub(super) fn of(
        run: &'a RunDir,
        training: &'a TrainingConfig,
        model: EffectModel,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            run,
            training,
            model,
            observer,
        }
    }

    /// The best weights, which are on the disk, after `progress`; without the moments that led
    /// astray. `why` is told.
    ///
    /// # Errors
    /// The weights cannot be read.
    pub(super) fn go(&self, mut progress: Progress, why: &str) -> Result<State, RunError> {
        let best = self.run.load_best_into(self.model.clone())?;
        let state = State::begun(best.train(), self.training);
        progress.setbacks += 1;
        let epoch = progress.best.map_or(0, |best| best.epoch);
        self.observer.event(Event::Warning(&format!(
            "{why}; going on from the weights of epoch {epoch} with {} of the learning rate",
            slowness(&progress)
        )));
        Ok(State { progress, ..state })
    }
}
