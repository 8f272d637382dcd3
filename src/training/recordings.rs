//! Checksums of the recordings that a run learns from, so that continuing notices others in their
//! place.
//!
//! Knows their files, not what is in them.

use super::run_dir::RunError;
use crate::config::DataConfig;
use crate::files::checksums::{self, Checksums};
use std::collections::BTreeSet;

/// Those of all files that a config names.
///
/// # Errors
/// A file that cannot be read.
pub fn checksums(data: &DataConfig) -> Result<Checksums, RunError> {
    let pairs = data.train.iter().chain(&data.valid).chain(&data.test);
    let files: BTreeSet<_> = pairs.flat_map(|p| [&p.dry, &p.wet]).flatten().collect();
    let mut all = Checksums::default();
    for path in files {
        let sum = checksums::of_file(path).map_err(|source| RunError::Io {
            path: path.clone(),
            source,
        })?;
        all = all.with_sum(&path.to_string_lossy(), sum);
    }
    Ok(all)
}
