//! The folder of a run: what lies where, and how it survives a kill at any instant.
//!
//! `config.toml` (resolved, first) · `metrics.jsonl` (a line per epoch) · `epoch-N/`
//! (everything that `--resume` needs) · `best/` (weights for inference). Order of writing:
//! best weights, state, metrics line, then the older state goes. Whatever a kill interrupts,
//! the newest complete `epoch-N/` repeats the rest of the work to the same bits.

use super::average::Average;
use super::history::{BestEpoch, EpochRow};
use super::optimiser;
use crate::config::{Config, ConfigError};
use crate::files;
use crate::models::{self, EffectModel};
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Device};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
const BEST: &str = "best";
const WEIGHTS: &str = "weights.bpk";
const OPTIMISER: &str = "optimiser.bpk";
const AVERAGE: &str = "average.bpk";
const STATE: &str = "state.json";

/// What can be wrong with a run's folder.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Not a run.
    #[error("{}: no run (no {CONFIG} in it); `effigy runs` lists runs", .0.display())]
    NotARun(PathBuf),
    /// No epoch has been completed.
    #[error("{}: no epoch was completed, so there are no weights; train it again", .0.display())]
    NoWeights(PathBuf),
    /// The saved config is damaged.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is damaged or of another network.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// What is not in the weights: the rest of a resumable state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Rows of all completed epochs, the first one's epoch being 1.
    pub history: Vec<EpochRow>,
    /// The epoch whose weights are in `best/`.
    pub best: Option<BestEpoch>,
}

/// Everything that training continues from.
pub struct State {
    /// With its newest weights, where gradients can reach them.
    pub model: EffectModel,
    /// With its moments.
    pub optimiser: ModuleOptimizer,
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
    /// The weights that count: the average where there is one, else the newest.
    pub fn valid(&self) -> EffectModel {
        match &self.average {
            Some(average) => average.model().clone(),
            None => self.model.valid(),
        }
    }
}

/// A run's folder.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Starts a run: makes the folder and writes the resolved config.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(path: &Path, config: &Config) -> Result<Self, RunError> {
        let run = Self {
            path: path.to_path_buf(),
        };
        let text = toml::to_string(config).map_err(|e| run.damaged(CONFIG, e))?;
        run.write(CONFIG, text.as_bytes())?;
        Ok(run)
    }

    /// Opens an existing run. What killed writes left in it stays until [`RunDir::load_state`].
    ///
    /// # Errors
    /// [`RunError::NotARun`] without a config.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let run = Self {
            path: path.to_path_buf(),
        };
        if !run.file(CONFIG).is_file() {
            return Err(RunError::NotARun(run.path));
        }
        Ok(run)
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

    /// Saves weights that are better than all before.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn save_best(&self, model: &EffectModel) -> Result<(), RunError> {
        let bytes = model.clone().into_record().into_bytes();
        let bytes = bytes.map_err(|e| self.damaged(BEST, e))?;
        self.write(&format!("{BEST}/{WEIGHTS}"), &bytes)
    }

    /// Saves everything that continuing after `progress.history.len()` epochs needs, then
    /// the metrics, and drops the state before it.
    ///
    /// # Errors
    /// When something cannot be written; the state before it is then still there.
    pub fn save_state(&self, state: &State) -> Result<(), RunError> {
        let epoch = state.progress.history.len();
        let folder = self.epoch_dir(epoch);
        let damaged = |what: &str, reason: String| RunError::Damaged {
            path: folder.join(what),
            reason,
        };
        let weights = |model: &EffectModel, what: &str| {
            let bytes = model.clone().into_record().into_bytes();
            bytes.map_err(|e| damaged(what, e.to_string()))
        };
        let newest = weights(&state.model, WEIGHTS)?;
        let average = match &state.average {
            Some(average) => Some(weights(average.model(), AVERAGE)?),
            None => None,
        };
        let moments = state.optimiser.into_bytes();
        let moments = moments.map_err(|e| damaged(OPTIMISER, e.to_string()))?;
        let progress = &state.progress;
        let log = serde_json::to_vec(progress).map_err(|e| damaged(STATE, e.to_string()))?;
        files::write_dir(&folder, |scratch| {
            fs::write(scratch.join(WEIGHTS), &*newest)?;
            if let Some(average) = &average {
                fs::write(scratch.join(AVERAGE), &**average)?;
            }
            fs::write(scratch.join(OPTIMISER), &*moments)?;
            fs::write(scratch.join(STATE), &log)
        })
        .map_err(|source| RunError::Io {
            path: folder.clone(),
            source,
        })?;
        self.write_metrics(&progress.history)?;
        for older in self.saved_epochs() {
            if older != epoch {
                let path = self.epoch_dir(older);
                fs::remove_dir_all(&path).map_err(|source| RunError::Io { path, source })?;
            }
        }
        Ok(())
    }

    /// The newest saved state, applied to `model` (where gradients can reach it); `model` as it
    /// is and no progress when no epoch was completed.
    ///
    /// # Errors
    /// When the state is damaged or of another network.
    pub fn load_state(&self, model: EffectModel, config: &Config) -> Result<State, RunError> {
        self.clear_scratch()?;
        let decay = config.training.average;
        let Some(&epoch) = self.saved_epochs().last() else {
            return Ok(State {
                optimiser: optimiser::build(&config.training, &model),
                average: decay.map(|decay| Average::new(decay, model.valid())),
                progress: Progress::default(),
                model,
            });
        };
        let folder = self.epoch_dir(epoch);
        let average = match decay {
            Some(decay) => {
                let averaged = load_weights(model.valid(), &folder.join(AVERAGE))?;
                Some(Average::new(decay, averaged))
            }
            None => None,
        };
        let model = load_weights(model, &folder.join(WEIGHTS))?;
        let optimiser = optimiser::build(&config.training, &model);
        let path = folder.join(OPTIMISER);
        let optimiser = optimiser
            .from_bytes(read_bytes(&path)?)
            .map_err(|e| damaged(&path, e))?;
        let path = folder.join(STATE);
        let text = fs::read(&path).map_err(|source| RunError::Io {
            path: path.clone(),
            source,
        })?;
        let progress: Progress = serde_json::from_slice(&text).map_err(|e| damaged(&path, e))?;
        // A kill may have come between the state and its metrics line.
        self.write_metrics(&progress.history)?;
        Ok(State {
            model,
            optimiser,
            average,
            progress,
        })
    }

    /// The network with its best weights.
    ///
    /// # Errors
    /// [`RunError::NoWeights`] when no epoch was completed; else when they are damaged or of
    /// another network.
    pub fn load_best(&self, device: &Device) -> Result<(EffectModel, Config), RunError> {
        let config = self.config()?;
        let model = models::build(
            &config.model,
            &config.windows,
            config.data.knobs().len(),
            config.seed,
            device,
        );
        Ok((self.load_best_into(model)?, config))
    }

    /// `model` with the best weights of this run.
    ///
    /// # Errors
    /// As [`RunDir::load_best`].
    pub fn load_best_into(&self, model: EffectModel) -> Result<EffectModel, RunError> {
        let path = self.file(&format!("{BEST}/{WEIGHTS}"));
        if !path.is_file() {
            return Err(RunError::NoWeights(self.path.clone()));
        }
        load_weights(model, &path)
    }

    /// Rows of all logged epochs; empty when none was completed.
    ///
    /// # Errors
    /// When a line is damaged.
    pub fn metrics(&self) -> Result<Vec<EpochRow>, RunError> {
        let path = self.file(METRICS);
        if !path.is_file() {
            return Ok(Vec::new());
        }
        let text = fs::read_to_string(&path).map_err(|source| RunError::Io {
            path: path.clone(),
            source,
        })?;
        text.lines()
            .map(|line| serde_json::from_str(line).map_err(|e| damaged(&path, e)))
            .collect()
    }

    /// Writes a file of the run.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, contents: &[u8]) -> Result<(), RunError> {
        let path = self.file(name);
        files::write(&path, contents).map_err(|source| RunError::Io { path, source })
    }

    /// A file of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn write_metrics(&self, history: &[EpochRow]) -> Result<(), RunError> {
        let mut text = String::new();
        for row in history {
            text += &serde_json::to_string(row).map_err(|e| self.damaged(METRICS, e))?;
            text.push('\n');
        }
        self.write(METRICS, text.as_bytes())
    }

    fn clear_scratch(&self) -> Result<(), RunError> {
        for folder in [self.path.clone(), self.file(BEST)] {
            if folder.is_dir() {
                files::remove_scratch(&folder).map_err(|source| RunError::Io {
                    path: folder,
                    source,
                })?;
            }
        }
        Ok(())
    }

    fn epoch_dir(&self, epoch: usize) -> PathBuf {
        self.path.join(format!("epoch-{epoch}"))
    }

    /// Epochs with a complete state, ascending.
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

    fn damaged(&self, name: &str, reason: impl ToString) -> RunError {
        damaged(&self.file(name), reason)
    }
}

fn damaged(path: &Path, reason: impl ToString) -> RunError {
    RunError::Damaged {
        path: path.to_path_buf(),
        reason: reason.to_string().replace('\n', " "),
    }
}

fn read_bytes(path: &Path) -> Result<Bytes, RunError> {
    fs::read(path)
        .map(Bytes::from_bytes_vec)
        .map_err(|source| RunError::Io {
            path: path.to_path_buf(),
            source,
        })
}

fn load_weights(model: EffectModel, path: &Path) -> Result<EffectModel, RunError> {
    let record = ModuleRecord::from_bytes(read_bytes(path)?).map_err(|e| damaged(path, e))?;
    model.try_load_record(record).map_err(|e| {
        damaged(
            path,
            format!("weights of another network ({e}); its config says which"),
        )
    })
}
