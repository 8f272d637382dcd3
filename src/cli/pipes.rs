//! `-` as the name of a file: standard input and output.
//!
//! Sound files are read and written out of order (sizes stand before the samples), pipes are not:
//! what comes or goes by pipe is kept in a file meanwhile.

use crate::files::{ScratchFile, system};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The name.
pub(super) const DASH: &str = "-";

/// Whether a file is named so.
pub(super) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == DASH
}

/// All of standard input, as a file that is there as long as this lives.
pub(super) struct Incoming {
    _file: ScratchFile,
    path: PathBuf,
}

impl Incoming {
    /// Reads to the end.
    ///
    /// # Errors
    /// The pipe or the file fails.
    pub(super) fn read() -> io::Result<Self> {
        let mut file = ScratchFile::create(&std::env::temp_dir().join("standard-input"))?;
        io::copy(&mut io::stdin().lock(), &mut file)?;
        let path = file.sync()?.to_path_buf();
        Ok(Self { _file: file, path })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// A file for what is to go to standard output; gone when dropped.
pub(super) struct Outgoing {
    path: PathBuf,
}

impl Outgoing {
    /// The name of one that is not there yet.
    pub(super) fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_nanos());
        let name = format!("effigy-output-{}-{now}.wav", std::process::id());
        Self {
            path: std::env::temp_dir().join(name),
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Copies it to standard output. A closed pipe (`… | head`) is the reader's choice, no fault.
    ///
    /// # Errors
    /// The file or the pipe fails.
    pub(super) fn send(&self) -> io::Result<()> {
        match io::copy(&mut File::open(&self.path)?, &mut io::stdout().lock()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        // Not there where nothing was played.
        let _ = system::remove_file(&self.path);
    }
}
