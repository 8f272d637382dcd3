//! The real binary in a temporary folder, and sounds to feed it.

use effigy::audio::{Audio, SampleFormat, SampleRate, encode};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of its own, gone afterwards.
pub struct Place {
    folder: tempfile::TempDir,
}

/// What the program said.
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// The one JSON object on stdout.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e}: {:?}\n{}", self.stdout, self.stderr))
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The same in memory where the system has such a folder: for tests that write very often.
    pub fn in_memory() -> Self {
        let memory = tempfile::tempdir_in("/dev/shm");
        Self {
            folder: memory.unwrap_or_else(|_| tempfile::tempdir().unwrap()),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        path
    }

    /// A WAV file at 8 kHz.
    pub fn wav(&self, name: &str, channels: Vec<Vec<f32>>) -> PathBuf {
        self.wav_at(name, channels, 8000, SampleFormat::Float(32))
    }

    pub fn wav_at(
        &self,
        name: &str,
        channels: Vec<Vec<f32>>,
        hz: u32,
        format: SampleFormat,
    ) -> PathBuf {
        let path = self.path(name);
        let audio = Audio::new(SampleRate::new(hz).unwrap(), channels).unwrap();
        encode::write(&path, &audio, format).unwrap();
        path
    }

    /// A WAV file whose sound has no sample, and whose sizes are right.
    pub fn empty_wav(&self, name: &str) -> PathBuf {
        let path = self.wav(name, vec![vec![0.0]]);
        let mut bytes = fs::read(&path).unwrap();
        let data = bytes.windows(4).position(|w| w == b"data").unwrap();
        bytes[data + 4..data + 8].fill(0);
        bytes.truncate(data + 8);
        let len = (bytes.len() as u32 - 8).to_le_bytes();
        bytes[4..8].copy_from_slice(&len);
        self.write(name, bytes)
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_effigy"));
        command.current_dir(self.folder.path());
        command.stdin(std::process::Stdio::null());
        command
    }

    /// Runs `effigy` here.
    pub fn effigy(&self, arguments: &[&str]) -> Said {
        self.command().args(arguments).output().unwrap().into()
    }

    /// Every file below, relative, sorted.
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        collect(self.folder.path(), self.folder.path(), &mut found);
        found.sort();
        found
    }
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            let inside = path.strip_prefix(root).unwrap();
            found.push(inside.to_string_lossy().into_owned());
        }
    }
}

/// Seeded noise in ±0.5: any two windows of it differ.
pub fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as f32 / u32::MAX as f32 - 0.5
        })
        .collect()
}

/// A short causal filter with a soft clip: an effect that every network can begin to learn.
pub fn through_effect(dry: &[f32]) -> Vec<f32> {
    let at = |i: usize, back: usize| if i >= back { dry[i - back] } else { 0.0 };
    (0..dry.len())
        .map(|i| (1.2 * at(i, 0) + 0.6 * at(i, 1) - 0.3 * at(i, 3)).tanh())
        .collect()
}

/// A config on `dry.wav` and `wet.wav` beside it, for a network in TOML.
pub fn config(model: &str, more: &str) -> String {
    format!(
        "name = \"t\"\ndevice = \"flex\"\n\
         [data]\nlatency = 0\n[[data.train]]\ndry = \"dry.wav\"\nwet = \"wet.wav\"\n\
         [windows]\nwindow_len = 64\nhop = 48\n[model]\n{model}\n\
         [baselines]\nfir_taps = 4\n[training]\nbatch_size = 8\n{more}\n"
    )
}

/// A place with `dry.wav`, `wet.wav` (4,000 samples) and `t.toml`.
pub fn place(model: &str, more: &str) -> Place {
    let place = Place::new();
    let dry = noise(4000, 1);
    place.wav("wet.wav", vec![through_effect(&dry)]);
    place.wav("dry.wav", vec![dry]);
    place.write("t.toml", config(model, more));
    place
}

/// The file or folder `inside` the recordings that lie beside some checkouts (`EFFIGY_SHARED`,
/// default `../shared`), or `None`, said aloud.
pub fn shared(inside: &str) -> Option<PathBuf> {
    let root = std::env::var_os("EFFIGY_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let path = root.join(inside);
    if path.exists() {
        return Some(path);
    }
    skipped(&format!("{} is not here", path.display()));
    None
}

/// Says that the test which calls this checks nothing, and why: on stderr itself, because what
/// tests print is kept from sight as long as they pass. `.ci/run` counts these lines.
pub fn skipped(why: &str) {
    let thread = std::thread::current();
    let line = format!("skipped: {}: {why}\n", thread.name().unwrap_or("?"));
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
