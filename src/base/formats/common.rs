//! What several formats say alike: the sample rate, inputs that are knobs, batch normalisation.

use super::error::FormatError;
use super::json::Place;
use crate::limits::MAX_SAMPLE_RATE;
use crate::network::{Affine, Control, Network};
use serde::Deserialize;

/// A sample rate; 48,000 where a file names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct Hertz(pub(super) u32);

impl Default for Hertz {
    fn default() -> Self {
        Self(48_000)
    }
}

impl TryFrom<f64> for Hertz {
    type Error = String;

    fn try_from(rate: f64) -> Result<Self, String> {
        if rate.fract() == 0.0 && (1.0..=f64::from(MAX_SAMPLE_RATE)).contains(&rate) {
            return Ok(Self(rate as u32));
        }
        Err(format!(
            "is {rate}; a whole number of hertz, at most {MAX_SAMPLE_RATE}, is needed"
        ))
    }
}

/// A count that the file may leave out, since only 1 is played.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "usize")]
pub(super) struct One;

impl TryFrom<usize> for One {
    type Error = String;

    fn try_from(count: usize) -> Result<Self, String> {
        match count {
            1 => Ok(Self),
            _ => Err(format!("is {count}; only 1 is played")),
        }
    }
}

/// A knob from 0 to 1 for every input after the first. `place` says how many inputs there are.
pub(super) fn knobs(inputs: usize, place: &Place) -> Result<Vec<Control>, FormatError> {
    // More knobs than anyone turns, and few enough to list.
    if !(1..=64).contains(&inputs) {
        let why = format!("gives {inputs} inputs; 1 to 64 are played");
        return Err(place.wrong("", why));
    }
    let control = |i: usize| Control {
        range: None,
        name: format!("param{i}"),
        min: 0.0,
        max: 1.0,
        default: 0.0,
    };
    Ok((1..inputs).map(control).collect())
}

/// Batch normalisation after training as one scale and one shift per channel.
pub(super) fn folded(
    mean: &[f32],
    variance: &[f32],
    weight: &[f32],
    bias: &[f32],
    epsilon: f32,
) -> Affine {
    let scale =
        |c: usize| f64::from(weight[c]) / (f64::from(variance[c]) + f64::from(epsilon)).sqrt();
    let shift = |c: usize| f64::from(bias[c]) - scale(c) * f64::from(mean[c]);
    Affine {
        scale: (0..mean.len()).map(|c| scale(c) as f32).collect(),
        shift: (0..mean.len()).map(|c| shift(c) as f32).collect(),
    }
}

/// Refuses a tail, and both sides of a stereo effect, for which the other programs' files have no place.
pub(super) fn refuse_tail(network: &Network) -> Result<(), String> {
    let audio = network.full().audio_channels;
    if !audio.is_mono() {
        return Err(format!(
            "its players play each channel by itself, and this is a stereo effect ({audio})"
        ));
    }
    match network.tail.len() {
        0 => Ok(()),
        taps => Err(format!(
            "it has no place for the tail of {taps} taps behind the network, which can be written \
             beside it as an impulse response"
        )),
    }
}
