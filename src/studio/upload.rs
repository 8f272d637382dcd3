//! A dropped file on its way to the disk: under a scratch name until it is whole, and never in place of
//! another, which a run may have learned from.

use crate::error::Refusal;
use crate::http::{BodyError, Request};
use effigy_base::files::ScratchFile;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// Takes a request's body as a file; returns under which name. One of the same name stays, and is the
/// answer where it is the same to the byte.
///
/// # Errors
/// Too long, broken off or too slow, and nothing is left of it; the disk.
pub fn take(request: &mut Request<'_>, wanted: &Path, most: u64) -> Result<PathBuf, Refusal> {
    let name = wanted
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if request.body_len() == 0 {
        return Err(Refusal::Missing(format!("{name}: the file is empty")));
    }
    if request.body_len() > most {
        let len = request.body_len();
        return Err(BodyError::TooLong { len, most }.into());
    }
    let to = free(wanted);
    let disk = || Refusal::disk(name.clone());
    let mut file = ScratchFile::create(&to).map_err(disk())?;
    request.copy_body(most, &mut |piece| file.write_all(piece))?;
    if to != wanted && equal(file.sync().map_err(disk())?, wanted).unwrap_or(false) {
        return Ok(wanted.to_path_buf());
    }
    file.commit().map_err(disk())?;
    Ok(to)
}

/// `NAME.wav`, or the first of `NAME-2.wav`, … that is free.
fn free(wanted: &Path) -> PathBuf {
    let part =
        |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let (stem, ending) = (part(wanted.file_stem()), part(wanted.extension()));
    let dot = if ending.is_empty() { "" } else { "." };
    let others = (2..).map(|n: u32| wanted.with_file_name(format!("{stem}-{n}{dot}{ending}")));
    let mut all = std::iter::once(wanted.to_path_buf()).chain(others);
    all.find(|path| path.symlink_metadata().is_err())
        .unwrap_or_else(|| wanted.to_path_buf())
}

/// Whether two files hold the same bytes.
fn equal(a: &Path, b: &Path) -> io::Result<bool> {
    let (a, b) = (File::open(a)?, File::open(b)?);
    if a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let mut pairs = BufReader::new(a).bytes().zip(BufReader::new(b).bytes());
    Ok(pairs.all(|pair| matches!(pair, (Ok(a), Ok(b)) if a == b)))
}
