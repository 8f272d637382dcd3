//! A file under a scratch name until it is complete.

use super::lock;
use super::system::{self, OpenFile, folder_of};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The mark in every scratch name; left-overs of killed processes are found by it.
const SCRATCH_MARK: &str = ".effigy-scratch-";

/// Bytes of the target's name in a scratch name: file systems end names at 255.
const NAME_KEPT: usize = 200;

/// Scratch files and folders of this process.
static LIVING: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Folders that were cleared of what killed processes left in them.
static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A path beside `target` that no other write of this or another process uses.
pub(super) fn scratch_path(target: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let kept = name.floor_char_boundary(NAME_KEPT);
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
    let pid = std::process::id();
    target.with_file_name(format!("{}{SCRATCH_MARK}{pid}-{unique}", &name[..kept]))
}

/// Whether a file or folder of that name is one that was not finished.
pub fn is_scratch(name: &str) -> bool {
    name.contains(SCRATCH_MARK)
}

/// A scratch file or folder that is to be removed, unless it has taken its place.
#[derive(Debug)]
pub(super) struct Living(PathBuf);

impl Living {
    pub(super) fn new(path: &Path) -> Self {
        guard(&LIVING).insert(path.to_path_buf());
        Self(path.to_path_buf())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        guard(&LIVING).remove(&self.0);
        remove(&self.0);
    }
}

/// It may be gone, having taken its place.
fn remove(path: &Path) {
    // Left-overs are swept by whoever writes here next.
    let _ = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => system::remove_dir_all(path),
        Ok(_) => system::remove_file(path),
        Err(_) => Ok(()),
    };
}

/// Removes every scratch file and folder of this process, which is about to end without unwinding.
pub fn abandon_all() {
    for path in guard(&LIVING).iter() {
        remove(path);
    }
}

/// The first write of this process into a folder removes what killed processes left in it; what
/// living ones are writing stays.
pub fn sweep(folder: &Path) {
    if guard(&SWEPT).insert(folder.to_path_buf()) {
        for path in left_overs(folder).unwrap_or_default() {
            if lock::is_abandoned(&path) {
                remove(&path);
            }
        }
    }
}

/// Scratch files and folders in a folder, whosoever they are.
pub(super) fn left_overs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_scratch(&entry.file_name().to_string_lossy()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// A buffered file under a scratch name. [`ScratchFile::commit`] gives it its real name;
/// dropping it uncommitted removes it.
#[derive(Debug)]
pub struct ScratchFile {
    target: Target,
    file: BufWriter<OpenFile>,
    // Dropped last: open files cannot be removed everywhere.
    scratch: Living,
}

/// What a finished file is to become.
#[derive(Debug)]
enum Target {
    /// A file, new or replaced.
    File(PathBuf),
    /// A device or pipe: it gets the bytes and stays what it is.
    Device(PathBuf),
}

impl ScratchFile {
    /// Opens a scratch file beside `target`. Missing parent folders are created. A link stands
    /// for what it leads to.
    ///
    /// # Errors
    /// `target` is a folder, or its folder cannot be written.
    pub fn create(target: &Path) -> io::Result<Self> {
        let found = target.metadata().ok();
        if found.as_ref().is_some_and(fs::Metadata::is_dir) {
            return Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                "is a folder; name a file",
            ));
        }
        // Links to devices may lead to names that nobody else can open: /dev/stdout does.
        let is_device = found.is_some_and(|found| !found.is_file());
        let (beside, target) = if is_device {
            let beside = std::env::temp_dir().join("device");
            (beside, Target::Device(target.to_path_buf()))
        } else {
            let target = behind_links(target)?;
            (target.clone(), Target::File(target))
        };
        system::create_dir_all(folder_of(&beside))?;
        sweep(folder_of(&beside));
        let (scratch, file) = open_scratch(&beside)?;
        Ok(Self {
            target,
            file: BufWriter::new(file),
            scratch,
        })
    }

    /// Writes everything to disk under the scratch name, and tells it: what was written can be
    /// read back before it takes its place.
    ///
    /// # Errors
    /// The disk's own.
    pub fn sync(&mut self) -> io::Result<&Path> {
        self.file.flush()?;
        self.file.get_ref().sync()?;
        Ok(self.scratch.path())
    }

    /// Brings it to the disk under its real name, replacing what was there; who may read and
    /// write that may read and write this.
    ///
    /// # Errors
    /// The disk's own; the target is then what it was.
    pub fn commit(mut self) -> io::Result<()> {
        self.file.flush()?;
        let file = self.file.get_ref();
        match &self.target {
            Target::File(target) => {
                if let Ok(replaced) = target.metadata() {
                    file.permit(replaced.permissions())?;
                }
                file.sync()?;
                system::rename(self.scratch.path(), target)?;
                system::sync_dir(folder_of(target))
            }
            Target::Device(device) => {
                let mut from = fs::File::open(self.scratch.path())?;
                let mut to = OpenFile::open(device)?;
                io::copy(&mut from, &mut to)?;
                to.flush()
            }
        }
    }
}

/// A new file under a scratch name, held so that no other process sweeps it.
fn open_scratch(beside: &Path) -> io::Result<(Living, OpenFile)> {
    loop {
        let path = scratch_path(beside);
        let file = match OpenFile::create_new(&path) {
            // A killed process with this one's number left it.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            opened => opened?,
        };
        let scratch = Living::new(&path);
        // Where there are no locks nobody sweeps.
        let _ = file.handle().lock();
        // Between the two it may have been swept.
        if path.exists() {
            return Ok((scratch, file));
        }
    }
}

/// Where a path's links lead: to what exists, or to where a new file is to be made.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..40 {
        match path.read_link() {
            Ok(to) => path = folder_of(&path).join(to),
            // No link, or nothing there.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("links that lead in a circle"))
}

impl Write for ScratchFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for ScratchFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Writes `contents` to `target` in one step that survives a power loss.
///
/// # Errors
/// The disk's own; the target is then what it was.
pub fn write(target: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = ScratchFile::create(target)?;
    file.write_all(contents)?;
    file.commit()
}
