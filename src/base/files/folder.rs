//! A folder under a scratch name until it is complete.

use super::lock;
pub use super::scratch::sweep;
use super::scratch::{Living, left_overs, scratch_path};
use super::system::{self, folder_of};
use std::io;
use std::path::Path;

/// Fills a folder under a scratch name, then gives it its real one, replacing an older folder.
/// `fill` brings every file that it makes to the disk ([`system::write_new`] does).
///
/// Folders cannot be exchanged in one step on every system: the older one is moved aside
/// first, so a kill in between leaves no `target` but never a half-filled one.
///
/// # Errors
/// The disk's own and those of `fill`; the older folder is then still there.
pub fn write_dir<E: From<io::Error>>(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let parent = folder_of(target);
    system::create_dir_all(parent)?;
    sweep(parent);
    let scratch = Living::new(&scratch_path(target));
    system::create_dir(scratch.path())?;
    let _held = lock::hold(scratch.path());
    fill(scratch.path())?;
    system::sync_dir(scratch.path())?;
    Ok(replace_dir(scratch.path(), target)?)
}

fn replace_dir(from: &Path, to: &Path) -> io::Result<()> {
    if !to.exists() {
        system::rename(from, to)?;
        return system::sync_dir(folder_of(to));
    }
    let old = scratch_path(to);
    system::rename(to, &old)?;
    // From here on it is removed, whatever happens: unless it has to come back.
    if let Err(error) = system::rename(from, to) {
        system::rename(&old, to)?;
        return Err(error);
    }
    let _old = Living::new(&old);
    system::sync_dir(folder_of(to))
}

/// Removes scratch files and folders that killed processes left in `dir`, which this process
/// alone may change; files that a living process is writing there stay.
///
/// # Errors
/// The disk's own.
pub fn remove_scratch(dir: &Path) -> io::Result<()> {
    for path in &left_overs(dir)? {
        if path.is_dir() {
            system::remove_dir_all(path)?;
        } else if lock::is_abandoned(path) {
            system::remove_file(path)?;
        }
    }
    Ok(())
}
