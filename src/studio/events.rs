//! What a page hears without asking: every line of a run's log, once and in order, and that something
//! in the folder has changed. Files are looked at only while a page listens.
//!
//! Server-sent events (HTML Living Standard, 9.2). The number of an event is that of its line in
//! `metrics.jsonl`, so that whoever comes back with the last number it has seen, to this studio or to
//! one started later, misses none and hears none twice.

use crate::folder::{CHECKPOINTS, Folder, MODELS, RECORDINGS, SOUNDS, STUDIO};
use crate::http::Outgoing;
use crate::queue::{Queue, WEIGHTS};
use serde_json::Value;
use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a log is looked at.
const TICK: Duration = Duration::from_millis(250);

/// Every so many looks the folder is looked at too.
const FOLDER_EVERY: u32 = 3;

/// Tells a page of everything until it goes. `log`: the log to follow, after its line `seen`.
///
/// # Errors
/// The page has gone.
pub fn tell(
    folder: &Folder,
    queue: &Queue,
    log: Option<(PathBuf, usize)>,
    out: &mut Outgoing<'_>,
) -> io::Result<()> {
    let mut tail = log.map(|(path, seen)| Tail::new(path, seen));
    let mut before = None;
    // Two seconds until a page whose server went tries again.
    out.send(b"retry: 2000\n\n")?;
    for tick in 0_u32.. {
        for (number, line) in tail.iter_mut().flat_map(Tail::news) {
            out.send(format!("id: {number}\nevent: epoch\ndata: {line}\n\n").as_bytes())?;
        }
        if tick.is_multiple_of(FOLDER_EVERY) {
            let now = Some(fingerprint(folder, queue));
            if now != before {
                before = now;
                out.send(b"event: change\ndata: {}\n\n")?;
            }
        }
        if out.is_closed() {
            return Ok(());
        }
        std::thread::sleep(TICK);
    }
    Ok(())
}

/// A log that is followed.
struct Tail {
    path: PathBuf,
    /// Lines that were told of.
    told: usize,
    /// Lines that were read, and where they end.
    read: usize,
    offset: u64,
}

impl Tail {
    fn new(path: PathBuf, told: usize) -> Self {
        Self {
            path,
            told,
            read: 0,
            offset: 0,
        }
    }

    /// The lines that were not told of yet, with their numbers from 1.
    fn news(&mut self) -> Vec<(usize, String)> {
        // A run that is continued drops lines that it does over again: then all is read anew.
        let len = self.path.metadata().map_or(0, |found| found.len());
        if len < self.offset {
            (self.read, self.offset) = (0, 0);
        }
        if len == self.offset {
            return Vec::new();
        }
        // What cannot be read now is read the next time.
        self.read_on().unwrap_or_default()
    }

    fn read_on(&mut self) -> io::Result<Vec<(usize, String)>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut reader = BufReader::new(file);
        let mut news = Vec::new();
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 && line.ends_with('\n') {
            if !is_line(&line, self.read + 1) {
                // It was replaced under our hands.
                (self.read, self.offset) = (0, 0);
                break;
            }
            self.read += 1;
            self.offset += line.len() as u64;
            if self.read > self.told {
                self.told = self.read;
                news.push((self.read, line.trim_end().to_string()));
            }
            line.clear();
        }
        Ok(news)
    }
}

/// Whether this is the log's line of that number.
fn is_line(line: &str, number: usize) -> bool {
    let value: Option<Value> = serde_json::from_str(line).ok();
    let epoch = value
        .as_ref()
        .and_then(|value| value.get("epoch")?.as_u64());
    epoch == Some(number as u64)
}

/// A number that changes whenever the page would show something else.
fn fingerprint(folder: &Folder, queue: &Queue) -> u64 {
    let mut hasher = DefaultHasher::new();
    queue.stamp(&mut hasher);
    for area in ["", RECORDINGS, MODELS, SOUNDS, CHECKPOINTS] {
        stamp_entries(&folder.at(area), &mut hasher);
    }
    for run in entries(&folder.at(CHECKPOINTS)) {
        for part in [
            WEIGHTS,
            "report.json",
            "report.html",
            "metrics.jsonl",
            "search.json",
        ] {
            stamp(&run.join(part), &mut hasher);
        }
    }
    for sketch in entries(&folder.at(STUDIO).join("sketch")) {
        stamp(&sketch.join(WEIGHTS), &mut hasher);
    }
    stamp(&folder.at(STUDIO).join("queue.json"), &mut hasher);
    hasher.finish()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn stamp_entries(folder: &Path, hasher: &mut DefaultHasher) {
    for path in entries(folder) {
        stamp(&path, hasher);
    }
}

fn stamp(path: &Path, hasher: &mut DefaultHasher) {
    path.hash(hasher);
    if let Ok(found) = path.metadata() {
        (found.len(), found.modified().ok()).hash(hasher);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(epoch: usize) -> String {
        format!("{{\"epoch\":{epoch},\"seconds\":{}}}\n", epoch as f64 * 0.1)
    }

    fn numbers(tail: &mut Tail) -> Vec<usize> {
        tail.news().into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn every_line_is_told_once() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("metrics.jsonl");
        let mut tail = Tail::new(path.clone(), 0);
        assert!(numbers(&mut tail).is_empty());
        let write = |epochs: &[usize], half: &str| {
            let text: String = epochs.iter().map(|epoch| line(*epoch)).collect();
            fs::write(&path, text + half).unwrap();
        };
        write(&[1, 2], "{\"epoch\":3,");
        assert_eq!(numbers(&mut tail), [1, 2]);
        write(&[1, 2, 3, 4], "");
        assert_eq!(numbers(&mut tail), [3, 4]);
        // Killed, and continued from an epoch before.
        write(&[1, 2], "");
        assert!(numbers(&mut tail).is_empty());
        write(&[1, 2, 3, 4, 5], "");
        assert_eq!(numbers(&mut tail), [5]);
        // A page that comes back, to another studio.
        let mut back = Tail::new(path.clone(), 3);
        assert_eq!(numbers(&mut back), [4, 5]);
    }

    #[test]
    fn a_log_that_is_replaced_between_two_looks_is_read_anew() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("metrics.jsonl");
        fs::write(&path, line(1) + &line(2)).unwrap();
        let mut tail = Tail::new(path.clone(), 0);
        assert_eq!(numbers(&mut tail), [1, 2]);
        let longer = |epoch: usize| format!("{{\"epoch\":{epoch},\"seconds\":12.3456789}}\n");
        fs::write(&path, longer(1) + &longer(2) + &longer(3)).unwrap();
        let mut told = numbers(&mut tail);
        told.extend(numbers(&mut tail));
        assert_eq!(told, [3]);
    }
}
