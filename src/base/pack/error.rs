//! What can be wrong with a pack.

use crate::config::ConfigError;
use std::io;
use std::path::{Path, PathBuf};

/// What can be wrong with a pack.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// No pack there.
    #[error("{}: no pack (no pack.toml in it); `effigy pack new` makes one", .0.display())]
    NotAPack(PathBuf),
    /// A file is not what is expected.
    #[error("{}{line}: {reason}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// `":12"`, or empty.
        line: String,
        /// What is wrong, in one line.
        reason: String,
    },
    /// What was asked for cannot be done.
    #[error("{what}: {reason}")]
    Wrong {
        /// The option or key.
        what: String,
        /// Why, and what is allowed.
        reason: String,
    },
    /// A job's config.
    #[error("job {job}")]
    Config {
        /// Its name.
        job: String,
        /// What is wrong.
        source: ConfigError,
    },
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl PackError {
    pub(super) fn wrong(what: impl ToString, reason: impl ToString) -> Self {
        Self::Wrong {
            what: what.to_string(),
            reason: reason.to_string(),
        }
    }
}

/// A file or folder that the system refuses.
pub(super) fn refused(path: &Path) -> impl FnOnce(io::Error) -> PackError {
    |source| PackError::Io {
        path: path.to_path_buf(),
        source,
    }
}
