//! Paths: whether two are one, and how they are told in JSON.

use serde::Serializer;
use std::path::{Path, PathBuf};

/// Whether two paths lead to one existing file or folder, under whatever names.
pub fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// A path as text, for `serialize_with`: names that are not Unicode lose what cannot be told,
/// where serde would refuse them.
///
/// # Errors
/// The serializer's own.
pub fn path_text<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.display())
}

/// Paths as text, for `serialize_with`.
///
/// # Errors
/// The serializer's own.
pub fn paths_text<S: Serializer>(paths: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}
