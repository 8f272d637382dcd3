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
    to.serialize_str(&path.to_string_lossy())
}

/// A path that may be absent as text, for `serialize_with`.
///
/// # Errors
/// The serializer's own.
pub fn path_text_if_any<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => to.serialize_some(&path.to_string_lossy()),
        None => to.serialize_none(),
    }
}

/// Paths as text, for `serialize_with`.
///
/// # Errors
/// The serializer's own.
pub fn paths_text<S: Serializer>(paths: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}
