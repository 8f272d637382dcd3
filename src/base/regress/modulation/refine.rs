//! The motion brought nearer to the sound step by step (Levenberg–Marquardt on all of it together: the
//! filters enter linearly, so every step solves for them anew), and a recording's phase looked for all
//! around. Knows nothing of how a first motion is found.

use super::clip::Clip;
use super::equations::{Filters, Whole};
use super::oscillator::TOLD;
use crate::dsp::modulation::{MOST_FEEDBACK, Phases};
use rayon::prelude::*;
use std::f64::consts::TAU;

/// A step that gains less than this share of what is left is the last.
const SMALL_GAIN: f64 = 2e-3;

/// Most dampings tried for a step.
const DAMPINGS: usize = 5;

/// Phases tried all around: 8 in a period of the highest harmonic that may stand out; of two oscillators so many of
/// each, and the best of these followed further.
const ANGLES: usize = 256;
const ANGLES_OF_TWO: usize = 24;
const FOLLOWED: usize = 4;

impl Whole {
    fn moved(&self, by: &[f64]) -> Self {
        let mut whole = self.clone();
        let mut by = by.iter();
        let mut next = || by.next().copied().unwrap_or(0.0);
        whole.motion.centre += next();
        let curve = &mut whole.motion.oscillator.curve;
        curve.iter_mut().for_each(|v| *v += next());
        if let Some(second) = &mut whole.motion.second {
            second.curve.iter_mut().for_each(|v| *v += next());
            second.rate_hz = (second.rate_hz + next()).max(0.0);
        }
        let feedback = whole.motion.feedback + next();
        whole.motion.feedback = feedback.clamp(-MOST_FEEDBACK, MOST_FEEDBACK);
        for oscillator in 0..whole.motion.phases() {
            let phases = whole.phases.iter_mut();
            phases.for_each(|phases| phases[oscillator] += next());
        }
        let mut faster = next();
        for rate in &mut whole.rates {
            *rate = (*rate + faster).max(0.0);
            if self.apart {
                faster = next();
            }
        }
        whole.agree();
        whole
    }

    /// The effect's own rate is the mean of the recordings'; and theirs, where they have none of their own.
    pub(super) fn agree(&mut self) {
        let rate = self.rates.iter().sum::<f64>() / self.rates.len().max(1) as f64;
        self.motion.oscillator.rate_hz = rate;
        if !self.apart {
            self.rates.fill(rate);
        }
    }

    /// Whether the recordings are long enough to tell of a rate of their own.
    fn told_apart(&self, clips: &[Clip], hz: f64) -> bool {
        let seconds = |at: usize| {
            let own = clips.iter().filter(|clip| clip.recording == at);
            let samples: usize = own
                .map(|clip| clip.dry.len() - clip.skip.min(clip.dry.len()))
                .sum();
            samples as f64 / hz
        };
        let rate = self.motion.oscillator.rate_hz;
        let told = |at: usize| rate * seconds(at) > TOLD;
        let alone = self.motion.second.is_none();
        alone && self.rates.len() > 1 && (0..self.rates.len()).all(told)
    }

    /// What these filters leave of a recording's clips (sum of squares) with its oscillators at `phases`.
    pub(super) fn missed(&self, around: &Filters, clips: &[&Clip], hz: f64, phases: Phases) -> f64 {
        let of = |clip: &&Clip| {
            let mut moved = vec![0.0; clip.dry.len()];
            let mut operator = self.operator(clip, hz);
            let motion = self.motion_in(clip.recording, phases);
            operator.run(&motion, phases[0] + clip.ahead, &clip.dry, &mut moved);
            let answer = around.answer(&clip.dry, &moved);
            let pairs = answer.iter().zip(&clip.wet).skip(clip.skip);
            pairs.map(|(a, w)| (w - a).powi(2)).sum::<f64>()
        };
        clips.iter().map(of).sum()
    }

    /// The phases of a recording that leave least, looked for all around.
    pub(super) fn anywhere(&self, around: &Filters, clips: &[&Clip], hz: f64) -> Phases {
        let two = self.motion.phases() > 1;
        let count = if two { ANGLES_OF_TWO } else { ANGLES };
        let turns = if two { count * count } else { count };
        let angle = |i: usize| TAU * i as f64 / count as f64;
        let tried = (0..turns).into_par_iter().map(|i| {
            let phases = [angle(i % count), angle(i / count)];
            (phases, self.missed(around, clips, hz, phases))
        });
        let mut tried: Vec<(Phases, f64)> = tried.collect();
        tried.sort_by(|a, b| a.1.total_cmp(&b.1));
        if !two {
            return tried[0].0;
        }
        let steps = [0.5 * angle(1), 0.02];
        let followed = tried.into_par_iter().take(FOLLOWED);
        let followed = followed.map(|(near, _)| self.followed(around, clips, hz, (near, steps)));
        let best = followed.min_by(|a, b| a.1.total_cmp(&b.1));
        best.map_or([0.0; 2], |(phases, _)| phases)
    }

    /// The phases that leave least near these.
    pub(super) fn nearby(
        &self,
        around: &Filters,
        clips: &[&Clip],
        hz: f64,
        near: Phases,
    ) -> Phases {
        let steps = [TAU / ANGLES as f64, 1e-4];
        let (phases, _) = self.followed(around, clips, hz, (near, steps));
        phases.map(|phase| phase.rem_euclid(TAU))
    }

    /// The phases to which ever shorter steps lead from these, from the first length down to the second, and what
    /// they leave.
    fn followed(
        &self,
        around: &Filters,
        clips: &[&Clip],
        hz: f64,
        (near, [first, last]): (Phases, [f64; 2]),
    ) -> (Phases, f64) {
        let left = |phases: Phases| self.missed(around, clips, hz, phases);
        let ways: &[Phases] = match self.motion.phases() {
            1 => &[[-1.0, 0.0], [1.0, 0.0]],
            _ => &[[-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]],
        };
        let (mut phases, mut least) = (near, left(near));
        let mut step = first;
        while step > last {
            let there = |way: &Phases| [0, 1].map(|i| phases[i] + step * way[i]);
            let tried = ways.iter().map(there).map(|there| (there, left(there)));
            match tried.min_by(|a, b| a.1.total_cmp(&b.1)) {
                Some((there, left)) if left < least => (phases, least) = (there, left),
                _ => step *= 0.5,
            }
        }
        (phases, least)
    }

    /// Brings all nearer to the clips in at most so many steps; `None` where it cannot be fitted at all.
    pub(super) fn refine(
        &mut self,
        clips: &[Clip],
        hz: f64,
        steps: usize,
        go_on: &dyn Fn() -> bool,
    ) -> Option<(Filters, f64)> {
        self.apart = self.told_apart(clips, hz);
        self.agree();
        let (mut around, mut left) = self.filters(clips, hz)?;
        let linear = self.linear();
        // The first recording's phases are held: the curves turn instead.
        let held = [Some(self.phase(0)), self.second_phase(0)];
        let held = |i: usize| held.contains(&Some(i));
        let mut damping: f64 = 1e-4;
        for _ in 0..steps {
            if !go_on() {
                break;
            }
            let normal = self.equations(clips, hz, Some(&around));
            let promised = normal.solve(|i| if held(i) { 1e12 } else { 1e-9 });
            let promised = promised.map_or(0.0, |s| normal.left(&s));
            if promised > (1.0 - SMALL_GAIN) * left {
                break;
            }
            let mut gain = 0.0;
            for _ in 0..DAMPINGS {
                let damped = |i: usize| match i {
                    i if i < linear => 1e-10,
                    i if held(i) => 1e12,
                    _ => damping,
                };
                let moved = normal.solve(damped).map(|s| self.moved(&s[linear..]));
                let fitted = moved.and_then(|moved| Some((moved.filters(clips, hz)?, moved)));
                if let Some(((filters, esr), moved)) = fitted
                    && esr < left
                {
                    gain = 1.0 - esr / left;
                    (around, left, *self) = (filters, esr, moved);
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
}
