//! `collage`: recordings cut up and joined, one shuffled or two in turn.

use super::recording::{self, Written, first_channel_in_steps};
use crate::audio::SampleFormat;
use crate::audio::decode::Recording;
use crate::progress::{Observer, Task};
use crate::resynth::{ResynthError, collage, compat};
use anyhow::ensure;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Cut recordings into segments and join them in another order
///
/// Examples:
///   effigy collage jumble bells.wav -o jumbled.wav --segments 50
///   effigy collage interleave bells.wav vireo.wav -o both.wav --segments 300 --crossfade 5
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// What is joined.
    #[command(subcommand)]
    pub source: Source,
}

/// What is joined.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Source {
    /// Shuffle the segments of one recording
    Jumble {
        /// The recording (WAV, AIFF, FLAC, MP3 or OGG)
        input: PathBuf,
        /// Seed of the order
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// How.
        #[command(flatten)]
        join: Join,
    },
    /// Play the segments of two recordings in turn
    Interleave {
        /// The recording that begins
        first: PathBuf,
        /// The other recording, of the same sample rate
        second: PathBuf,
        /// How.
        #[command(flatten)]
        join: Join,
    },
}

/// How segments are joined.
#[derive(Clone, Debug, clap::Args)]
pub struct Join {
    /// The WAV file to write
    #[arg(short, long)]
    pub output: PathBuf,
    /// Segments that each recording is cut into
    #[arg(long, default_value_t = 50)]
    pub segments: usize,
    /// Length of the fade at each join, in milliseconds
    #[arg(long, default_value_t = 10.0)]
    pub crossfade: f64,
    /// Compute as the notebook did: first channels, its slews at the joins, scaled to a peak of
    /// 0.95; jumble loses its last segment and shuffles as NumPy does with this seed
    #[arg(long)]
    pub compat: bool,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The recordings.
    #[serde(serialize_with = "crate::files::paths_text")]
    pub inputs: Vec<PathBuf>,
    /// Segments per recording.
    pub segments: usize,
    /// The sound.
    pub sound: Written,
}

/// Cuts and joins.
///
/// # Errors
/// A recording cannot be read, the recordings' rates differ, the number of segments or the fade
/// is out of range, or the file cannot be written.
pub fn run(request: &Request, observer: &dyn Observer) -> anyhow::Result<Outcome> {
    let (inputs, join) = match &request.source {
        Source::Jumble { input, join, .. } => (vec![input.clone()], join),
        Source::Interleave {
            first,
            second,
            join,
        } => (vec![first.clone(), second.clone()], join),
    };
    ensure!(
        (0.0..=10_000.0).contains(&join.crossfade),
        "a crossfade of {} ms is out of range; it must be 0 to 10000",
        join.crossfade
    );
    let task = Task::begin(observer, "joining segments", Some(inputs.len() as u64 + 1));
    let mut recordings: Vec<Recording> = Vec::new();
    for input in &inputs {
        recordings.push(recording::read(input)?);
        task.step(1)?;
    }
    let paths: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
    recording::check_output(&paths, &join.output)?;
    let rate = recordings[0].audio.sample_rate();
    if let Some(other) = recordings.iter().find(|r| r.audio.sample_rate() != rate) {
        let other = other.audio.sample_rate().hz();
        return Err(ResynthError::SampleRates(rate.hz(), other).into());
    }
    let (channels, format) = if join.compat {
        let made = notebook(&request.source, join.segments, &recordings)?;
        (made, SampleFormat::Float(32))
    } else {
        let fade = (join.crossfade / 1000.0 * f64::from(rate.hz())).round() as usize;
        let made = joined(&request.source, join.segments, &recordings, fade)?;
        (made, recordings[0].format)
    };
    Ok(Outcome {
        sound: recording::write(&join.output, channels, rate, format, observer)?,
        segments: join.segments,
        inputs,
    })
}

fn joined(
    source: &Source,
    segments: usize,
    recordings: &[Recording],
    fade: usize,
) -> Result<Vec<Vec<f32>>, ResynthError> {
    let first = recordings[0].audio.channels();
    match (source, recordings) {
        (Source::Jumble { seed, .. }, _) => collage::jumble(first, segments, fade, *seed),
        (Source::Interleave { .. }, [_, second, ..]) => {
            collage::interleave(first, second.audio.channels(), segments, fade)
        }
        (Source::Interleave { .. }, _) => Err(ResynthError::TooFew {
            what: "recordings to interleave",
            found: recordings.len(),
            needed: 2,
        }),
    }
}

fn notebook(
    source: &Source,
    segments: usize,
    recordings: &[Recording],
) -> Result<Vec<Vec<f32>>, ResynthError> {
    let sounds: Vec<Vec<f64>> = recordings
        .iter()
        .map(|r| first_channel_in_steps(&r.audio))
        .collect();
    let made = match (source, sounds.as_slice()) {
        (Source::Jumble { seed, .. }, [sound, ..]) => {
            // NumPy's legacy seeds have 32 bits.
            let seed = u32::try_from(*seed).map_err(|_| ResynthError::Setting {
                name: "seed",
                value: seed.to_string(),
                allowed: "with --compat it must be 0 to 4294967295",
            })?;
            compat::jumble(sound, segments, seed)?
        }
        (_, [first, second, ..]) => compat::interleave(first, second, segments)?,
        _ => Vec::new(),
    };
    let finished = compat::finish(&made);
    Ok(vec![finished.into_iter().map(|x| x as f32).collect()])
}
