//! Writing files so that a kill at any instant leaves the old file, the new file, or nothing:
//! every write goes to a scratch name beside its target and is renamed when complete.
//!
//! Knows nothing of what is written.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The mark in every scratch name; [`remove_scratch`] finds left-overs of killed runs by it.
const SCRATCH_MARK: &str = ".effigy-scratch-";

/// Whether two paths lead to one existing file or folder, under whatever names.
pub fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// A path beside `target` that no other write of this or another process uses.
pub fn scratch_path(target: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let name = target
        .file_name()
        .map_or_else(Default::default, |n| n.to_string_lossy().into_owned());
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
    let pid = std::process::id();
    target.with_file_name(format!("{name}{SCRATCH_MARK}{pid}-{unique}"))
}

/// A buffered file under a scratch name. [`ScratchFile::commit`] gives it its real name;
/// dropping it uncommitted removes it.
#[derive(Debug)]
pub struct ScratchFile {
    target: PathBuf,
    scratch: PathBuf,
    /// `None` once committed.
    file: Option<BufWriter<File>>,
}

impl ScratchFile {
    /// Opens a scratch file beside `target`. Missing parent folders are created.
    pub fn create(target: &Path) -> io::Result<Self> {
        if target.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                "is a folder; name a file",
            ));
        }
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        let scratch = scratch_path(target);
        let file = BufWriter::new(File::create_new(&scratch)?);
        Ok(Self {
            target: target.to_path_buf(),
            scratch,
            file: Some(file),
        })
    }

    /// Writes everything to disk under the scratch name, and tells it: what was written can be
    /// read back before it takes its place.
    pub fn sync(&mut self) -> io::Result<&Path> {
        let file = self.inner()?;
        file.flush()?;
        file.get_ref().sync_all()?;
        Ok(&self.scratch)
    }

    /// Flushes to disk and renames to the target, replacing what was there.
    pub fn commit(mut self) -> io::Result<()> {
        if let Some(mut file) = self.file.take() {
            let written = file.flush().and_then(|()| file.get_ref().sync_all());
            drop(file);
            let renamed = written.and_then(|()| fs::rename(&self.scratch, &self.target));
            if renamed.is_err() {
                let _ = fs::remove_file(&self.scratch);
            }
            return renamed;
        }
        Ok(())
    }

    fn inner(&mut self) -> io::Result<&mut BufWriter<File>> {
        self.file
            .as_mut()
            .ok_or_else(|| io::Error::other("file is already committed"))
    }
}

impl Write for ScratchFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.inner()?.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner()?.flush()
    }
}

impl Seek for ScratchFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner()?.seek(to)
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.scratch);
        }
    }
}

/// Writes `contents` to `target` in one atomic step.
pub fn write(target: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = ScratchFile::create(target)?;
    file.write_all(contents)?;
    file.commit()
}

/// Fills a folder under a scratch name, then renames it to `target`, replacing an older one.
///
/// Folders cannot be exchanged in one step on every system: the older one is moved aside
/// first, so a kill in between leaves no `target` but never a half-filled one.
pub fn write_dir<E: From<io::Error>>(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    let scratch = scratch_path(target);
    fs::create_dir(&scratch)?;
    let placed = fill(&scratch).and_then(|()| replace_dir(&scratch, target).map_err(E::from));
    if placed.is_err() {
        let _ = fs::remove_dir_all(&scratch);
    }
    placed
}

fn replace_dir(from: &Path, to: &Path) -> io::Result<()> {
    if !to.exists() {
        return fs::rename(from, to);
    }
    let old = scratch_path(to);
    fs::rename(to, &old)?;
    fs::rename(from, to)?;
    fs::remove_dir_all(&old)
}

/// Removes scratch files and folders that killed processes left in `dir`.
pub fn remove_scratch(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let ours = path
            .file_name()
            .is_some_and(|n| n.to_string_lossy().contains(SCRATCH_MARK));
        if ours && path.is_dir() {
            fs::remove_dir_all(&path)?;
        } else if ours {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn an_uncommitted_file_leaves_the_old_one_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.txt");
        write(&target, b"old").unwrap();
        let mut file = ScratchFile::create(&target).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["a.txt"]);
    }

    #[test]
    fn a_failed_folder_leaves_the_old_one_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("run");
        write_dir::<io::Error>(&target, |d| fs::write(d.join("x"), b"1")).unwrap();
        let failed = write_dir::<io::Error>(&target, |d| {
            fs::write(d.join("y"), b"2")?;
            Err(io::Error::other("disk full"))
        });
        assert!(failed.is_err());
        assert_eq!(names(dir.path()), ["run"]);
        assert_eq!(names(&target), ["x"]);
    }

    #[test]
    fn left_overs_are_found_by_their_mark() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(scratch_path(&dir.path().join("a.wav")), b"").unwrap();
        fs::create_dir(scratch_path(&dir.path().join("best"))).unwrap();
        fs::write(dir.path().join("keep"), b"").unwrap();
        remove_scratch(dir.path()).unwrap();
        assert_eq!(names(dir.path()), ["keep"]);
    }
}
