//! Weights as files with checksums beside them.

use super::error::{RunError, damaged, refused};
use crate::files::checksums::{self, Checksums};
use crate::models::EffectModel;
use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use std::fs;
use std::path::Path;

/// The weights as bytes; `path` is where they are to lie.
pub(super) fn to_bytes(model: &EffectModel, path: &Path) -> Result<Bytes, RunError> {
    let bytes = model.clone().into_record().into_bytes();
    bytes.map_err(|e| damaged(path, e))
}

/// `model` with weights that were read from `path`.
pub(super) fn load(
    model: EffectModel,
    bytes: Vec<u8>,
    path: &Path,
) -> Result<EffectModel, RunError> {
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes));
    let record = record.map_err(|e| damaged(path, e))?;
    model.try_load_record(record).map_err(|e| {
        damaged(
            path,
            format!("weights of another network ({e}); its config says which"),
        )
    })
}

/// The checksums in a folder; none where an older version wrote it.
pub(super) fn checksums_in(folder: &Path) -> Result<Option<Checksums>, RunError> {
    let path = folder.join(checksums::FILE);
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read(&path).map_err(refused(&path))?;
    Ok(Some(Checksums::parse(&String::from_utf8_lossy(&text))))
}

/// A file of a folder, as it was written.
pub(super) fn read_whole(
    folder: &Path,
    name: &str,
    sums: Option<&Checksums>,
) -> Result<Vec<u8>, RunError> {
    let path = folder.join(name);
    let bytes = fs::read(&path).map_err(refused(&path))?;
    match sums.map(|sums| sums.check(name, &bytes)) {
        Some(Err(mismatch)) => Err(damaged(&path, mismatch)),
        _ => Ok(bytes),
    }
}
