//! Real recordings of effects that move and of those that stand still. Knows folders, nothing of how they
//! are called.

use effigy_base::audio::{Audio, decode};
use std::path::{Path, PathBuf};

/// Two recordings with their name.
pub struct Pair {
    pub name: String,
    pub dry: Audio,
    pub wet: Audio,
}

/// Longer ones are cut to so many samples: 30 s at 44.1 kHz.
const MOST: usize = 1_323_000;

fn read(path: &Path) -> Audio {
    let audio = decode::read(path).unwrap().audio;
    let rate = audio.sample_rate();
    let mut first = audio.into_channels().remove(0);
    first.truncate(MOST);
    Audio::mono(rate, first)
}

fn wavs(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// Wet and dry of files that end so, the dry one named by `dry_of`.
fn pairs(folder: &Path, dry_of: impl Fn(&str) -> Option<String>) -> Vec<Pair> {
    let pair = |wet: PathBuf| {
        let name = wet.file_stem()?.to_str()?.to_string();
        let dry = folder.join(format!("{}.wav", dry_of(&name)?));
        Some(Pair {
            name: format!("{}/{name}", folder.file_name()?.to_str()?),
            dry: read(&dry),
            wet: read(&wet),
        })
    };
    wavs(folder).into_iter().filter_map(pair).collect()
}

/// Chorus, flanger and phaser.
pub fn moving(data: &Path) -> Vec<Pair> {
    pairs(&data.join("modulation"), |name| {
        Some(format!("dry{}", name.split_once("-wet")?.1))
    })
}

/// Filters, distortions, a compressor.
pub fn still(data: &Path) -> Vec<Pair> {
    let folders = [
        "compressor-la2a",
        "diode-clipper",
        "fuzz-jhm8",
        "lowpass",
        "overdrive-bd2",
        "pedals",
    ];
    let dry_of = |name: &str| match name {
        "wet" => Some("dry".to_string()),
        _ => Some(format!("{}-dry", name.strip_suffix("-wet")?)),
    };
    let each = folders
        .iter()
        .map(|folder| pairs(&data.join(folder), dry_of));
    each.flatten().collect()
}
