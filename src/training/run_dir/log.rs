//! `metrics.jsonl`: a line per epoch, appended, so that the thousandth costs what the first did.
//!
//! A line reaches the disk before the state of its epoch; a state says how many lines are its
//! own, and what lies behind them was cut short or is of an epoch that is repeated.

use super::error::{RunError, damaged, refused};
use crate::files;
use crate::files::checksums;
use crate::files::system::{OpenFile, folder_of, sync_dir};
use crate::training::history::EpochRow;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

/// All rows; none where there is no log. A last line that was cut short is left out.
pub(super) fn read(path: &Path) -> Result<Vec<EpochRow>, RunError> {
    let text = text(path)?;
    let (mut lines, mut rows) = (text.split_inclusive('\n').peekable(), Vec::new());
    while let Some(line) = lines.next() {
        match serde_json::from_str(line) {
            Ok(row) => rows.push(row),
            Err(_) if lines.peek().is_none() => {}
            Err(error) => return Err(damaged(path, error)),
        }
    }
    Ok(rows)
}

/// The log's first rows and their checksum; the file keeps these alone.
pub(super) fn keep(path: &Path, epochs: usize) -> Result<(Vec<EpochRow>, u32), RunError> {
    let text = text(path)?;
    let lines: Vec<&str> = text.split_inclusive('\n').take(epochs).collect();
    let whole = lines.len() == epochs && lines.iter().all(|line| line.ends_with('\n'));
    if !whole {
        let there = lines.len();
        let reason = format!("ends after {there} lines, of {epochs} epochs that were completed");
        return Err(damaged(path, reason));
    }
    let kept: usize = lines.iter().map(|line| line.len()).sum();
    let rows = lines.iter().map(|line| serde_json::from_str(line));
    let rows = rows
        .collect::<Result<_, _>>()
        .map_err(|e| damaged(path, e))?;
    if kept < text.len() {
        let cut = || {
            let file = OpenFile::open(path)?;
            file.truncate(kept as u64)?;
            file.sync()
        };
        cut().map_err(refused(path))?;
    }
    Ok((rows, checksums::of(&text.as_bytes()[..kept])))
}

/// Writes a log of these rows, and tells its checksum.
pub(super) fn replace(path: &Path, rows: &[EpochRow]) -> Result<u32, RunError> {
    let mut text = String::new();
    for row in rows {
        text += &line(row, path)?;
    }
    files::write(path, text.as_bytes()).map_err(refused(path))?;
    Ok(checksums::of(text.as_bytes()))
}

/// Appends a row to a log with the checksum `before`, and tells the new one.
pub(super) fn append(path: &Path, row: &EpochRow, before: u32) -> Result<u32, RunError> {
    let line = line(row, path)?;
    let write = || {
        let mut file = if path.exists() {
            OpenFile::open(path)?
        } else {
            OpenFile::create_new(path)?
        };
        file.seek(SeekFrom::End(0))?;
        file.write_all(line.as_bytes())
    };
    write().map_err(refused(path))?;
    Ok(checksums::continued(before, line.as_bytes()))
}

/// Brings all lines to the disk.
pub(super) fn sync(path: &Path) -> Result<(), RunError> {
    let sync = || {
        OpenFile::open(path)?.sync()?;
        sync_dir(folder_of(path))
    };
    sync().map_err(refused(path))
}

fn line(row: &EpochRow, path: &Path) -> Result<String, RunError> {
    let line = serde_json::to_string(row).map_err(|e| damaged(path, e))?;
    Ok(line + "\n")
}

/// Bytes that are no text cannot be a line that was finished.
fn text(path: &Path) -> Result<String, RunError> {
    if !path.is_file() {
        return Ok(String::new());
    }
    let bytes = fs::read(path).map_err(refused(path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
