//! The last layer's weights, moved so little that it cannot be heard, so that silence is answered with
//! silence wherever the knobs stand: one bias brings the constant of one setting to zero, and a network
//! with knobs has another at each.
//!
//! Knows neither steps nor folders.

use super::hearing::{Rest, hear};
use super::idle::Idle;
use crate::data::pair::Span;
use crate::linalg::{Eigen, Matrix, dot};
use crate::models::predict::to_host;
use crate::models::{EffectModel, State};
use burn::prelude::*;

/// By how much of the power of what it is off by the answer to recordings may change: at worst the ESR grows
/// by so much.
const HEARD: f64 = 1.0 / 30.0;

/// Recordings, the last second of each, and samples of all of them that say what can be heard.
const RECORDINGS: usize = 16;
const SAMPLES: usize = 16_384;

/// Features that the recordings stir less than by this share of what they stir most are taken for stirred so
/// much: others may stir them.
const STIRRED: f64 = 1e-6;

/// How much less an error in silence counts than a change of what is heard, at first: doubled until the
/// change is small enough.
const FIRST_PENALTY: f64 = 1e-6;

/// `model` with the weights of its last layer changed so that what it answers to silence, at rest at each of
/// `settings`, is as near to `idle` as a change of what it answers to `spans` by [`HEARD`] of what that is
/// off by allows; and what it answers to silence then. A network without such a layer
/// ([`EffectModel::opened`]) stays as it is.
///
/// With e what the last layer hears in silence and f what it hears of recordings, each with a 1 for the bias,
/// and r what is left in silence, the change δ minimises E(e·δ + r)² + μ·E(f·δ)². In the directions that
/// make both forms diagonal it is known for every μ (Golub & Van Loan, "Matrix Computations", section 8.7).
pub(super) fn hushed(
    model: EffectModel,
    device: &Device,
    (settings, rest): (&[Vec<f32>], Rest),
    spans: &[Span],
    idle: Idle,
) -> (EffectModel, Vec<Vec<f64>>) {
    hushed_within(HEARD, model, device, (settings, rest), spans, idle)
}

/// The same with a change by this share.
fn hushed_within(
    share: f64,
    mut model: EffectModel,
    device: &Device,
    (settings, rest): (&[Vec<f32>], Rest),
    spans: &[Span],
    idle: Idle,
) -> (EffectModel, Vec<Vec<f64>>) {
    let Rest {
        mut answers,
        state,
        after,
    } = rest;
    let Some(opened) = model.opened() else {
        return (model, answers);
    };
    let heard = Heard::of(&opened, &model, device, spans);
    if heard.features.is_empty() {
        return (model, answers);
    }
    let silence = hear(&opened, device, settings, (after, 1), &|_, _| 0.0, state).0;
    let features = silence.dims()[1];
    let silence = to_host(silence);
    let silence = silence
        .chunks(features)
        .map(|e| with_one(e.iter().copied()));
    let silence: Vec<Vec<f64>> = silence.collect();
    let both = Both::of(&silence, &heard.features);
    let changes = idle.into_iter().enumerate().take(heard.off[0].len());
    let changes = changes.map(|(side, idle)| {
        let left: Vec<f64> = answers.iter().map(|of| of[side] - idle).collect();
        let off = heard.off.iter().map(|of| of[side]).sum::<f64>() / heard.off.len() as f64;
        both.change(&silence, &left, share * off)
    });
    let changes: Vec<Vec<f64>> = changes.collect();
    let known = changes.iter().flatten().all(|x| x.is_finite());
    if let Some(head) = model.head_mut().filter(|_| known) {
        head.adjust(&changes);
        for (answers, e) in answers.iter_mut().zip(&silence) {
            let sides = answers.iter_mut().zip(&changes);
            sides.for_each(|(answer, change)| *answer += dot(e, change));
        }
    }
    (model, answers)
}

fn with_one(features: impl Iterator<Item = f32>) -> Vec<f64> {
    features.chain([1.0]).map(f64::from).collect()
}

/// What the last layer hears of recordings.
#[derive(Debug, Default)]
struct Heard {
    /// And a 1, moment by moment.
    features: Vec<Vec<f64>>,
    /// By how much the answer is off then, of each side: its square, moment by moment.
    off: Vec<Vec<f64>>,
}

impl Heard {
    fn of(opened: &EffectModel, model: &EffectModel, device: &Device, spans: &[Span]) -> Self {
        let spans = &spans[..spans.len().min(RECORDINGS)];
        let mut all = Self::default();
        for span in spans {
            let range = span.samples();
            let second = span.pair().sample_rate().hz() as usize;
            let range = range.start.max(range.end.saturating_sub(second))..range.end;
            let dry: Vec<&[f32]> = span
                .heard()
                .map(|pair| &pair.dry()[range.clone()])
                .collect();
            let knobs = [span.pair().controls().to_vec()];
            let play = |model| {
                let sound = |side: usize, at: usize| dry[side][at];
                let all = (0, range.len());
                to_host(hear(model, device, &knobs, all, &sound, State::default()).0)
            };
            let (features, answer) = (play(opened), play(model));
            let every = (spans.len() * range.len()).div_ceil(SAMPLES).max(1);
            // What comes first fills a memory.
            for at in (range.len() / 4..range.len()).step_by(every) {
                let features = features.chunks(range.len()).map(|side| side[at]);
                all.features.push(with_one(features));
                let sides = span.sides().zip(answer.chunks(range.len()));
                let off = sides.map(|(pair, side)| side[at] - pair.wet()[range.start + at]);
                all.off
                    .push(off.map(|off| f64::from(off).powi(2)).collect());
            }
        }
        all
    }
}

/// The directions in which what is heard has the power of 1 each and what is answered to silence is made of
/// powers of its own.
struct Both {
    /// One column per direction.
    directions: Matrix,
    /// In silence.
    powers: Vec<f64>,
}

impl Both {
    fn of(silence: &[Vec<f64>], heard: &[Vec<f64>]) -> Self {
        let Eigen { values, vectors } = Eigen::of(&mean_of_squares(heard));
        let least = STIRRED * values.iter().copied().fold(0.0, f64::max);
        let white = Matrix::from_fn(vectors.rows(), vectors.columns(), |i, j| {
            vectors[(i, j)] / values[j].max(least).sqrt()
        });
        let in_silence = white
            .transposed()
            .times(&mean_of_squares(silence))
            .times(&white);
        let Eigen { values, vectors } = Eigen::of(&in_silence);
        Self {
            directions: white.times(&vectors),
            powers: values,
        }
    }

    /// What brings `left` as near to 0 as may be heard with this power.
    fn change(&self, silence: &[Vec<f64>], left: &[f64], allowed: f64) -> Vec<f64> {
        let mut pull = vec![0.0; self.powers.len()];
        for (e, left) in silence.iter().zip(left) {
            let each = pull.iter_mut().zip(e);
            each.for_each(|(pull, e)| *pull -= e * left / silence.len() as f64);
        }
        let pull = self.directions.transposed_times_vector(&pull);
        let mut penalty = FIRST_PENALTY;
        loop {
            let along = pull.iter().zip(&self.powers);
            let along: Vec<f64> = along
                .map(|(pull, power)| pull / (power + penalty))
                .collect();
            if dot(&along, &along) <= allowed || penalty > 1.0 / FIRST_PENALTY {
                return self.directions.times_vector(&along);
            }
            penalty *= 2.0;
        }
    }
}

/// `E(x·xᵀ)`.
fn mean_of_squares(rows: &[Vec<f64>]) -> Matrix {
    let size = rows.first().map_or(0, Vec::len);
    let mut sums = Matrix::zeros(size, size);
    for row in rows {
        for j in 0..size {
            let column = sums.column_mut(j).iter_mut().zip(row);
            column.for_each(|(sum, x)| *sum += x * row[j]);
        }
    }
    let count = rows.len().max(1) as f64;
    sums.values_mut().iter_mut().for_each(|sum| *sum /= count);
    sums
}

#[cfg(test)]
mod tests {
    use super::super::hearing::at_rest;
    use super::*;
    use crate::audio::SampleRate;
    use crate::audio::level::power;
    use crate::config::{ModelConfig, WindowConfig};
    use crate::data::pair::DryWetPair;
    use crate::models;
    use crate::models::predict::predict;
    use std::sync::Arc;

    const SAMPLES: usize = 40_000;
    const IDLE: f64 = 0.01;

    /// A second of a note, at three settings of a knob.
    fn recordings() -> Vec<Span> {
        let rate = SampleRate::new(8000).unwrap();
        let at = |knob: f32| {
            let note = |n: usize| 0.5 * (0.1 * n as f32).sin() * (1e-3 * n as f32).cos();
            let dry: Vec<f32> = (0..8000).map(note).collect();
            let pair = DryWetPair::aligned("p", rate, dry.clone(), dry, 0);
            Span::new(Arc::new(pair.with_controls(vec![knob])), 0..8000)
        };
        [0.0, 0.4, 1.0].map(at).to_vec()
    }

    /// A network whose last layer makes silence of silence, and the same with weights off by so much at random.
    fn trained_alike(config: &ModelConfig, device: &Device, off: f64) -> [EffectModel; 2] {
        let model = models::build(config, &WindowConfig::default(), 1, 3, device);
        let all = (0..32).map(|n| vec![n as f32 / 31.0]);
        let all: Vec<Vec<f32>> = all.collect();
        let rest = at_rest(&model, device, &all, SAMPLES);
        let spans = recordings();
        let (ideal, _) = hushed_within(
            f64::INFINITY,
            model,
            device,
            (&all, rest),
            &spans,
            [IDLE; 2],
        );
        let mut model = ideal.clone();
        let head = model.head_mut().unwrap();
        let by = head.rows().into_iter().map(|row| {
            let draw = |at: usize| off * (7.0 * at as f64).sin();
            (0..row.len()).map(draw).collect()
        });
        let by: Vec<Vec<f64>> = by.collect();
        head.adjust(&by);
        [ideal, model]
    }

    fn furthest(model: &EffectModel, device: &Device, settings: &[Vec<f32>]) -> f64 {
        let answers = at_rest(model, device, settings, SAMPLES).answers;
        let off = answers.iter().map(|sides| (sides[0] - IDLE).abs());
        off.fold(0.0, f64::max)
    }

    /// Three quarters of what it is off by are gone wherever the knob stands, and what is played is
    /// moved by less than it may be.
    #[test]
    fn silence_is_silence_wherever_the_knob_stands_and_nothing_else_is_heard() {
        let device = Device::flex();
        let spans = recordings();
        let some: Vec<Vec<f32>> = (0..16).map(|n| vec![n as f32 / 15.0]).collect();
        let all: Vec<Vec<f32>> = (0..33).map(|n| vec![n as f32 / 32.0]).collect();
        let mut hushed_kinds = Vec::new();
        for config in ModelConfig::every() {
            let model = models::build(&config, &WindowConfig::default(), 1, 3, &device);
            if model.opened().is_none() {
                continue;
            }
            let kind = config.kind();
            let [ideal, model] = trained_alike(&config, &device, 1e-4);
            let least = furthest(&ideal, &device, &all);
            let before = furthest(&model, &device, &all);
            assert!(before > least + 3e-5, "{kind}: {before}");
            let rest = at_rest(&model, &device, &some, SAMPLES);
            let (quiet, told) = hushed(model.clone(), &device, (&some, rest), &spans, [IDLE; 2]);
            let there = at_rest(&quiet, &device, &some, SAMPLES).answers;
            for (told, there) in told.iter().flatten().zip(there.iter().flatten()) {
                assert!((told - there).abs() < 1e-5, "{kind}: {told} {there}");
            }
            let after = furthest(&quiet, &device, &all);
            assert!(
                after < least + 0.25 * before,
                "{kind}: {before} → {after}, {least}"
            );
            let (mut moved, mut off) = (0.0, 0.0);
            for span in &spans {
                let pair = span.pair();
                let play = |model| predict(model, &device, pair.controls(), &[], pair.dry());
                let (a, b) = (play(&model), play(&quiet));
                let apart = |x: &[f32], y: &[f32]| {
                    let apart: Vec<f32> = x.iter().zip(y).map(|(x, y)| x - y).collect();
                    power(&apart[2000..])
                };
                off += apart(&a, pair.wet());
                moved += apart(&a, &b);
            }
            // Every moment is heard here, there one in so many.
            assert!(moved < 1.05 * HEARD * off, "{kind}: {moved} of {off}");
            hushed_kinds.push(kind);
        }
        assert!(hushed_kinds.len() >= 5, "only {hushed_kinds:?}");
    }

    /// No small step from it is better at the penalty that it ended with.
    #[test]
    fn the_change_is_the_least_of_both_errors() {
        let silence: Vec<Vec<f64>> = (0..9)
            .map(|n| vec![(n as f64).sin(), (n as f64).cos(), 1.0])
            .collect();
        let heard: Vec<Vec<f64>> = (0..50)
            .map(|n| vec![(0.3 * n as f64).sin(), 0.2 * (1.7 * n as f64).cos(), 1.0])
            .collect();
        let left: Vec<f64> = (0..9)
            .map(|n| 1e-3 * (2.0 * n as f64).sin() + 2e-3)
            .collect();
        let both = Both::of(&silence, &heard);
        let allowed = 1e-7;
        let change = both.change(&silence, &left, allowed);
        let mean = |rows: &[Vec<f64>], of: &dyn Fn(usize, &[f64]) -> f64| {
            let all = rows.iter().enumerate().map(|(at, row)| of(at, row));
            all.sum::<f64>() / rows.len() as f64
        };
        let heard_power = |d: &[f64]| mean(&heard, &|_, f| dot(f, d).powi(2));
        assert!(heard_power(&change) <= allowed * (1.0 + 1e-9));
        // At the penalty that it ended with nothing else is better.
        let penalties = (0..41).map(|n| FIRST_PENALTY * 2f64.powi(n));
        let cost = |d: &[f64], penalty: f64| {
            mean(&silence, &|at, e| (dot(e, d) + left[at]).powi(2)) + penalty * heard_power(d)
        };
        let is_least = |penalty: f64| {
            let here = cost(&change, penalty);
            (0..3).all(|at| {
                [1e-5, -1e-5].iter().all(|step| {
                    let mut other = change.clone();
                    other[at] += step;
                    cost(&other, penalty) > here
                })
            })
        };
        assert!(penalties.filter(|&penalty| is_least(penalty)).count() >= 1);
    }
}
