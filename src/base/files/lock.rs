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

    /// A file that is marked as one of a living process for as long as any process holds what is
    /// returned: handed to a child, it tells of the child's life whatever becomes of this process.
    /// The file is made where it is missing; `None` while another process has it.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn lend(path: &Path) -> io::Result<Option<File>> {
        let file = match open_lent(path) {
            Err(error) if is_shared_out(&error) => return Ok(None),
            opened => opened?,
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(None),
            // File systems without locks: nobody is told.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(file)),
        }
    }

    /// Whether a living process has a file that was lent to it.
    pub fn is_lent(path: &Path) -> bool {
        match File::open(path) {
            Err(error) => is_shared_out(&error),
            Ok(file) => match file.try_lock() {
                Ok(()) => {
                    drop(Held(file));
                    false
                }
                Err(error) => matches!(error, TryLockError::WouldBlock),
            },
        }
    }

    /// Waits, without asking again and again where the system allows it, until no process has a file
    /// that was lent.
    pub fn wait_for_lent(path: &Path) {
        while Self::is_lent(path) {
            match File::open(path) {
                Ok(file) if file.lock().is_ok() => drop(Held(file)),
                _ => std::thread::sleep(std::time::Duration::from_secs(1)),
            }
        }
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

/// Locks belong to open files here, and go with them to a child.
#[cfg(unix)]
fn open_lent(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

#[cfg(unix)]
fn is_shared_out(_: &io::Error) -> bool {
    false
}

/// Locks belong to processes here; that nobody else may open the file goes with it to a child.
#[cfg(windows)]
fn open_lent(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    let mut options = File::options();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .share_mode(0);
    options.open(path)
}

#[cfg(windows)]
fn is_shared_out(error: &io::Error) -> bool {
    const SHARING_VIOLATION: i32 = 32;
    error.raw_os_error() == Some(SHARING_VIOLATION)
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
