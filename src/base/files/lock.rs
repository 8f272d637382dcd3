//! Advisory locks: one process at a time, and none after its holder died, however it died.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// A folder that this process alone may change, until dropped.
#[derive(Debug)]
pub struct Lock {
    /// Absent where the file system knows no locks.
    _held: Option<Held>,
}

impl Lock {
    /// Takes an existing folder; `None` while another process, or another part of this one, has
    /// it. File systems without locks let everyone in.
    ///
    /// # Errors
    /// The folder cannot be opened.
    pub fn take(folder: &Path) -> io::Result<Option<Self>> {
        let file = handle(folder)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self {
                _held: Some(Held(file)),
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(_)) => Ok(Some(Self { _held: None })),
        }
    }

    /// Marks a file as one of a living process, for others on this machine to see, until dropped;
    /// `None` where that cannot be done.
    pub fn of_file(path: &Path) -> Option<Self> {
        let file = File::options().write(true).open(path).ok()?;
        file.try_lock().ok()?;
        Some(Self {
            _held: Some(Held(file)),
        })
    }

    /// Whether no living process of this machine has marked the file so.
    pub fn is_left(path: &Path) -> bool {
        let file = File::options().write(true).open(path);
        file.is_ok_and(|file| file.try_lock().map(|()| drop(Held(file))).is_ok())
    }
}

/// A locked file or folder.
#[derive(Debug)]
pub(super) struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Closing alone would leave the lock to a process that was just forked off this one, until
        // it becomes another program. There is nothing to do where it fails.
        let _ = self.0.unlock();
    }
}

/// Folders are files here, so that no file of its own stays behind.
#[cfg(unix)]
fn handle(folder: &Path) -> io::Result<File> {
    File::open(folder)
}

#[cfg(not(unix))]
fn handle(folder: &Path) -> io::Result<File> {
    let options = File::options().write(true).create(true).truncate(false);
    options.open(folder.join("lock"))
}

/// Whether a scratch file's or folder's process is gone: living ones hold it.
pub(super) fn is_abandoned(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| match file.try_lock() {
        Ok(()) => {
            drop(Held(file));
            true
        }
        Err(_) => false,
    })
}

/// Marks a scratch folder as one of a living process, until dropped.
pub(super) fn hold(path: &Path) -> Option<Held> {
    let file = File::open(path).ok()?;
    file.lock().ok().map(|()| Held(file))
}
