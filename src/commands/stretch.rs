//! `stretch`: a recording made longer, shorter or backwards, with its pitch or without.

use super::recording::{self, Written, first_channel_in_steps};
use crate::audio::SampleFormat;
use crate::dsp::stft::{Stft, StftError, StftParams};
use crate::progress::Observer;
use crate::resynth::interpolate::{self, Between};
use crate::resynth::{compat, vocoder};
use serde::Serialize;
use std::path::PathBuf;

/// Make a recording longer, shorter or backwards, at its own pitch or as on tape
///
/// Examples:
///   effigy stretch bells.wav -o slow.wav --factor 2.5
///   effigy stretch bells.wav -o tape.wav --factor -1.42 --tape
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// The recording (WAV, AIFF, FLAC, MP3 or OGG)
    pub input: PathBuf,
    /// The WAV file to write
    #[arg(short, long)]
    pub output: PathBuf,
    /// New length in terms of the old one (0.01 to 100); negative plays backwards
    #[arg(long, allow_negative_numbers = true)]
    pub factor: f64,
    /// Let the pitch follow, as on tape
    #[arg(long)]
    pub tape: bool,
    /// With --tape: straight lines between samples instead of a windowed sinc
    #[arg(long, requires = "tape")]
    pub linear: bool,
    /// Compute as the notebook did: as on tape, straight lines, first channel, scaled to a peak of
    /// 0.95, with its slews at both ends
    #[arg(long, conflicts_with = "tape")]
    pub compat: bool,
    /// Phase vocoder: samples from one frame to the next
    #[arg(long, default_value_t = 512)]
    pub hop: usize,
    /// Phase vocoder: samples under the window of a frame
    #[arg(long, default_value_t = 4096)]
    pub win: usize,
    /// Phase vocoder: samples per transform, at least the window [default: the window]
    #[arg(long)]
    pub n_fft: Option<usize>,
}

/// How the length is changed.
enum Method {
    /// Pitch stays: a phase vocoder with these frames.
    KeepPitch(StftParams),
    /// Pitch follows, as on tape.
    Tape(Between),
    /// Pitch follows, as the notebook computed it: first channel only, scaled to a peak of 0.95,
    /// a slew of a twentieth of the length at both ends.
    Notebook,
}

impl Request {
    fn method(&self) -> Result<Method, StftError> {
        if self.compat {
            return Ok(Method::Notebook);
        }
        if self.tape {
            return Ok(Method::Tape(if self.linear {
                Between::Linear
            } else {
                Between::Sinc
            }));
        }
        let n_fft = self.n_fft.unwrap_or(self.win);
        StftParams::new(n_fft, self.win, self.hop).map(Method::KeepPitch)
    }
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The recording.
    #[serde(serialize_with = "crate::files::path_text")]
    pub input: PathBuf,
    /// New length in terms of the old one; negative plays backwards.
    pub factor: f64,
    /// Length of the recording in seconds.
    pub seconds_before: f64,
    /// The sound.
    pub sound: Written,
}

/// Stretches a recording.
///
/// # Errors
/// The recording cannot be read, the factor is out of range, the frames do not overlap enough,
/// the file cannot be written, or the user asked to stop.
pub fn run(request: &Request, observer: &dyn Observer) -> anyhow::Result<Outcome> {
    let method = request.method()?;
    vocoder::check_factor(request.factor)?;
    recording::check_output(&[&request.input], &request.output)?;
    let recording = recording::read(&request.input)?;
    let audio = &recording.audio;
    recording::check_length(audio.seconds() * request.factor.abs())?;
    let (channels, format) = match method {
        Method::KeepPitch(params) => {
            let stft = Stft::new(params);
            let made = vocoder::stretch(&stft, audio.channels(), request.factor, observer)?;
            (made, recording.format)
        }
        Method::Tape(between) => {
            let made = interpolate::stretch(audio.channels(), request.factor, between, observer)?;
            (made, recording.format)
        }
        Method::Notebook => {
            let made = compat::time_stretch(&first_channel_in_steps(audio), request.factor)?;
            let finished = compat::finish(&made).into_iter().map(|x| x as f32);
            (vec![finished.collect()], SampleFormat::Float(32))
        }
    };
    Ok(Outcome {
        input: request.input.clone(),
        factor: request.factor,
        seconds_before: audio.seconds(),
        sound: recording::write(
            &request.output,
            channels,
            audio.sample_rate(),
            format,
            observer,
        )?,
    })
}
