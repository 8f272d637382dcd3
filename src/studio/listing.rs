//! What lies in a folder, for the page to offer, and how it was made.

use crate::folder::{Folder, SOUNDS};
use effigy_base::files::{self, is_scratch};
use serde::Serialize;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// How deep folders are looked into.
const DEEPEST: usize = 3;

/// Files that are listed at most; a folder of more is no place for a page.
const MOST: usize = 5000;

/// A file.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Relative to the folder that was asked for.
    name: String,
    bytes: u64,
    /// Seconds since 1970.
    changed: u64,
}

/// Every file below a folder by name; what is half-written or hidden is left out.
pub fn files_in(folder: &Path) -> Vec<Listed> {
    let mut found = Vec::new();
    collect(folder, "", DEEPEST, &mut found);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The configs directly in a folder.
pub fn configs(folder: &Path) -> Vec<Listed> {
    let mut found = Vec::new();
    collect(folder, "", 0, &mut found);
    found.retain(|file| file.name.ends_with(".toml"));
    found.sort_by(|a, b| b.changed.cmp(&a.changed).then(a.name.cmp(&b.name)));
    found
}

/// Beside a sound that was made, `NAME.json`: what made it, and what it said. A sound without one is
/// still a sound.
pub fn keep_record(folder: &Folder, arguments: &[String], told: &Value) {
    let output = arguments
        .iter()
        .find_map(|argument| argument.strip_prefix("--output="));
    let sound = output.filter(|output| output.starts_with(SOUNDS));
    if let (Some(sound), Some(result)) = (sound, told.get("done")) {
        let words = arguments
            .iter()
            .filter(|argument| *argument != "--")
            .map(|argument| quoted(argument));
        let command = format!("effigy {}", words.collect::<Vec<_>>().join(" "));
        let record = json!({ "command": command, "arguments": arguments, "result": result });
        drop(files::write(
            &folder.at(sound).with_extension("json"),
            record.to_string().as_bytes(),
        ));
    }
}

/// An argument as it is typed.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,".contains(c);
    if argument.chars().all(plain) {
        return argument.to_string();
    }
    format!("'{}'", argument.replace('\'', "'\\''"))
}

fn collect(folder: &Path, before: &str, deeper: usize, found: &mut Vec<Listed>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name
            .to_str()
            .filter(|name| !is_scratch(name) && !name.starts_with('.'))
        else {
            continue;
        };
        // Links are not followed: they may lead out, or in a circle.
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let inside = format!("{before}{name}");
        if kind.is_dir() && deeper > 0 {
            collect(&entry.path(), &format!("{inside}/"), deeper - 1, found);
        } else if kind.is_file() && found.len() < MOST {
            let about = entry.metadata().ok();
            let changed = about
                .as_ref()
                .and_then(|a| a.modified().ok()?.duration_since(UNIX_EPOCH).ok());
            found.push(Listed {
                name: inside,
                bytes: about.map_or(0, |about| about.len()),
                changed: changed.map_or(0, |time| time.as_secs()),
            });
        }
    }
}
