//! What a network answers to sounds that nobody recorded: a tone, silence until it is at rest. Knows neither
//! recordings nor what its answers are for.

use crate::models::predict::{predict_channels, to_host};
use crate::models::{EffectModel, State};
use burn::prelude::*;

/// Silence heard at once.
pub(super) const PIECE: usize = 4096;

/// What a network makes of so many samples of `sound`, a side's, from some sample on, with its knobs at each of
/// `settings`, `[setting, side, time]`, and its state then. Of networks that need none of the future.
pub(super) fn hear(
    model: &EffectModel,
    device: &Device,
    settings: &[Vec<f32>],
    (from, samples): (usize, usize),
    sound: &dyn Fn(usize, usize) -> f32,
    state: State,
) -> (Tensor<3>, State) {
    let (heard, past) = (model.audio_channels().dry, model.lookback());
    let len = past + samples;
    let at = |side: usize, n: usize| {
        let at = (from + n).checked_sub(past);
        at.map_or(0.0, |at| sound(side, at))
    };
    let sides = (0..heard).flat_map(|side| {
        (0..len).map({
            let at = &at;
            move |n| at(side, n)
        })
    });
    let dry: Vec<f32> = sides.collect();
    let knobs = settings.first().map_or(0, Vec::len);
    let mut rows = Vec::with_capacity(settings.len() * (heard + knobs) * len);
    for knobs in settings {
        rows.extend_from_slice(&dry);
        knobs
            .iter()
            .for_each(|&knob| rows.resize(rows.len() + len, knob));
    }
    let rows = TensorData::new(rows, [settings.len(), heard + knobs, len]);
    model.advance(Tensor::from_data(rows, device), state)
}

/// What an answer that stands still moves by at most: some last bits of sums of numbers up to 1.
const ROUNDING: f32 = 5e-7;

/// What the means of the halves of a [`PIECE`] that stands still differ by at most.
const DRIFT: f64 = 1e-9;

/// What is answered to silence for so long, and where the network stands then.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    /// At each setting the constant of each side.
    pub answers: Vec<Vec<f64>>,
    /// Of a network with a memory, one of each setting.
    pub state: State,
    /// Samples heard.
    pub after: usize,
}

/// At each of `settings` what is answered to silence, of each side: as soon as it stands still but for rounding,
/// else the mean of the last quarter of so many samples.
pub(super) fn at_rest(
    model: &EffectModel,
    device: &Device,
    settings: &[Vec<f32>],
    samples: usize,
) -> Rest {
    if model.fixed_window().is_some() || model.lookahead() > 0 {
        let answers = settings.iter();
        let answers = answers.map(|knobs| of_windows(model, device, knobs, samples));
        return Rest {
            answers: answers.collect(),
            state: State::default(),
            after: samples,
        };
    }
    let last = samples - samples / 4;
    let (mut state, mut at) = (State::default(), 0);
    let mut sums: Vec<Vec<f64>> = Vec::new();
    while at < samples {
        let piece = PIECE.min(if at < last { last } else { samples } - at);
        let (answer, after) = hear(model, device, settings, (at, piece), &|_, _| 0.0, state);
        let sides = answer.dims()[1];
        let answer = to_host(answer);
        (state, at) = (after, at + piece);
        if piece == PIECE && answer.chunks(piece).all(stands) {
            let mean = |side: &[f32]| sum(side) / piece as f64;
            let now: Vec<f64> = answer.chunks(piece).map(mean).collect();
            return Rest {
                answers: now.chunks(sides).map(<[f64]>::to_vec).collect(),
                state,
                after: at,
            };
        }
        if at > last {
            sums.resize(settings.len(), vec![0.0; sides]);
            let sums = sums.iter_mut().flatten();
            sums.zip(answer.chunks(piece))
                .for_each(|(total, side)| *total += sum(side));
        }
    }
    let count = (samples / 4).max(1) as f64;
    let mean = |sums: Vec<f64>| sums.into_iter().map(|sum| sum / count).collect();
    Rest {
        answers: sums.into_iter().map(mean).collect(),
        state,
        after: samples,
    }
}

/// Whether this much of an answer stands still. A unit that forgets a hundredth in so long is then within
/// 1e-7 of where it goes: −140 dBFS.
fn stands(side: &[f32]) -> bool {
    let least = side.iter().copied().fold(f32::INFINITY, f32::min);
    let most = side.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (first, last) = side.split_at(side.len() / 2);
    let mean = |half: &[f32]| sum(half) / half.len() as f64;
    most - least <= ROUNDING && (mean(first) - mean(last)).abs() <= DRIFT
}

/// The same of a network of windows, or one that hears ahead, at one setting.
fn of_windows(model: &EffectModel, device: &Device, knobs: &[f32], samples: usize) -> Vec<f64> {
    // What was heard long ago changes nothing, and silence is all the same.
    let samples = match (model.receptive_field(), model.fixed_window()) {
        (Some(field), None) => samples.min(4 * field.max(1)),
        _ => samples,
    };
    let (last, count) = (samples - samples / 4, (samples / 4).max(1) as f64);
    let heard = model.audio_channels().dry;
    let silence = vec![vec![0.0; samples]; heard];
    let nothing = vec![[0.0; 0]; heard];
    let answer = predict_channels(model, device, knobs, &nothing, &silence);
    answer
        .iter()
        .map(|side| sum(&side[last..]) / count)
        .collect()
}

fn sum(side: &[f32]) -> f64 {
    side.iter().map(|&x| f64::from(x)).sum()
}
