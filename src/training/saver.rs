//! When a run's state is saved: after the first epoch, after the last, and in between as often as a
//! kill may cost. Bringing files to a disk takes tens of milliseconds, an epoch can take less.

use super::run_dir::{RunDir, RunError, State};
use crate::models::EffectModel;
use std::time::{Duration, Instant};

/// Saves what a run has reached.
pub(super) struct Saver<'a> {
    run: &'a RunDir,
    every: Duration,
    last: Option<Instant>,
    /// Better weights than those in the folder.
    best: Option<EffectModel>,
    unsaved: bool,
}

impl<'a> Saver<'a> {
    /// For a run whose folder holds all that was reached so far.
    pub(super) fn new(run: &'a RunDir, every: Duration) -> Self {
        Self {
            run,
            every,
            last: None,
            best: None,
            unsaved: false,
        }
    }

    /// These weights are better than all before.
    pub(super) fn better(&mut self, model: EffectModel) {
        self.best = Some(model);
    }

    /// Logs the newest epoch, and saves it where it is time to.
    pub(super) fn epoch_done(&mut self, state: &mut State) -> Result<(), RunError> {
        self.run.log(&mut state.progress)?;
        self.unsaved = true;
        let is_due = |last: Instant| last.elapsed() >= self.every;
        if self.last.is_none_or(is_due) {
            self.save(state)?;
        }
        Ok(())
    }

    /// Saves what is not saved yet.
    pub(super) fn save(&mut self, state: &State) -> Result<(), RunError> {
        if self.unsaved {
            self.keep_best()?;
            self.run.save_state(state)?;
            self.last = Some(Instant::now());
            self.unsaved = false;
        }
        Ok(())
    }

    /// Saves a state that went back to the best weights, at once: they may be better than those of the
    /// state that was saved before, and what went on from there would go back to them, too.
    pub(super) fn went_back(&mut self, state: &State) -> Result<(), RunError> {
        self.unsaved = true;
        self.save(state)
    }

    /// Saves the best weights alone: the state that they came from is gone on.
    pub(super) fn keep_best(&mut self) -> Result<(), RunError> {
        match self.best.take() {
            Some(model) => self.run.save_best(&model),
            None => Ok(()),
        }
    }
}
