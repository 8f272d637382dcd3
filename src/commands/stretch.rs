//! `stretch`: a recording made longer, shorter or backwards, with its pitch or without.

use super::recording::{self, Written, first_channel_in_steps};
use crate::audio::SampleFormat;
use crate::dsp::stft::{Stft, StftParams};
use crate::progress::Observer;
use crate::resynth::interpolate::{self, Between};
use crate::resynth::{compat, vocoder};
use serde::Serialize;
use std::path::PathBuf;

/// How the length is changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Pitch stays: a phase vocoder with these frames.
    KeepPitch(StftParams),
    /// Pitch follows, as on tape.
    Tape(Between),
    /// Pitch follows, as the notebook computed it: first channel only, scaled to a peak of 0.95,
    /// a slew of a twentieth of the length at both ends.
    Notebook,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The recording.
    pub input: PathBuf,
    /// The WAV file to write.
    pub output: PathBuf,
    /// New length in terms of the old one; negative plays backwards.
    pub factor: f64,
    /// How.
    pub method: Method,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The recording.
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
    vocoder::check_factor(request.factor)?;
    recording::check_output(&[&request.input], &request.output)?;
    let recording = recording::read(&request.input)?;
    let audio = &recording.audio;
    recording::check_length(audio.seconds() * request.factor.abs())?;
    let (channels, format) = match request.method {
        Method::KeepPitch(params) => {
            let stft = Stft::new(params);
            let made = vocoder::stretch(&stft, audio.channels(), request.factor, observer)?;
            (made, recording.format)
        }
        Method::Tape(between) => {
            let made = interpolate::stretch(audio.channels(), request.factor, between)?;
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
