//! What effigy does to disks, each a thin wrapper around the system's own. Nothing else in effigy
//! creates, writes, renames or removes files.

use super::watch::{Operation, perform};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::path::PathBuf;

/// The folder that a path names something in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// A file open for writing, unbuffered.
#[derive(Debug)]
pub struct OpenFile {
    path: PathBuf,
    file: File,
}

impl OpenFile {
    /// A new file, which must not exist.
    pub fn create_new(path: &Path) -> io::Result<Self> {
        let create = || File::create_new(path);
        let file = perform(path, || Operation::Create(path.to_path_buf()), create)?;
        let path = path.to_path_buf();
        Ok(Self { path, file })
    }

    /// An existing file, to be written from its beginning.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(path)?;
        let path = path.to_path_buf();
        Ok(Self { path, file })
    }

    /// Cuts it to a length.
    pub fn truncate(&self, len: u64) -> io::Result<()> {
        let operation = || Operation::Truncate(self.path.clone(), len);
        perform(&self.path, operation, || self.file.set_len(len))
    }

    /// Brings its contents to the disk.
    pub fn sync(&self) -> io::Result<()> {
        let operation = || Operation::Sync(self.path.clone());
        perform(&self.path, operation, || self.file.sync_all())
    }

    /// Lets whoever may use another file use this one.
    pub fn permit(&self, permissions: Permissions) -> io::Result<()> {
        let operation = || Operation::Permit(self.path.clone());
        let set = || self.file.set_permissions(permissions);
        perform(&self.path, operation, set)
    }

    /// Its handle, to lock it by.
    pub(super) fn handle(&self) -> &File {
        &self.file
    }
}

impl Write for OpenFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (path, mut file) = (&self.path, &self.file);
        let operation = || Operation::Write {
            path: path.clone(),
            offset: (&self.file).stream_position().unwrap_or(0),
            bytes: bytes.to_vec(),
        };
        perform(path, operation, || file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for OpenFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Writes a new file, which must not exist, and brings it to the disk. For files that nobody
/// looks for yet; others are written by [`super::write`].
pub fn write_new(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = OpenFile::create_new(path)?;
    file.write_all(contents)?;
    file.sync()
}

/// Opens a file, made where it is missing, for a child process to write its words to: what it says is
/// on its own account, and a line that a power loss takes is no loss.
pub fn open_for_child(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Makes a folder, which must not exist, in one that does.
pub fn create_dir(path: &Path) -> io::Result<()> {
    let operation = || Operation::CreateDir(path.to_path_buf());
    perform(path, operation, || fs::create_dir(path))
}

/// Makes a folder and those above it where they are missing, for good.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    if path == Path::new("") || path.is_dir() {
        return Ok(());
    }
    create_dir_all(folder_of(path))?;
    match create_dir(path) {
        // Another process was faster.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made.and_then(|()| sync_dir(folder_of(path))),
    }
}

/// Gives a file or folder another name, replacing a file of that name.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let operation = || Operation::Rename(from.to_path_buf(), to.to_path_buf());
    perform(to, operation, || fs::rename(from, to))
}

/// Removes a file, or a link to one.
pub fn remove_file(path: &Path) -> io::Result<()> {
    let operation = || Operation::RemoveFile(path.to_path_buf());
    perform(path, operation, || fs::remove_file(path))
}

/// Removes a folder with everything in it; links in it are removed, not followed.
pub fn remove_dir_all(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_dir_all(&entry.path())?;
        } else {
            remove_file(&entry.path())?;
        }
    }
    let operation = || Operation::RemoveDir(path.to_path_buf());
    perform(path, operation, || fs::remove_dir(path))
}

/// Brings the names in a folder to the disk: without it, a power loss may take a file whose
/// contents are there, or give it its old name back.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    let operation = || Operation::SyncDir(path.to_path_buf());
    perform(path, operation, || sync_names(path))
}

#[cfg(unix)]
fn sync_names(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        // File systems without it keep their names in order themselves.
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

/// Other systems cannot open a folder for this; their journals keep names in order.
#[cfg(not(unix))]
fn sync_names(_: &Path) -> io::Result<()> {
    Ok(())
}
