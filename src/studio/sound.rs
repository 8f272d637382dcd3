//! Sounds for the page's eyes and ears: the outline of a recording, some of its samples, and a WAV file
//! of what browsers cannot play.

use crate::error::Refusal;
use effigy_base::audio::decode::{AudioReader, NotFinite};
use effigy_base::audio::encode::AudioWriter;
use effigy_base::audio::{AudioError, SampleFormat};
use serde::Serialize;
use std::path::Path;

/// Frames decoded at a time.
const BLOCK: usize = 16_384;

/// Columns that are kept while the length is not known.
const MOST_COLUMNS: usize = 4096;

/// Samples that are looked at closely.
const MOST_SAMPLES: usize = 8192;

/// A recording's outline.
#[derive(Debug, Serialize)]
pub struct Outline {
    /// Frames per second.
    pub rate: u32,
    /// Channels.
    pub channels: usize,
    /// Length.
    pub seconds: f64,
    /// Lowest sample of each column, over all channels.
    pub low: Vec<f32>,
    /// Highest sample of each column.
    pub high: Vec<f32>,
}

/// Some samples of a recording's first channel.
#[derive(Debug, Serialize)]
pub struct Close {
    /// Frames per second.
    pub rate: u32,
    /// From the frame that was asked for.
    pub samples: Vec<f32>,
}

fn open(path: &Path) -> Result<AudioReader, Refusal> {
    let reader = AudioReader::open(path).map_err(said)?;
    Ok(reader.not_finite(NotFinite::Silence))
}

fn said(error: AudioError) -> Refusal {
    Refusal::said(&error)
}

/// Draws a recording of any length in bounded memory.
///
/// # Errors
/// It cannot be decoded.
pub fn outline(path: &Path) -> Result<Outline, Refusal> {
    let mut reader = open(path)?;
    let mut columns = Columns::new();
    let mut frames = 0;
    let mut block = Vec::new();
    loop {
        let count = reader.read_block(&mut block, BLOCK).map_err(said)?;
        if count == 0 {
            break;
        }
        frames += count;
        for frame in 0..count {
            let samples = block.iter().map(|channel| channel[frame]);
            let (low, high) = samples.fold((f32::MAX, f32::MIN), |(low, high), x| {
                (low.min(x), high.max(x))
            });
            columns.add(low, high);
        }
    }
    let (low, high) = columns
        .all
        .iter()
        .map(|(low, high)| (rounded(*low), rounded(*high)))
        .unzip();
    Ok(Outline {
        rate: reader.sample_rate().hz(),
        channels: reader.channel_count(),
        seconds: reader.sample_rate().seconds(frames),
        low,
        high,
    })
}

/// Four digits are more than a picture shows.
fn rounded(x: f32) -> f32 {
    (x * 1e4).round() / 1e4
}

/// Columns that become twice as wide whenever there are too many.
struct Columns {
    all: Vec<(f32, f32)>,
    width: usize,
    filled: usize,
}

impl Columns {
    fn new() -> Self {
        Self {
            all: Vec::new(),
            width: 64,
            filled: 0,
        }
    }

    fn add(&mut self, low: f32, high: f32) {
        if self.filled == 0 {
            if self.all.len() == MOST_COLUMNS {
                self.halve();
            }
            self.all.push((low, high));
        } else if let Some(last) = self.all.last_mut() {
            *last = (last.0.min(low), last.1.max(high));
        }
        self.filled = (self.filled + 1) % self.width;
    }

    fn halve(&mut self) {
        let pairs = self.all.chunks(2).map(|pair| {
            pair.iter().fold((f32::MAX, f32::MIN), |(low, high), c| {
                (low.min(c.0), high.max(c.1))
            })
        });
        self.all = pairs.collect();
        self.width *= 2;
    }
}

/// Up to 8,192 samples from a frame on.
///
/// # Errors
/// It cannot be decoded.
pub fn close(path: &Path, from: usize, count: usize) -> Result<Close, Refusal> {
    let mut reader = open(path)?;
    let wanted = count.min(MOST_SAMPLES);
    let (mut at, mut samples, mut block) = (0, Vec::new(), Vec::new());
    while samples.len() < wanted {
        let count = reader.read_block(&mut block, BLOCK).map_err(said)?;
        let Some(first) = block.first().filter(|_| count > 0) else {
            break;
        };
        let begin = from.saturating_sub(at).min(count);
        samples.extend(first[begin..count].iter().take(wanted - samples.len()));
        at += count;
    }
    Ok(Close {
        rate: reader.sample_rate().hz(),
        samples,
    })
}

/// Writes what any browser plays.
///
/// # Errors
/// It cannot be decoded, or the disk refuses.
pub fn to_wav(from: &Path, to: &Path) -> Result<(), Refusal> {
    let mut reader = open(from)?;
    let format = SampleFormat::Int(16);
    let mut writer = AudioWriter::create(to, reader.sample_rate(), reader.channel_count(), format)
        .map_err(said)?;
    let mut block = Vec::new();
    while reader.read_block(&mut block, BLOCK).map_err(said)? > 0 {
        writer.write_block(&block).map_err(said)?;
    }
    writer.finish().map(drop).map_err(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use effigy_base::audio::{Audio, SampleRate, encode};

    fn ramp(frames: usize) -> (tempfile::TempDir, std::path::PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.wav");
        let samples = (0..frames).map(|n| n as f32 / frames as f32).collect();
        let audio = Audio::mono(SampleRate::new(8000).unwrap(), samples);
        encode::write(&path, &audio, SampleFormat::Float(32)).unwrap();
        (place, path)
    }

    #[test]
    fn the_outline_of_a_long_sound_has_few_columns_and_misses_nothing() {
        let (_place, path) = ramp(1_000_000);
        let outline = outline(&path).unwrap();
        assert!(outline.high.len() <= MOST_COLUMNS && outline.high.len() >= MOST_COLUMNS / 2);
        assert!(outline.high.is_sorted() && outline.low.is_sorted());
        assert_eq!((outline.low[0], *outline.high.last().unwrap()), (0.0, 1.0));
        assert_eq!(outline.seconds, 125.0);
    }

    #[test]
    fn samples_are_found_beyond_the_first_block() {
        let (_place, path) = ramp(100_000);
        let close = close(&path, 50_000, 3).unwrap();
        assert_eq!(close.samples, [0.5, 0.50001, 0.50002]);
        assert!(super::close(&path, 200_000, 3).unwrap().samples.is_empty());
    }
}
