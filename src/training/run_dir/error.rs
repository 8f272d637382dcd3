//! What can be wrong with a run's folder.

use crate::config::ConfigError;
use std::io;
use std::path::{Path, PathBuf};

/// What can be wrong with a run's folder.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Not a run.
    #[error("{}: no run (no config.toml in it); `effigy runs` lists runs", .0.display())]
    NotARun(PathBuf),
    /// No epoch has been completed.
    #[error("{}: no epoch was completed, so there are no weights; train it again", .0.display())]
    NoWeights(PathBuf),
    /// Two processes would write into one folder.
    #[error(
        "{}: another effigy process is training this run; wait for its end, or stop it first",
        .0.display()
    )]
    Busy(PathBuf),
    /// The recordings are no longer those that the run has learned from.
    #[error(
        "{}: not the recording that {} has learned from (its checksum differs); put the old one \
         back, or train anew without --resume",
        recording.display(),
        run.display()
    )]
    Replaced {
        /// The file.
        recording: PathBuf,
        /// The run's folder.
        run: PathBuf,
    },
    /// The saved config is damaged.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is damaged or of another network.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Every saved state is damaged.
    #[error(
        "{damage}; no older epoch is whole: put the file back from a copy, or train anew, from \
         the best weights with --init-from {}",
        run.display()
    )]
    NothingWhole {
        /// The run's folder.
        run: PathBuf,
        /// What is wrong with the newest.
        damage: String,
    },
}

impl RunError {
    /// With its reason, in one line.
    pub(super) fn in_full(&self) -> String {
        match self {
            Self::Io { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}

/// A file that is damaged.
pub(super) fn damaged(path: &Path, reason: impl ToString) -> RunError {
    RunError::Damaged {
        path: path.to_path_buf(),
        reason: reason.to_string().replace('\n', " "),
    }
}

/// A file or folder that the system refuses.
pub(super) fn refused(path: &Path) -> impl FnOnce(io::Error) -> RunError {
    |source| RunError::Io {
        path: path.to_path_buf(),
        source,
    }
}
