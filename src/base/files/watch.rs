//! Watching what is done to the files below a folder, and making one operation fail: for tests of
//! what a full disk, a kill or a power loss leaves behind. Costs one atomic load where nobody
//! watches.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// One thing that is done to a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A new folder.
    CreateDir(PathBuf),
    /// A new, empty file.
    Create(PathBuf),
    /// Bytes written into a file.
    Write {
        /// The file.
        path: PathBuf,
        /// Where they begin.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A file cut to a length.
    Truncate(PathBuf, u64),
    /// A file's contents brought to the disk.
    Sync(PathBuf),
    /// The names in a folder brought to the disk.
    SyncDir(PathBuf),
    /// Another name for a file or folder, replacing a file of that name.
    Rename(PathBuf, PathBuf),
    /// A file removed.
    RemoveFile(PathBuf),
    /// An empty folder removed.
    RemoveDir(PathBuf),
    /// Who may read and write a file.
    Permit(PathBuf),
}

/// Watches what this process does below a folder until dropped.
#[derive(Debug)]
pub struct Watch(Arc<Watched>);

#[derive(Debug)]
struct Watched {
    root: PathBuf,
    /// Which operation fails, from 0, and how.
    fault: Option<(usize, fn() -> io::Error)>,
    done: Mutex<Vec<Operation>>,
}

/// How many watch; the list itself is asked only then.
static COUNT: AtomicUsize = AtomicUsize::new(0);
static WATCHES: RwLock<Vec<Arc<Watched>>> = RwLock::new(Vec::new());

impl Watch {
    /// Writes down everything that is done below `root`.
    pub fn recording(root: &Path) -> Self {
        Self::begin(root, None)
    }

    /// The same, and lets the operation of that number, from 0, fail without having done anything.
    /// Those after it work again.
    pub fn failing(root: &Path, number: usize, error: fn() -> io::Error) -> Self {
        Self::begin(root, Some((number, error)))
    }

    fn begin(root: &Path, fault: Option<(usize, fn() -> io::Error)>) -> Self {
        let watched = Arc::new(Watched {
            root: root.to_path_buf(),
            fault,
            done: Mutex::default(),
        });
        let mut all = WATCHES.write().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::clone(&watched));
        COUNT.store(all.len(), Ordering::Release);
        Self(watched)
    }

    /// What was tried so far, in order; the one that failed too.
    pub fn operations(&self) -> Vec<Operation> {
        self.0.done().clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut all = WATCHES.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| !Arc::ptr_eq(other, &self.0));
        COUNT.store(all.len(), Ordering::Release);
    }
}

impl Watched {
    fn done(&self) -> MutexGuard<'_, Vec<Operation>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One operation at a time, so that the order written down is the order on the disk.
    fn perform<T>(
        &self,
        operation: Operation,
        act: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let mut done = self.done();
        let number = done.len();
        done.push(operation);
        match self.fault {
            Some((faulty, error)) if faulty == number => Err(error()),
            _ => act(),
        }
    }
}

/// Does `act`, which does `operation` at `path`, under the eyes of whoever watches there.
pub(super) fn perform<T>(
    path: &Path,
    operation: impl FnOnce() -> Operation,
    act: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    if COUNT.load(Ordering::Acquire) == 0 {
        return act();
    }
    let all = WATCHES.read().unwrap_or_else(PoisonError::into_inner);
    let watched = all.iter().find(|w| path.starts_with(&w.root)).cloned();
    drop(all);
    match watched {
        Some(watched) => watched.perform(operation(), act),
        None => act(),
    }
}
