//! `collage`: recordings cut up and joined, one shuffled or two in turn.

use super::recording::{self, Written, first_channel_in_steps};
use crate::audio::SampleFormat;
use crate::audio::decode::Recording;
use crate::progress::Observer;
use crate::resynth::{ResynthError, collage, compat};
use anyhow::ensure;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What is joined.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// One recording's segments in random order.
    Jumble {
        /// The recording.
        input: PathBuf,
        /// Seed of the order.
        seed: u64,
    },
    /// Two recordings' segments in turn.
    Interleave {
        /// The one that begins.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
    },
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What is joined.
    pub source: Source,
    /// The WAV file to write.
    pub output: PathBuf,
    /// Segments per recording.
    pub segments: usize,
    /// Length of the fade at each join, in milliseconds.
    pub crossfade_ms: f64,
    /// As the notebook computed it: first channels only, slews instead of fades, scaled to a
    /// peak of 0.95, a slew of a twentieth of the length at both ends.
    pub compat: bool,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The recordings.
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
    ensure!(
        (0.0..=10_000.0).contains(&request.crossfade_ms),
        "a crossfade of {} ms is out of range; it must be 0 to 10000",
        request.crossfade_ms
    );
    let (recordings, inputs) = match &request.source {
        Source::Jumble { input, .. } => (vec![recording::read(input)?], vec![input.clone()]),
        Source::Interleave { first, second } => (
            vec![recording::read(first)?, recording::read(second)?],
            vec![first.clone(), second.clone()],
        ),
    };
    let paths: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
    recording::check_output(&paths, &request.output)?;
    let rate = recordings[0].audio.sample_rate();
    if let Some(other) = recordings.iter().find(|r| r.audio.sample_rate() != rate) {
        let other = other.audio.sample_rate().hz();
        return Err(ResynthError::SampleRates(rate.hz(), other).into());
    }
    let (channels, format) = if request.compat {
        (notebook(request, &recordings)?, SampleFormat::Float(32))
    } else {
        let fade = request.crossfade_ms / 1000.0 * f64::from(rate.hz());
        (
            joined(request, &recordings, fade.round() as usize)?,
            recordings[0].format,
        )
    };
    Ok(Outcome {
        sound: recording::write(&request.output, channels, rate, format, observer)?,
        segments: request.segments,
        inputs,
    })
}

fn joined(
    request: &Request,
    recordings: &[Recording],
    fade: usize,
) -> Result<Vec<Vec<f32>>, ResynthError> {
    let first = recordings[0].audio.channels();
    match (&request.source, recordings) {
        (Source::Jumble { seed, .. }, _) => collage::jumble(first, request.segments, fade, *seed),
        (Source::Interleave { .. }, [_, second, ..]) => {
            collage::interleave(first, second.audio.channels(), request.segments, fade)
        }
        (Source::Interleave { .. }, _) => Err(ResynthError::TooFew {
            what: "recordings to interleave",
            found: recordings.len(),
            needed: 2,
        }),
    }
}

fn notebook(request: &Request, recordings: &[Recording]) -> Result<Vec<Vec<f32>>, ResynthError> {
    let sounds: Vec<Vec<f64>> = recordings
        .iter()
        .map(|r| first_channel_in_steps(&r.audio))
        .collect();
    let made = match (&request.source, sounds.as_slice()) {
        (Source::Jumble { seed, .. }, [sound, ..]) => {
            // NumPy's legacy seeds have 32 bits.
            let seed = u32::try_from(*seed).map_err(|_| ResynthError::Setting {
                name: "seed",
                value: seed.to_string(),
                allowed: "with --compat it must be 0 to 4294967295",
            })?;
            compat::jumble(sound, request.segments, seed)?
        }
        (_, [first, second, ..]) => compat::interleave(first, second, request.segments)?,
        _ => Vec::new(),
    };
    let finished = compat::finish(&made);
    Ok(vec![finished.into_iter().map(|x| x as f32).collect()])
}
