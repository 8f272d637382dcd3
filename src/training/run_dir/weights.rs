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

/// `model`, or the same as versions before had it, with weights that were read from `path`.
pub(super) fn load(
    model: EffectModel,
    bytes: Vec<u8>,
    path: &Path,
) -> Result<EffectModel, RunError> {
    let record = |bytes| {
        let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes));
        record.map_err(|e| damaged(path, e))
    };
    let old = model.of_old();
    let kept = old.as_ref().map(|_| bytes.clone());
    let of_another = match model.try_load_record(record(bytes)?) {
        Ok(model) => return Ok(model),
        Err(e) => format!("weights of another network ({e}); its config says which"),
    };
    if let Some((old, bytes)) = old.zip(kept)
        && let Ok(old) = old.try_load_record(record(bytes)?)
    {
        return Ok(old);
    }
    Err(damaged(path, of_another))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConvConfig, ModelConfig, WindowConfig};
    use crate::models;
    use crate::models::predict::predict;
    use burn::prelude::*;

    /// Tied filters had no bias before; what such runs saved goes on playing as it did.
    #[test]
    fn weights_of_before_are_played_and_those_of_others_refused() {
        let device = Device::flex();
        let small = ConvConfig {
            channels: 4,
            kernel_size: 8,
            ..ConvConfig::default()
        };
        let build = |config: ModelConfig, seed| {
            models::build(&config, &WindowConfig::default(), 0, seed, &device)
        };
        let path = Path::new("weights.bpk");
        let sound: Vec<f32> = (0..200).map(|n| (0.1 * n as f32).sin()).collect();
        let play = |model: &EffectModel| predict(model, &device, &[], &[], &sound);
        let now = build(ModelConfig::ConvTied(small.clone()), 1);
        let old = build(ModelConfig::ConvTied(small.clone()), 2)
            .of_old()
            .unwrap();
        let bytes = |model| to_bytes(model, path).unwrap().to_vec();
        let loaded = load(now.clone(), bytes(&old), path).unwrap();
        assert_eq!(play(&loaded), play(&old));
        let mut shifted = now.clone();
        shifted.shift_output(&[0.5]);
        let loaded = load(now.clone(), bytes(&shifted), path).unwrap();
        assert_eq!(play(&loaded), play(&shifted));
        assert_ne!(play(&loaded), play(&now));
        let other = build(ModelConfig::Conv(small), 1);
        assert!(other.of_old().is_none());
        let refusal = load(now, bytes(&other), path).unwrap_err().to_string();
        assert!(refusal.contains("another network"), "{refusal}");
    }
}
