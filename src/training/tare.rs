//! Silence for silence: what a network still puts out after seconds of silence is taken off its output,
//! as a scale is set to zero, but for the constant that the recordings themselves have there; and
//! whether it comes to rest at all when a sound stops, and from wherever its memory may be.
//!
//! Knows neither steps nor folders.

use crate::audio::level::{mean_and_rms, power};
use crate::audio::range::MOMENT;
use crate::data::pair::Span;
use crate::models::predict::{predict_channels, to_host};
use crate::models::{EffectModel, State};
use crate::training::settled::Strays;
use burn::prelude::*;

/// Settings of the knobs that silence is listened to at: all of a dozen, and some of more.
const MOST_SETTINGS: usize = 16;

/// Seconds of silence after which a model is taken to be at rest: slow units take several.
const SETTLING_SECONDS: usize = 10;

/// A moment this far below the mean power of dry is as good as silence for wet's mean: −40 dB.
const SOFT: f64 = 1e-4;

/// Fewer soft moments than this say nothing of a constant.
const FEWEST_SOFT: usize = 4;

/// Of a constant so many soft moments, in tenths, are within half of their median: a coupling that still
/// swings after a note has a mean of either sign, many times its median in a few of them.
const AGREEING_TENTHS: usize = 8;

/// The constant of each side, or of the only one.
pub type Idle = [f64; 2];

/// The constant that wet has where dry is soft: that of the device, or of what recorded it. 0 where dry
/// is never soft for long, or what wet has there is not the same throughout.
pub fn recorded_idle(spans: &[Span]) -> Idle {
    [0, 1].map(|side| idle_of(spans, side))
}

fn idle_of(spans: &[Span], side: usize) -> f64 {
    let mut means = Vec::new();
    let parts = spans
        .iter()
        .filter_map(|span| Some((span, span.sides().nth(side)?)));
    for (span, pair) in parts {
        let (dry, wet) = (pair.dry(), pair.wet());
        let (dry, wet) = (&dry[span.samples()], &wet[span.samples()]);
        let bound = SOFT * power(dry);
        let moments = dry.chunks(MOMENT).zip(wet.chunks(MOMENT));
        let soft = moments.filter(|(dry, _)| power(*dry) < bound);
        means.extend(soft.map(|(_, wet)| mean_and_rms(wet).0));
    }
    if means.len() < FEWEST_SOFT {
        return 0.0;
    }
    means.sort_by(f64::total_cmp);
    let median = means[means.len() / 2];
    let agree = |mean: &&f64| (*mean - median).abs() < 0.5 * median.abs();
    let agreeing: Vec<f64> = means.iter().filter(agree).copied().collect();
    match 10 * agreeing.len() < AGREEING_TENTHS * means.len() {
        true => 0.0,
        false => agreeing.iter().sum::<f64>() / agreeing.len() as f64,
    }
}

/// Settings of the knobs in `spans`, each once; of more than [`MOST_SETTINGS`] some from the first to the
/// last.
fn settings(spans: &[Span]) -> Vec<&[f32]> {
    let mut all: Vec<&[f32]> = Vec::new();
    for span in spans {
        if !all.contains(&span.pair().controls()) {
            all.push(span.pair().controls());
        }
    }
    let taken = all.len().min(MOST_SETTINGS);
    (0..taken).map(|at| all[at * all.len() / taken]).collect()
}

/// `model` with the mean of what it puts out in silence brought to `idle`; with knobs, the middle between
/// the least and the most that it puts out at settings of `spans`. Networks whose last layer has no bias
/// stay as they are, as do those that are not finite.
pub fn tare(mut model: EffectModel, device: &Device, spans: &[Span], idle: Idle) -> EffectModel {
    let Some(rate) = spans.first().map(|span| span.pair().sample_rate().hz()) else {
        return model;
    };
    if model.is_gain() {
        return model;
    }
    let samples = SETTLING_SECONDS * rate as usize;
    let at_rest = rest(&model, device, &settings(spans), samples);
    let offset = |(side, idle): (usize, f64)| {
        let each = at_rest.iter().filter_map(|rest| rest.get(side));
        let least = each.clone().copied().fold(f64::INFINITY, f64::min);
        let most = each.copied().fold(f64::NEG_INFINITY, f64::max);
        (idle - 0.5 * (least + most)) as f32
    };
    let made = model.audio_channels().wet;
    let by: Vec<f32> = idle
        .into_iter()
        .enumerate()
        .take(made)
        .map(offset)
        .collect();
    if by.iter().all(|by| by.is_finite()) {
        model.shift_output(&by);
    }
    model
}

/// Seconds of a sound before it stops, of the silence after it, and of that silence's end, when a
/// network has to be at rest.
const STOP_SECONDS: [usize; 3] = [1, 6, 3];

/// Sounds that are stopped.
const STOPPED: usize = 2;

/// What a network with a memory goes on putting out, beside the constant `idle`, after the sound of up
/// to [`STOPPED`] of `spans` has stopped: its energy as a share of the wet sides' of all of them, to be added to their
/// ESR. 0 for others, which cannot go on.
pub fn unrest(model: &EffectModel, device: &Device, spans: &[Span], idle: Idle) -> f64 {
    if model.receptive_field().is_some() {
        return 0.0;
    }
    let left_over = |span: &Span| {
        let rate = span.pair().sample_rate().hz() as usize;
        let [sound, silence, rest] = STOP_SECONDS.map(|seconds| seconds * rate);
        let heard = span.samples();
        let from = heard.start.max(heard.end.saturating_sub(sound));
        let dry = span.heard().map(|pair| {
            let mut dry = pair.dry()[from..heard.end].to_vec();
            dry.resize(dry.len() + silence, 0.0);
            dry
        });
        let dry: Vec<Vec<f32>> = dry.collect();
        let nothing = vec![[0.0; 0]; dry.len()];
        let knobs = span.pair().controls();
        let answer = predict_channels(model, device, knobs, &nothing, &dry);
        let left = answer.iter().zip(idle).flat_map(|(side, idle)| {
            let rest = side[side.len() - rest..].iter();
            rest.map(move |&x| (f64::from(x) - idle).powi(2))
        });
        left.sum::<f64>()
    };
    let restless: f64 = spans.iter().take(STOPPED).map(left_over).sum();
    share(restless, spans)
}

/// `left` as a share of the wet sides' energy, at most [`BEYOND`], which stands for what is no number, too.
fn share(left: f64, spans: &[Span]) -> f64 {
    let energy = |x: &[f32]| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
    let wet: f64 = spans
        .iter()
        .flat_map(|span| span.sides().map(|pair| energy(&pair.wet()[span.samples()])))
        .sum();
    match wet > 0.0 {
        true if left / wet < BEYOND => left / wet,
        true => BEYOND,
        false => 0.0,
    }
}

/// Worse than any network.
const BEYOND: f64 = 1e30;

/// Memories of random content, the quarters of a second of silence in which a network has to come back
/// from them, and those at their end when it has to be at rest.
const MEMORIES: usize = 8;
const BACK_QUARTERS: [usize; 2] = [4, 1];

/// Silence heard at once.
const PIECE: usize = 4096;

/// The same as [`unrest`] of silence that begins with a memory of random content, as training windows do
/// with `training.stray_starts`: a second place where it may come to rest is one too many. A gain, which says
/// nothing in silence, hears a tone, and is to say what it says of that after silence.
pub fn astray(model: &EffectModel, device: &Device, spans: &[Span], idle: Idle) -> f64 {
    let pair = spans.first().map(Span::pair);
    let Some(pair) = pair.filter(|_| model.receptive_field().is_none()) else {
        return 0.0;
    };
    let [mut silence, rest] =
        BACK_QUARTERS.map(|quarters| quarters * pair.sample_rate().hz() as usize / 4);
    // The last memory is not led astray.
    let settings = [pair.controls(); MEMORIES + 1];
    let sound = if model.is_gain() { tone } else { |_| 0.0 };
    let sides = model.audio_channels().wet;
    let mut seeds: Vec<_> = (0..MEMORIES as u64).map(Some).collect();
    seeds.push(None);
    let state = hear(model, device, &settings, (0, 1), sound, State::default()).1;
    let mut state = state.strayed(&seeds, Strays::SIZE);
    let (mut left, mut at) = (0.0, 0);
    while silence > 0 {
        let (at_rest, piece) = match silence.checked_sub(rest) {
            Some(before @ 1..) => (false, before.min(PIECE)),
            _ => (true, silence.min(PIECE)),
        };
        let (answer, after) = hear(model, device, &settings, (at, piece), sound, state);
        (state, at) = (after, at + piece);
        silence -= piece;
        if at_rest {
            let answer = to_host(answer);
            let (strayed, settled) = answer.split_at(MEMORIES * sides * piece);
            for (at, side) in strayed.chunks(piece).enumerate() {
                let settled = &settled[at % sides * piece..][..piece];
                let squares = side.iter().zip(settled).map(|(&x, &settled)| {
                    let rest = match model.is_gain() {
                        true => f64::from(settled),
                        false => idle[at % sides],
                    };
                    (f64::from(x) - rest).powi(2)
                });
                left += squares.sum::<f64>();
            }
        }
    }
    // As far off as it would be at the recordings' own level.
    let scale = match model.is_gain() {
        true => power(pair.dry()) / TONE_POWER,
        false => 1.0,
    };
    share(scale * left, spans)
}

/// Mean power of [`tone`].
const TONE_POWER: f64 = 0.01 / 4.0;

/// What a gain that was led astray hears: of every level and often enough that it must act.
fn tone(at: usize) -> f32 {
    let slow = (at as f32 * 1e-3).sin();
    0.1 * slow * (at as f32 * 0.05).sin()
}

/// What a network with a memory makes of so many samples of `sound` from some sample on, with its knobs at
/// each of `settings`, `[setting, side, time]`, and its state then.
fn hear(
    model: &EffectModel,
    device: &Device,
    settings: &[&[f32]],
    (from, samples): (usize, usize),
    sound: fn(usize) -> f32,
    state: State,
) -> (Tensor<3>, State) {
    let (heard, past) = (model.audio_channels().dry, model.lookback());
    let len = past + samples;
    let at = |n: usize| (from + n).checked_sub(past).map_or(0.0, sound);
    let dry: Vec<f32> = (0..len).map(at).collect();
    let knobs = settings.first().map_or(0, |knobs| knobs.len());
    let mut rows = Vec::with_capacity(settings.len() * (heard + knobs) * len);
    for knobs in settings {
        (0..heard).for_each(|_| rows.extend_from_slice(&dry));
        knobs
            .iter()
            .for_each(|&knob| rows.resize(rows.len() + len, knob));
    }
    let rows = TensorData::new(rows, [settings.len(), heard + knobs, len]);
    model.advance(Tensor::from_data(rows, device), state)
}

/// At each of `settings` the mean of the last quarter of so many samples of silence, of each side.
fn rest(
    model: &EffectModel,
    device: &Device,
    settings: &[&[f32]],
    samples: usize,
) -> Vec<Vec<f64>> {
    // What was heard long ago changes nothing, and silence is all the same.
    let samples = match (model.receptive_field(), model.fixed_window()) {
        (Some(field), None) => samples.min(4 * field.max(1)),
        _ => samples,
    };
    let last = samples - samples / 4;
    let mean = |sums: Vec<f64>| {
        let count = (samples / 4).max(1) as f64;
        sums.into_iter().map(|sum| sum / count).collect()
    };
    let sum = |side: &[f32]| side.iter().map(|&x| f64::from(x)).sum::<f64>();
    if model.receptive_field().is_some() {
        let heard = model.audio_channels().dry;
        let silence = vec![vec![0.0; samples]; heard];
        let nothing = vec![[0.0; 0]; heard];
        let at_rest = settings.iter().map(|knobs| {
            let answer = predict_channels(model, device, knobs, &nothing, &silence);
            mean(answer.iter().map(|side| sum(&side[last..])).collect())
        });
        return at_rest.collect();
    }
    let sides = model.audio_channels().wet;
    let mut sums = vec![vec![0.0; sides]; settings.len()];
    let (mut state, mut at) = (State::default(), 0);
    while at < samples {
        let piece = PIECE.min(if at < last { last } else { samples } - at);
        let (answer, after) = hear(model, device, settings, (at, piece), |_| 0.0, state);
        (state, at) = (after, at + piece);
        if at > last {
            let answer = to_host(answer);
            let sums = sums.iter_mut().flatten();
            sums.zip(answer.chunks(piece))
                .for_each(|(total, side)| *total += sum(side));
        }
    }
    sums.into_iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;
    use crate::config::{ModelConfig, RecurrentConfig, WindowConfig};
    use crate::data::pair::DryWetPair;
    use crate::models;
    use crate::models::predict::predict;
    use std::sync::Arc;

    /// Each network that plays a stream is silent in silence afterwards, and otherwise moved by a
    /// constant.
    #[test]
    fn silence_is_answered_with_silence() {
        let device = Device::flex();
        let rate = SampleRate::new(8000).unwrap();
        let pair = DryWetPair::aligned("p", rate, vec![0.0; 9], vec![0.0; 9], 0);
        let spans = [Span::new(Arc::new(pair), 0..9)];
        let mut tared = Vec::new();
        for config in ModelConfig::every() {
            let model = models::build(&config, &WindowConfig::default(), 0, 3, &device);
            if model.fixed_window().is_some() {
                continue;
            }
            let before = rest(&model, &device, &[&[]], 80_000)[0][0];
            let sound: Vec<f32> = (0..500).map(|i| (0.1 * i as f32).sin()).collect();
            let answer = predict(&model, &device, &[], &[], &sound);
            let model = tare(model, &device, &spans, [0.0; 2]);
            let after = rest(&model, &device, &[&[]], 80_000)[0][0];
            let moved = predict(&model, &device, &[], &[], &sound);
            if after == before {
                continue;
            }
            tared.push(config.kind());
            // Rounding of outputs of at most 1: far below −120 dBFS.
            assert!(after.abs() < 2e-7, "{}: {before} → {after}", config.kind());
            for (a, b) in answer.iter().zip(moved) {
                let by = f64::from(*a) - f64::from(b);
                assert!(
                    (by - before).abs() < 1e-6,
                    "{}: {by} {before}",
                    config.kind()
                );
            }
        }
        assert!(tared.len() >= 5, "only {tared:?} were shifted");
    }

    /// Of constants that follow a knob none is further off than half of what they differ by.
    #[test]
    fn no_setting_of_a_knob_is_far_from_silence() {
        let device = Device::flex();
        let rate = SampleRate::new(8000).unwrap();
        let turned = |knob: f32| {
            let pair = DryWetPair::aligned("p", rate, vec![0.0; 9], vec![0.0; 9], 0);
            Span::new(Arc::new(pair.with_controls(vec![knob])), 0..9)
        };
        let spans = [0.1, 0.1, 0.7, 1.0].map(turned);
        assert_eq!(settings(&spans), [[0.1], [0.7], [1.0]]);
        let many: Vec<Span> = (0..100).map(|at| turned(at as f32)).collect();
        let some = settings(&many);
        assert_eq!(
            (some.len(), some[0], some[15]),
            (16, &[0.0][..], &[93.0][..])
        );
        for kind in ["lstm", "gru", "tcn"] {
            let config = ModelConfig::every();
            let config = config.iter().find(|c| c.kind() == kind).unwrap();
            let model = models::build(config, &WindowConfig::default(), 1, 3, &device);
            let at = |model: &EffectModel| -> Vec<f64> {
                let settings = settings(&spans);
                let each = rest(model, &device, &settings, 80_000);
                each.into_iter().map(|sides| sides[0]).collect()
            };
            let before = at(&model);
            // One by one they say the same.
            for (knob, together) in [[0.1], [0.7], [1.0]].iter().zip(&before) {
                let alone = rest(&model, &device, &[knob], 80_000)[0][0];
                assert!(
                    (alone - together).abs() < 1e-6,
                    "{kind}: {alone} {together}"
                );
            }
            let after = at(&tare(model, &device, &spans, [0.0; 2]));
            let [least, most] = [
                after.iter().copied().fold(f64::INFINITY, f64::min),
                after.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            ];
            assert!(most - least > 1e-3, "{kind}: {after:?}");
            assert!(
                (most + least).abs() < 1e-6,
                "{kind}: {before:?} → {after:?}"
            );
        }
    }

    #[test]
    fn the_recordings_own_constant_stays() {
        let device = Device::flex();
        let rate = SampleRate::new(8000).unwrap();
        let loud = |n: usize| {
            if n < 20 * MOMENT {
                (0.1 * n as f32).sin()
            } else {
                0.0
            }
        };
        let dry: Vec<f32> = (0..30 * MOMENT).map(loud).collect();
        let wet: Vec<f32> = dry.iter().map(|x| x.abs() + 0.02).collect();
        let pair = Arc::new(DryWetPair::aligned("p", rate, dry, wet, 0));
        let of = |range| recorded_idle(&[Span::new(pair.clone(), range)]);
        let idle = of(0..30 * MOMENT);
        assert!((idle[0] - 0.02).abs() < 1e-8, "{idle:?}");
        assert_eq!(of(0..20 * MOMENT), [0.0; 2]);
        let config = ModelConfig::every();
        let lstm = config.iter().find(|c| c.kind() == "lstm").unwrap();
        let model = models::build(lstm, &WindowConfig::default(), 0, 3, &device);
        let spans = [Span::new(pair.clone(), 0..9)];
        let model = tare(model, &device, &spans, idle);
        assert!((rest(&model, &device, &[&[]], 80_000)[0][0] - idle[0]).abs() < 1e-6);
        assert!(unrest(&model, &device, &spans, idle) < 1e-6);
    }

    /// A coupling that swings back from a note of one sign is no constant, however soft dry is then.
    #[test]
    fn what_swings_back_is_no_constant() {
        let rate = SampleRate::new(8000).unwrap();
        let (notes, all) = (4 * MOMENT, 30 * MOMENT);
        let dry: Vec<f32> = (0..all)
            .map(|n| if n < notes { 0.5 } else { 0.0 })
            .collect();
        let swing = |n: usize| (-((n as f32 - notes as f32) / MOMENT as f32)).exp();
        let swings: Vec<f32> = (0..all)
            .map(|n| if n < notes { 0.5 } else { -0.1 * swing(n) })
            .collect();
        let of = |constant: f32| {
            let wet = swings.iter().map(|x| x + constant).collect();
            let pair = DryWetPair::aligned("p", rate, dry.clone(), wet, 0);
            recorded_idle(&[Span::new(Arc::new(pair), 0..all)])[0]
        };
        assert_eq!(of(0.0), 0.0);
        // Of 26 moments the first two swing by more than half of it.
        assert!((of(-0.04) + 0.04).abs() < 2e-3, "{}", of(-0.04));
    }

    /// A network that is moved by a constant does not come to rest, by that constant.
    #[test]
    fn what_goes_on_after_the_sound_is_counted() {
        let device = Device::flex();
        let rate = SampleRate::new(1000).unwrap();
        let sound: Vec<f32> = (0..500).map(|i| (0.1 * i as f32).sin()).collect();
        let pair = DryWetPair::aligned("p", rate, sound.clone(), vec![0.5; 500], 0);
        let spans = [Span::new(Arc::new(pair), 0..500)];
        let config = ModelConfig::every();
        let lstm = config.iter().find(|c| c.kind() == "lstm").unwrap();
        let model = models::build(lstm, &WindowConfig::default(), 0, 3, &device);
        let mut model = tare(model, &device, &spans, [0.0; 2]);
        assert!(unrest(&model, &device, &spans, [0.0; 2]) < 1e-9);
        model.shift_output(&[0.1]);
        let left = unrest(&model, &device, &spans, [0.0; 2]);
        // Three seconds of 0.1 beside half a second of 0.5.
        let expected = 3000.0 * 0.01 / (500.0 * 0.25);
        assert!(
            (left - expected).abs() < 1e-3 * expected,
            "{left} {expected}"
        );
        // A quarter of a second, from eight memories.
        let left = astray(&model, &device, &spans, [0.0; 2]);
        let expected = 8.0 * 250.0 * 0.01 / (500.0 * 0.25);
        assert!(
            (left - expected).abs() < 1e-3 * expected,
            "{left} {expected}"
        );
        model.shift_output(&[f32::NAN]);
        assert_eq!(astray(&model, &device, &spans, [0.0; 2]), BEYOND);
    }

    /// Units that hear each other forty times as loud keep each other where they are put.
    #[test]
    fn a_second_place_to_rest_is_found() {
        let device = Device::flex();
        let rate = SampleRate::new(8000).unwrap();
        let sound: Vec<f32> = (0..500).map(|i| (0.1 * i as f32).sin()).collect();
        let pair = DryWetPair::aligned("p", rate, sound.clone(), sound, 0);
        let spans = [Span::new(Arc::new(pair), 0..500)];
        let gain = RecurrentConfig {
            gain: true,
            skip: false,
            ..RecurrentConfig::default()
        };
        let configs = [
            ModelConfig::Lstm(RecurrentConfig::default()),
            ModelConfig::Gru(RecurrentConfig::default()),
            ModelConfig::Lstm(gain.clone()),
            ModelConfig::Gru(gain),
        ];
        for config in &configs {
            let kind = format!("{config:?}");
            let model = models::build(config, &WindowConfig::default(), 0, 3, &device);
            let tame = tare(model.clone(), &device, &spans, [0.0; 2]);
            assert!(astray(&tame, &device, &spans, [0.0; 2]) < 1e-6, "{kind}");
            let mut weights = model.weights();
            let recurrent = weights
                .iter_mut()
                .find(|w| w.name.ends_with("weight_hidden"));
            recurrent
                .unwrap()
                .values
                .iter_mut()
                .for_each(|w| *w *= 40.0);
            let latched = model.with_weights(weights).unwrap();
            let latched = tare(latched, &device, &spans, [0.0; 2]);
            let left = astray(&latched, &device, &spans, [0.0; 2]);
            assert!(left > 1e-2, "{kind}: {left}");
        }
    }
}
