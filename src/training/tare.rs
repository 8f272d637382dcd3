//! Silence for silence: what a network still puts out after seconds of silence is taken off its output,
//! as a scale is set to zero, but for the constant that the recordings themselves have there; and
//! whether it comes to rest at all when a sound stops, and from wherever its memory may be.
//!
//! Knows neither steps nor folders.

use super::head;
use super::hearing::{PIECE, at_rest, hear};
use super::idle::Idle;
use super::settled::Strays;
use super::silence::{common_idle, settings};
use crate::audio::level::power;
use crate::data::pair::Span;
use crate::models::predict::{predict_channels, to_host};
use crate::models::{EffectModel, State};
use burn::prelude::*;

/// Seconds of silence after which a model is taken to be at rest: slow units take several.
const SETTLING_SECONDS: usize = 10;

/// `model` with what it puts out in silence brought to `idle`; with knobs, as near as the last layer can without
/// being heard ([`head::hushed`]), and then the middle between the least and the most that is left at
/// settings of `spans` and between them. Networks whose last layer has no bias stay as they are, as do
/// those that are not finite.
pub fn tare(model: EffectModel, device: &Device, spans: &[Span], idle: Idle) -> EffectModel {
    let Some(rate) = spans.first().map(|span| span.pair().sample_rate().hz()) else {
        return model;
    };
    if model.is_gain() {
        return model;
    }
    let samples = SETTLING_SECONDS * rate as usize;
    let settings = settings(spans);
    let rest = at_rest(&model, device, &settings, samples);
    // Where recordings differ in it, nothing is known of the constant between them.
    let is_known = settings.len() > 1 && common_idle(spans).is_some();
    let (mut model, answers) = match is_known {
        true => head::hushed(model, device, (&settings, rest), spans, idle),
        false => (model, rest.answers),
    };
    let offset = |(side, idle): (usize, f64)| {
        let each = answers.iter().filter_map(|rest| rest.get(side));
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
    let settings = vec![pair.controls().to_vec(); MEMORIES + 1];
    let tone = |_, at| tone(at);
    let sound: &dyn Fn(usize, usize) -> f32 = if model.is_gain() { &tone } else { &|_, _| 0.0 };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;
    use crate::audio::range::MOMENT;
    use crate::config::{ModelConfig, RecurrentConfig, WindowConfig};
    use crate::data::pair::DryWetPair;
    use crate::models;
    use crate::models::predict::predict;
    use crate::training::idle::recorded_idle;
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
            let before = at_rest(&model, &device, &[vec![]], 80_000).answers[0][0];
            let sound: Vec<f32> = (0..500).map(|i| (0.1 * i as f32).sin()).collect();
            let answer = predict(&model, &device, &[], &[], &sound);
            let model = tare(model, &device, &spans, [0.0; 2]);
            let after = at_rest(&model, &device, &[vec![]], 80_000).answers[0][0];
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

    /// Of constants that follow a knob none is further off than half of what they differ by, which is less than
    /// it was where the last layer can do something about it.
    #[test]
    fn no_setting_of_a_knob_is_far_from_silence() {
        let device = Device::flex();
        let rate = SampleRate::new(8000).unwrap();
        let turned = |knob: f32| {
            let pair = DryWetPair::aligned("p", rate, vec![0.0; 9], vec![0.0; 9], 0);
            Span::new(Arc::new(pair.with_controls(vec![knob])), 0..9)
        };
        let spans = [0.1, 0.1, 0.7, 1.0].map(turned);
        for kind in ["lstm", "gru", "tcn"] {
            let config = ModelConfig::every();
            let config = config.iter().find(|c| c.kind() == kind).unwrap();
            let model = models::build(config, &WindowConfig::default(), 1, 3, &device);
            let at = |model: &EffectModel| -> Vec<f64> {
                let each = at_rest(model, &device, &settings(&spans), 80_000);
                each.answers.into_iter().map(|sides| sides[0]).collect()
            };
            let before = at(&model);
            // One by one they say the same.
            for (knob, together) in settings(&spans).iter().zip(&before) {
                let alone =
                    at_rest(&model, &device, std::slice::from_ref(knob), 80_000).answers[0][0];
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
            let differed = before.iter().copied().fold(f64::NEG_INFINITY, f64::max)
                - before.iter().copied().fold(f64::INFINITY, f64::min);
            assert!(differed > 1e-3, "{kind}: {before:?}");
            assert!(
                most - least < 1.001 * differed,
                "{kind}: {before:?} → {after:?}"
            );
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
        assert!((at_rest(&model, &device, &[vec![]], 80_000).answers[0][0] - idle[0]).abs() < 1e-6);
        assert!(unrest(&model, &device, &spans, idle) < 1e-6);
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
