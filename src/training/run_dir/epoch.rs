//! `epoch-N/`: everything that continuing after epoch N needs, whole or not there.

use super::error::{RunError, damaged, refused};
use super::state::State;
use super::weights::{self, checksums_in, read_whole};
use crate::config::TrainingConfig;
use crate::files::checksums::{self, Checksums};
use crate::files::{self, system};
use crate::models::EffectModel;
use crate::training::average::Average;
use crate::training::history::{BestEpoch, EpochRow};
use crate::training::optimiser::Optimiser;
use burn::module::Module;
use burn::tensor::Bytes;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const WEIGHTS: &str = "weights.bpk";
const OPTIMISER: &str = "optimiser.bpk";
const AVERAGE: &str = "average.bpk";
const STATE: &str = "state.json";

/// `state.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Saved {
    /// Completed epochs.
    pub(super) epoch: usize,
    /// The best of them.
    pub(super) best: Option<BestEpoch>,
    /// How often it went back to the best.
    pub(super) setbacks: u32,
    /// Of the first `epoch` lines of the log.
    pub(super) log_checksum: u32,
    /// All rows: how older versions saved them, which knew no log to append to.
    #[serde(skip_serializing)]
    pub(super) history: Vec<EpochRow>,
}

/// A saved state whose files are what they were when they were written.
#[derive(Debug)]
pub(super) struct SavedEpoch {
    folder: PathBuf,
    weights: Vec<u8>,
    average: Option<Vec<u8>>,
    optimiser: Vec<u8>,
    /// What is not in the weights.
    pub(super) saved: Saved,
}

/// Saves a state as `folder`.
pub(super) fn save(state: &State, folder: &Path) -> Result<(), RunError> {
    let progress = &state.progress;
    let saved = Saved {
        epoch: progress.history.len(),
        best: progress.best,
        setbacks: progress.setbacks,
        log_checksum: progress.log_checksum,
        history: Vec::new(),
    };
    let moments = state.optimiser.to_bytes(&state.model);
    let moments = moments.map_err(|e| damaged(&folder.join(OPTIMISER), e))?;
    let text = serde_json::to_vec(&saved).map_err(|e| damaged(&folder.join(STATE), e))?;
    let newest = weights::to_bytes(&state.model, &folder.join(WEIGHTS))?;
    let average = match &state.average {
        Some(average) => Some(weights::to_bytes(&average.model(), &folder.join(AVERAGE))?),
        None => None,
    };
    let mut contents: Vec<(&str, &[u8])> =
        vec![(WEIGHTS, &newest), (OPTIMISER, &moments), (STATE, &text)];
    contents.extend(average.as_deref().map(|bytes| (AVERAGE, bytes)));
    write(&contents, folder).map_err(refused(folder))
}

fn write(contents: &[(&str, &[u8])], folder: &Path) -> std::io::Result<()> {
    let sums = contents.iter();
    let sums = sums.fold(Checksums::default(), |sums, (name, bytes)| {
        sums.with(name, bytes)
    });
    files::write_dir(folder, |scratch| {
        for (name, bytes) in contents {
            system::write_new(&scratch.join(name), bytes)?;
        }
        let sums = sums.to_string();
        system::write_new(&scratch.join(checksums::FILE), sums.as_bytes())
    })
}

impl SavedEpoch {
    /// Reads a state; the average only where there is to be one.
    ///
    /// # Errors
    /// A file is missing, or is not what was written.
    pub(super) fn read(folder: &Path, with_average: bool) -> Result<Self, RunError> {
        let sums = checksums_in(folder)?;
        let read = |name| read_whole(folder, name, sums.as_ref());
        let saved = read(STATE)?;
        let saved = serde_json::from_slice(&saved);
        Ok(Self {
            folder: folder.to_path_buf(),
            weights: read(WEIGHTS)?,
            average: with_average.then(|| read(AVERAGE)).transpose()?,
            optimiser: read(OPTIMISER)?,
            saved: saved.map_err(|e| damaged(&folder.join(STATE), e))?,
        })
    }

    /// Its weights in `model` (where gradients can reach them), with the optimiser and the average
    /// that belong to them.
    ///
    /// # Errors
    /// They are of another network.
    pub(super) fn restore(
        self,
        model: EffectModel,
        training: &TrainingConfig,
    ) -> Result<(EffectModel, Optimiser, Option<Average>), RunError> {
        let average = match training.average.zip(self.average) {
            Some((decay, bytes)) => {
                let path = self.folder.join(AVERAGE);
                let averaged = weights::load(model.valid(), bytes, &path)?;
                Some(Average::new(decay, averaged))
            }
            None => None,
        };
        let model = weights::load(model, self.weights, &self.folder.join(WEIGHTS))?;
        let optimiser = Optimiser::new(training, &model)
            .from_bytes(Bytes::from_bytes_vec(self.optimiser))
            .map_err(|e| damaged(&self.folder.join(OPTIMISER), e))?;
        Ok((model, optimiser, average))
    }
}
