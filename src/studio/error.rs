//! Why the studio cannot start, and why a request is refused.

use crate::folder::PathError;
use crate::http::{BodyError, Response};
use crate::verbs::VerbError;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Why the studio cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StudioError {
    /// The folder cannot be used.
    #[error("{}: cannot be the studio's folder", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// There is no such folder.
    #[error("{}: no such folder; make it first, or leave --dir out to use the one you are in", .0.display())]
    NoFolder(PathBuf),
    /// Another studio has the folder.
    #[error("{}: another effigy studio is at work in this folder{at}; use that one, or name another with --dir", .folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
        /// Where the other one can be seen, if it has told.
        at: String,
    },
    /// The address cannot be listened to.
    #[error("cannot listen at {address}; another --port may be free")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The system gives no random numbers.
    #[error("no random numbers for a token: {0}")]
    Random(getrandom::Error),
    /// Where this program lies is not known.
    #[error("cannot find this program's own file")]
    Program(#[source] io::Error),
}

/// Why a request is refused; its text goes to the page.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A path that is not ours.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A verb that is not offered, or not so.
    #[error(transparent)]
    Verb(#[from] VerbError),
    /// A body that is too long, broken or not understood.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The disk's own.
    #[error("{path}")]
    Disk {
        /// What was read or written.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// What was asked for is not there.
    #[error("{0}")]
    Missing(String),
    /// It cannot be done now.
    #[error("{0}")]
    Conflict(String),
    /// What a part of effigy says.
    #[error("{0}")]
    Said(String),
}

impl Refusal {
    /// The disk's reason, with what it is about.
    pub fn disk(path: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { path, source }
    }

    /// An error of another part, with its reasons.
    pub fn said(error: &dyn std::error::Error) -> Self {
        Self::Said(chain(error))
    }

    /// The answer to the request; files of the studio's folder `root` are named as the page names them.
    pub fn response(&self, root: &Path) -> Response {
        let status = match self {
            Self::Path(PathError::Missing(_)) | Self::Missing(_) => 404,
            Self::Path(_) => 403,
            Self::Body(BodyError::TooLong { .. }) => 413,
            Self::Body(BodyError::Broken(_)) => 408,
            Self::Verb(_) | Self::Body(_) => 400,
            Self::Conflict(_) => 409,
            Self::Said(_) => 422,
            Self::Disk { .. } => 500,
        };
        let inside = format!("{}{}", root.display(), std::path::MAIN_SEPARATOR);
        Response::text(status, &chain(self).replace(&inside, ""))
    }
}

/// An error and its reasons in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(reason) = next {
        text += &format!(": {reason}");
        next = reason.source();
    }
    text.replace(['\n', '\r'], " ")
}
