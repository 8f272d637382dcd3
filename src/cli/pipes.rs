//! `-` as the name of a file: standard input and output.
//!
//! Sound files are read and written out of order (sizes stand before the samples), pipes are not:
//! what comes or goes by pipe is kept in a file meanwhile.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The name.
pub(super) const DASH: &str = "-";

/// Whether a file is named so.
pub(super) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == DASH
}

/// A folder of such files, gone when dropped.
pub(super) struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// Where one would be; it is made with its first file.
    pub(super) fn new() -> Self {
        // No name that anyone could have put there before.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_nanos());
        let name = format!("effigy-pipe-{}-{now}", std::process::id());
        Self {
            folder: std::env::temp_dir().join(name),
        }
    }

    /// A file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// All of standard input, as a file.
    ///
    /// # Errors
    /// The pipe or the file fails, or it was read before.
    pub(super) fn standard_input(&self) -> io::Result<PathBuf> {
        fs::create_dir_all(&self.folder)?;
        let path = self.file("standard-input");
        let file = File::create_new(&path);
        let mut file = file.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => io::Error::other("standard input (-) can be read once"),
            _ => error,
        })?;
        io::copy(&mut io::stdin().lock(), &mut file)?;
        Ok(path)
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // Not there where nothing was piped.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Copies a file to standard output. A closed pipe (`… | head`) is the reader's choice, no fault.
///
/// # Errors
/// The file or the pipe fails.
pub(super) fn to_standard_output(path: &Path) -> io::Result<()> {
    match io::copy(&mut File::open(path)?, &mut io::stdout().lock()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.map(|_| ()),
    }
}
