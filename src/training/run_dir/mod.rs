//! The folder of a run: what lies where, and how it survives a kill or a power loss at any
//! instant.
//!
//! `recordings.txt` (checksums of what is learned from) · `config.toml` (resolved; a run begins
//! with it) · `metrics.jsonl` (a line per epoch) · `epoch-N/` (everything that `--resume` needs, of
//! the last two epochs that were saved) · `best/` (weights for inference). Order of writing, each on the disk
//! before the next: best weights, metrics line, state; then the state before the last goes.
//! Whatever is interrupted, the newest whole `epoch-N/` repeats the rest of the work to the same
//! bits.

mod best;
mod epoch;
mod error;
mod log;
mod state;
mod weights;

use super::history::{BestEpoch, EpochRow};
use crate::config::{Config, TrainingConfig};
use crate::files::checksums::Checksums;
use crate::files::{self, Lock, system};
use crate::models::{self, EffectModel};
use crate::progress::{Event, Observer};
use burn::tensor::Device;
use epoch::SavedEpoch;
use error::{damaged, refused};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::RunError;
pub use state::{Progress, State};

const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
const RECORDINGS: &str = "recordings.txt";
const BEST: &str = "best";

/// A run's folder.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
    /// Held by those who train: what may be written by one process at a time.
    _lock: Option<Arc<Lock>>,
}

impl RunDir {
    /// Starts a run: makes the folder, or takes one in which none was begun, and writes what it
    /// learns from and the resolved config.
    ///
    /// # Errors
    /// [`RunError::Busy`]; when the folder cannot be written.
    pub fn create(path: &Path, config: &Config, recordings: &Checksums) -> Result<Self, RunError> {
        system::create_dir_all(path).map_err(refused(path))?;
        let run = Self::take(path)?;
        // Another process may have begun here, and ended, since somebody looked.
        if !Self::is_free(path) {
            return Err(RunError::Busy(run.path));
        }
        run.clear_scratch()?;
        let text = toml::to_string(config).map_err(|e| damaged(&run.file(CONFIG), e))?;
        run.write(RECORDINGS, recordings.to_string().as_bytes())?;
        run.write(CONFIG, text.as_bytes())?;
        Ok(run)
    }

    /// Whether a run can begin there: nothing is there, or what was left when one was ended before
    /// it had begun.
    pub fn is_free(path: &Path) -> bool {
        let left = |name: &str| name == RECORDINGS || name == "lock" || files::is_scratch(name);
        match fs::read_dir(path) {
            Ok(entries) => entries.flatten().all(|entry| {
                let name = entry.file_name();
                name.to_str().is_some_and(left)
            }),
            Err(_) => !path.exists(),
        }
    }

    /// Opens an existing run to look at. What killed writes left in it stays.
    ///
    /// # Errors
    /// [`RunError::NotARun`] without a config.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let run = Self {
            path: path.to_path_buf(),
            _lock: None,
        };
        if !run.file(CONFIG).is_file() {
            return Err(RunError::NotARun(run.path));
        }
        Ok(run)
    }

    /// Opens an existing run to go on with it.
    ///
    /// # Errors
    /// As [`RunDir::open`]; [`RunError::Busy`].
    pub fn resume(path: &Path) -> Result<Self, RunError> {
        Self::open(path)?;
        Self::take(path)
    }

    fn take(path: &Path) -> Result<Self, RunError> {
        match Lock::take(path).map_err(refused(path))? {
            Some(lock) => Ok(Self {
                path: path.to_path_buf(),
                _lock: Some(Arc::new(lock)),
            }),
            None => Err(RunError::Busy(path.to_path_buf())),
        }
    }

    /// Whether an epoch was completed.
    pub fn has_state(&self) -> bool {
        !self.saved_epochs().is_empty()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder's own name.
    pub fn name(&self) -> String {
        let name = self.path.file_name();
        name.map_or_else(
            || self.path.display().to_string(),
            |n| n.to_string_lossy().into_owned(),
        )
    }

    /// The resolved config.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn config(&self) -> Result<Config, RunError> {
        Ok(crate::config::load(&self.file(CONFIG), &[])?)
    }

    /// Refuses recordings that are not those that the run began with; runs of older versions do
    /// not know theirs.
    ///
    /// # Errors
    /// [`RunError::Replaced`].
    pub fn check_recordings(&self, recordings: &Checksums) -> Result<(), RunError> {
        let path = self.file(RECORDINGS);
        if !path.is_file() {
            return Ok(());
        }
        let text = fs::read(&path).map_err(refused(&path))?;
        let known = Checksums::parse(&String::from_utf8_lossy(&text));
        match recordings.differing_from(&known) {
            Some(recording) => Err(RunError::Replaced {
                recording: recording.into(),
                run: self.path.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Saves weights that are better than all before.
    ///
    /// # Errors
    /// When they cannot be written; those before are then still there.
    pub fn save_best(&self, model: &EffectModel) -> Result<(), RunError> {
        best::save(model, &self.file(BEST))
    }

    /// Logs the newest epoch. The line may be lost until its state is saved.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn log(&self, progress: &mut Progress) -> Result<(), RunError> {
        if let Some(row) = progress.history.last() {
            let before = progress.log_checksum;
            progress.log_checksum = log::append(&self.file(METRICS), row, before)?;
        }
        Ok(())
    }

    /// Saves everything that continuing after the newest epoch needs, then drops all states but
    /// this one and the one saved before it.
    ///
    /// # Errors
    /// When something cannot be written; the states before it are then still there.
    pub fn save_state(&self, state: &State) -> Result<(), RunError> {
        let epoch = state.progress.history.len();
        log::sync(&self.file(METRICS))?;
        epoch::save(state, &self.epoch_dir(epoch))?;
        self.drop_states(|other| other > epoch)?;
        self.keep_two()
    }

    fn keep_two(&self) -> Result<(), RunError> {
        let saved = self.saved_epochs();
        let first = saved.len().checked_sub(2).map_or(0, |at| saved[at]);
        self.drop_states(|epoch| epoch < first)
    }

    fn drop_states(&self, is_past: impl Fn(usize) -> bool) -> Result<(), RunError> {
        for epoch in self.saved_epochs().into_iter().filter(|e| is_past(*e)) {
            let path = self.epoch_dir(epoch);
            system::remove_dir_all(&path).map_err(refused(&path))?;
        }
        Ok(())
    }

    /// The newest whole state, applied to `model` (where gradients can reach it), and said where
    /// it is not the newest; `model` as it is and no progress when no epoch was completed. Best weights
    /// that are damaged or gone are replaced by the newest, as `finished` makes them.
    ///
    /// # Errors
    /// When every state is damaged, or the newest is of another network.
    pub fn load_state(
        &self,
        model: EffectModel,
        config: &Config,
        finished: impl Fn(EffectModel) -> EffectModel,
        observer: &dyn Observer,
    ) -> Result<State, RunError> {
        self.clear_scratch()?;
        let Some(saved) = self.newest_whole(&config.training, observer)? else {
            log::keep(&self.file(METRICS), 0)?;
            return Ok(State::begun(model, &config.training));
        };
        let progress = self.restore_progress(&saved.saved, observer)?;
        // A kill may have come before the older ones went.
        self.keep_two()?;
        let (model, optimiser, average) = saved.restore(model, &config.training)?;
        let mut state = State {
            model,
            optimiser,
            average,
            progress,
        };
        self.repair_best(&mut state, finished, observer)?;
        Ok(state)
    }

    fn newest_whole(
        &self,
        training: &TrainingConfig,
        observer: &dyn Observer,
    ) -> Result<Option<SavedEpoch>, RunError> {
        let mut newest = None;
        for epoch in self.saved_epochs().into_iter().rev() {
            let read = SavedEpoch::read(&self.epoch_dir(epoch), training.average.is_some());
            match (read, &newest) {
                (Ok(saved), None) => return Ok(Some(saved)),
                (Ok(saved), Some(damage)) => {
                    let text = format!("{damage}; continuing after epoch {epoch}, which is whole");
                    observer.event(Event::Warning(&text));
                    return Ok(Some(saved));
                }
                (Err(damage), None) => newest = Some(damage.in_full()),
                (Err(_), Some(_)) => {}
            }
        }
        match newest {
            Some(damage) => Err(RunError::NothingWhole {
                run: self.path.clone(),
                damage,
            }),
            None => Ok(None),
        }
    }

    /// What was logged until a state was saved; the log ends there again.
    fn restore_progress(
        &self,
        saved: &epoch::Saved,
        observer: &dyn Observer,
    ) -> Result<Progress, RunError> {
        let path = self.file(METRICS);
        if !saved.history.is_empty() {
            return Ok(Progress {
                log_checksum: log::replace(&path, &saved.history)?,
                history: saved.history.clone(),
                best: saved.best,
                setbacks: saved.setbacks,
            });
        }
        let (history, log_checksum) = log::keep(&path, saved.epoch)?;
        if log_checksum != saved.log_checksum {
            let text = format!(
                "{}: differs from its checksum; figures of earlier epochs may be wrong",
                path.display()
            );
            observer.event(Event::Warning(&text));
        }
        Ok(Progress {
            history,
            best: saved.best,
            setbacks: saved.setbacks,
            log_checksum,
        })
    }

    /// The newest weights take the place of best ones that are damaged or gone.
    fn repair_best(
        &self,
        state: &mut State,
        finished: impl Fn(EffectModel) -> EffectModel,
        observer: &dyn Observer,
    ) -> Result<(), RunError> {
        let Some(best) = state.progress.best else {
            return Ok(());
        };
        let Err(damage) = best::check(&self.file(BEST)) else {
            return Ok(());
        };
        let newest = state.progress.history.last();
        let newest = newest.and_then(|row| BestEpoch::of(std::slice::from_ref(row)));
        let newest = newest.unwrap_or(best);
        let text = format!(
            "{}: the weights of epoch {} take the place of those of epoch {}",
            damage.in_full(),
            state.progress.history.len(),
            best.epoch
        );
        observer.event(Event::Warning(&text));
        self.save_best(&finished(state.valid()))?;
        state.progress.best = Some(newest);
        Ok(())
    }

    /// The network with its best weights.
    ///
    /// # Errors
    /// [`RunError::NoWeights`] when no epoch was completed; else when they are damaged or of
    /// another network.
    pub fn load_best(&self, device: &Device) -> Result<(EffectModel, Config), RunError> {
        let config = self.config()?;
        let model = models::of_config(&config, device);
        Ok((self.load_best_into(model)?, config))
    }

    /// `model` with the best weights of this run.
    ///
    /// # Errors
    /// As [`RunDir::load_best`].
    pub fn load_best_into(&self, model: EffectModel) -> Result<EffectModel, RunError> {
        best::load(model, &self.file(BEST))
    }

    /// Rows of all logged epochs; empty when none was completed.
    ///
    /// # Errors
    /// When a line is damaged.
    pub fn metrics(&self) -> Result<Vec<EpochRow>, RunError> {
        log::read(&self.file(METRICS))
    }

    /// Writes a file of the run.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, contents: &[u8]) -> Result<(), RunError> {
        let path = self.file(name);
        files::write(&path, contents).map_err(refused(&path))
    }

    /// A file of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn clear_scratch(&self) -> Result<(), RunError> {
        for folder in [self.path.clone(), self.file(BEST), self.file("test")] {
            if folder.is_dir() {
                files::remove_scratch(&folder).map_err(refused(&folder))?;
            }
        }
        Ok(())
    }

    fn epoch_dir(&self, epoch: usize) -> PathBuf {
        self.path.join(format!("epoch-{epoch}"))
    }

    /// Epochs with a state, ascending.
    fn saved_epochs(&self) -> Vec<usize> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let mut epochs: Vec<usize> = entries
            .filter_map(|entry| {
                let name = entry.file_name();
                name.to_str()?.strip_prefix("epoch-")?.parse().ok()
            })
            .collect();
        epochs.sort_unstable();
        epochs
    }
}
