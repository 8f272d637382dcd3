//! The filters around a moving part, solved for; and the motion itself, brought nearer step by step
//! (Levenberg–Marquardt on all of it together: the filters enter linearly, so every step solves
//! for them anew). Knows nothing of how a first motion is found.

use super::normal::Normal;
use super::part::{MOST_FEEDBACK, Motion, Part};
use rayon::prelude::*;

/// Taps of the filters on dry and behind the part.
pub(super) const TAPS: usize = 48;

/// Steps for differences: of values, feedback and phases; of rates in hertz.
const STEP: f64 = 1e-4;
const RATE_STEP: f64 = 1e-5;

/// A step that gains less than this share of what is left is the last.
const SMALL_GAIN: f64 = 2e-3;

/// Most dampings tried for a step.
const DAMPINGS: usize = 5;

/// One recording of the same effect.
#[derive(Clone, Debug)]
pub(super) struct Clip {
    pub(super) dry: Vec<f64>,
    pub(super) wet: Vec<f64>,
}

/// `wet = dry filter ∗ dry + wet filter ∗ part(dry)`.
#[derive(Clone, Debug)]
pub(super) struct Filters {
    pub(super) dry: Vec<f64>,
    pub(super) wet: Vec<f64>,
}

/// All that is refined.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    pub(super) motion: Motion,
    /// `[clip][oscillator]`
    pub(super) phases: Vec<Vec<f64>>,
}

/// A gain has no dry sound beside it: that would be the same as another mean.
fn dry_taps(part: Part) -> usize {
    if part == Part::Gain { 0 } else { TAPS }
}

pub(super) fn filtered(taps: &[f64], x: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; x.len()];
    for (lag, tap) in taps.iter().enumerate() {
        for (out, x) in out.iter_mut().skip(lag).zip(x) {
            *out += tap * x;
        }
    }
    out
}

fn delayed(x: &[f64], lag: usize) -> Vec<f64> {
    let mut late = vec![0.0; lag.min(x.len())];
    late.extend_from_slice(&x[..x.len() - late.len()]);
    late
}

impl Filters {
    fn of(part: Part, solution: &[f64]) -> Self {
        let (dry, wet) = solution.split_at(dry_taps(part));
        Self {
            dry: dry.to_vec(),
            wet: wet.to_vec(),
        }
    }

    /// The effect's answer to `x`, of which the part has made `moved`.
    pub(super) fn answer(&self, x: &[f64], moved: &[f64]) -> Vec<f64> {
        let mut answer = filtered(&self.wet, moved);
        let dry = filtered(&self.dry, x);
        answer.iter_mut().zip(dry).for_each(|(a, d)| *a += d);
        answer
    }
}

/// The columns that the filters weigh.
fn columns(part: Part, x: &[f64], moved: &[f64]) -> Vec<Vec<f64>> {
    let dry = (0..dry_taps(part)).map(|lag| delayed(x, lag));
    dry.chain((0..TAPS).map(|lag| delayed(moved, lag)))
        .collect()
}

/// The filters that fit `whole` to the clips, and what they leave (ESR).
pub(super) fn filters(whole: &Whole, clips: &[Clip], hz: f64) -> Option<(Filters, f64)> {
    let part = whole.motion.part;
    let unknowns = dry_taps(part) + TAPS;
    let each = clips.par_iter().zip(&whole.phases).map(|(clip, phases)| {
        let moved = whole.motion.run(phases, &clip.dry, hz);
        let mut normal = Normal::new(unknowns);
        normal.add_columns(&columns(part, &clip.dry, &moved), &clip.wet);
        (normal, moved)
    });
    let each: Vec<(Normal, Vec<f64>)> = each.collect();
    let mut normal = Normal::new(unknowns);
    each.iter().for_each(|(own, _)| normal.add(own));
    let filters = Filters::of(part, &normal.solve(|_| 1e-9)?);
    let (mut left, mut energy) = (0.0, 0.0);
    for (clip, (_, moved)) in clips.iter().zip(&each) {
        for (wet, answer) in clip.wet.iter().zip(filters.answer(&clip.dry, moved)) {
            left += (wet - answer).powi(2);
            energy += wet * wet;
        }
    }
    Some((filters, left / f64::max(energy, f64::MIN_POSITIVE)))
}

/// Where each number of a motion stands.
struct Numbers {
    /// Centre and curves.
    values: usize,
    feedback: bool,
    rates: usize,
    clips: usize,
}

impl Numbers {
    fn of(whole: &Whole) -> Self {
        let curves = whole.motion.oscillators.iter().map(|o| o.curve.len());
        Self {
            values: 1 + curves.sum::<usize>(),
            feedback: whole.motion.part != Part::Gain,
            rates: whole.motion.oscillators.len(),
            clips: whole.phases.len(),
        }
    }

    fn count(&self) -> usize {
        self.values + usize::from(self.feedback) + self.rates * (1 + self.clips)
    }

    fn first_phase(&self) -> usize {
        self.values + usize::from(self.feedback) + self.rates
    }

    /// The clip whose answer alone a number changes.
    fn clip(&self, number: usize) -> Option<usize> {
        number
            .checked_sub(self.first_phase())
            .map(|at| at / self.rates)
    }

    /// The phases of the first clip are held: curves turn instead.
    fn is_held(&self, number: usize) -> bool {
        self.clip(number) == Some(0)
    }

    fn step(&self, number: usize) -> f64 {
        let rates = self.first_phase() - self.rates..self.first_phase();
        if rates.contains(&number) {
            RATE_STEP
        } else {
            STEP
        }
    }

    fn moved(&self, whole: &Whole, by: &[f64]) -> Whole {
        let mut whole = whole.clone();
        let mut by = by.iter();
        let mut next = || by.next().copied().unwrap_or(0.0);
        whole.motion.centre += next();
        for oscillator in &mut whole.motion.oscillators {
            oscillator
                .curve
                .iter_mut()
                .for_each(|value| *value += next());
        }
        if self.feedback {
            let feedback = whole.motion.feedback + next();
            whole.motion.feedback = feedback.clamp(-MOST_FEEDBACK, MOST_FEEDBACK);
        }
        for oscillator in &mut whole.motion.oscillators {
            oscillator.rate_hz = (oscillator.rate_hz + next()).max(0.0);
        }
        whole
            .phases
            .iter_mut()
            .flatten()
            .for_each(|phase| *phase += next());
        whole
    }
}

/// Brings `whole` nearer to the clips in at most so many steps; `None` where it cannot be fitted at all.
pub(super) fn refine(
    whole: &mut Whole,
    clips: &[Clip],
    hz: f64,
    steps: usize,
    go_on: &dyn Fn() -> bool,
) -> Option<(Filters, f64)> {
    let (mut around, mut left) = filters(whole, clips, hz)?;
    let numbers = Numbers::of(whole);
    let linear = dry_taps(whole.motion.part) + TAPS;
    let mut damping: f64 = 1e-4;
    for _ in 0..steps {
        if !go_on() {
            break;
        }
        let normal = linearised(whole, &around, clips, hz, &numbers);
        let mut gain = 0.0;
        for _ in 0..DAMPINGS {
            let damped = |i: usize| match i.checked_sub(linear) {
                None => 1e-10,
                Some(number) if numbers.is_held(number) => 1e12,
                Some(_) => damping,
            };
            let moved = normal
                .solve(damped)
                .map(|s| numbers.moved(whole, &s[linear..]));
            let fitted = moved.and_then(|moved| Some((filters(&moved, clips, hz)?, moved)));
            if let Some(((filters, esr), moved)) = fitted
                && esr < left
            {
                gain = 1.0 - esr / left;
                (around, left, *whole) = (filters, esr, moved);
                damping = (0.2 * damping).max(1e-9);
                break;
            }
            damping *= 10.0;
        }
        if gain < SMALL_GAIN {
            break;
        }
    }
    Some((around, left))
}

/// The equations of the filters and of a step of every number together.
fn linearised(
    whole: &Whole,
    around: &Filters,
    clips: &[Clip],
    hz: f64,
    numbers: &Numbers,
) -> Normal {
    let part = whole.motion.part;
    let unknowns = dry_taps(part) + TAPS + numbers.count();
    let each = clips.par_iter().enumerate().map(|(at, clip)| {
        let run = |whole: &Whole| whole.motion.run(&whole.phases[at], &clip.dry, hz);
        let moved = run(whole);
        let mut all = columns(part, &clip.dry, &moved);
        for number in 0..numbers.count() {
            if numbers.clip(number).is_some_and(|own| own != at) {
                all.push(vec![0.0; moved.len()]);
                continue;
            }
            let step = numbers.step(number);
            let mut by = vec![0.0; number + 1];
            by[number] = step;
            let there = run(&numbers.moved(whole, &by));
            let slope = there.iter().zip(&moved).map(|(t, m)| (t - m) / step);
            all.push(filtered(&around.wet, &slope.collect::<Vec<f64>>()));
        }
        let mut normal = Normal::new(unknowns);
        normal.add_columns(&all, &clip.wet);
        normal
    });
    let each: Vec<Normal> = each.collect();
    let mut normal = Normal::new(unknowns);
    each.iter().for_each(|own| normal.add(own));
    normal
}
