//! `best/`: the weights for inference, and their checksum.
//!
//! The checksum is written first, beside that of the weights it replaces: whenever a kill comes,
//! the weights are those of one of the two.

use super::error::{RunError, damaged, refused};
use super::weights::{self, checksums_in, read_whole};
use crate::files;
use crate::files::checksums::{self, Checksums};
use crate::models::EffectModel;
use std::fs;
use std::path::Path;

/// The weights' file.
pub(super) const WEIGHTS: &str = "weights.bpk";

/// Saves weights in `folder`.
pub(super) fn save(model: &EffectModel, folder: &Path) -> Result<(), RunError> {
    let path = folder.join(WEIGHTS);
    let bytes = weights::to_bytes(model, &path)?;
    let mut sums = Checksums::default().with(WEIGHTS, &bytes);
    if let Ok(replaced) = fs::read(&path) {
        sums = sums.with(WEIGHTS, &replaced);
    }
    write(&folder.join(checksums::FILE), sums.to_string().as_bytes())?;
    write(&path, &bytes)
}

/// `model` with the weights in `folder`, of the run beside it.
pub(super) fn load(model: EffectModel, folder: &Path) -> Result<EffectModel, RunError> {
    let path = folder.join(WEIGHTS);
    let run = folder.parent().unwrap_or(folder);
    if !path.is_file() {
        return Err(RunError::NoWeights(run.to_path_buf()));
    }
    weights::load(model, read(folder)?, &path)
}

/// Whether the weights are there, as they were written.
pub(super) fn check(folder: &Path) -> Result<(), RunError> {
    read(folder).map(|_| ())
}

fn read(folder: &Path) -> Result<Vec<u8>, RunError> {
    let run = folder.parent().unwrap_or(folder).display();
    read_whole(folder, WEIGHTS, checksums_in(folder)?.as_ref()).map_err(|error| match error {
        RunError::Damaged { path, reason } => damaged(
            &path,
            format!(
                "{reason}; put it back from a copy, or let `effigy train --run {run} --resume` \
                 put the newest epoch's weights in its place"
            ),
        ),
        other => other,
    })
}

fn write(path: &Path, contents: &[u8]) -> Result<(), RunError> {
    files::write(path, contents).map_err(refused(path))
}
