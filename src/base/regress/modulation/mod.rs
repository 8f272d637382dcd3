//! Effects that move by a clock of their own, as a model that can be fitted: a filter on dry, and
//! another behind a delay line, an all-pass chain or a gain that one or two slow oscillators move
//! (chorus, flanger, vibrato; phaser; tremolo).
//!
//! First the part's value is tracked moment by moment ([`track`]), then the oscillators behind the
//! track are found ([`oscillator`]), then everything is brought nearer to the sound itself, at a low
//! rate first ([`refine`]): what the published models learn by gradients from a random start
//! (Carson et al. 2023; Mitcheltree et al. 2023) is solved for here in seconds. Several recordings
//! of one effect share all but the phase. Knows nothing of files or of networks.

mod detect;
mod normal;
mod oscillator;
mod part;
mod refine;
mod track;

pub use detect::{Moving, detect};
pub use part::{Motion, Oscillator, Part};

use rayon::prelude::*;
use refine::{Clip, Filters, Whole};
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;
use track::Track;

/// What may move, in the order in which they are tried: all-pass chains of more stages explain
/// what those of fewer do.
const PARTS: [Part; 5] = [
    Part::Delay,
    Part::AllPass { stages: 2 },
    Part::AllPass { stages: 4 },
    Part::AllPass { stages: 6 },
    Part::AllPass { stages: 8 },
];

/// Most steps at each rate.
const STEPS: usize = 15;

/// Harmonics of a finished curve.
const HARMONICS: usize = 16;

/// The sound is looked at with about so many samples a second at first: low frequencies are
/// forgiving.
const COARSE: [f64; 2] = [2750.0, 7350.0];

/// Seconds of a recording that tell its phase.
pub const PHASE_SECONDS: f64 = 2.0;

/// An effect that moves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modulation {
    /// The moving part.
    pub motion: Motion,
    /// Taps of the filter on dry, and of that behind the part.
    pub dry_filter: Vec<f64>,
    /// Those behind the part.
    pub wet_filter: Vec<f64>,
    /// Where the oscillators stood at the beginning of each recording that was learned from.
    pub phases: Vec<Vec<f64>>,
}

/// A recording to learn from, silence before it.
#[derive(Clone, Copy, Debug)]
pub struct Recording<'a> {
    /// Without the effect.
    pub dry: &'a [f32],
    /// As long.
    pub wet: &'a [f32],
}

fn doubles(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

impl Recording<'_> {
    fn clip(&self) -> Clip {
        Clip {
            dry: doubles(self.dry),
            wet: doubles(self.wet),
        }
    }
}

/// Tracks every part and keeps the best; `None` for recordings of less than a second, or where
/// nothing returns.
fn look(clips: &[Clip], hz: f64) -> Option<oscillator::Found> {
    let of = |part: Part| -> Option<Vec<Track>> {
        clips
            .iter()
            .map(|clip| track::track(part, &clip.dry, &clip.wet, hz))
            .collect()
    };
    let share = |tracks: &[Track]| tracks.iter().map(|t| t.free).sum::<f64>();
    let all = PARTS.iter().filter_map(|&part| of(part));
    let tracks = all.max_by(|a, b| share(a).total_cmp(&share(b)))?;
    oscillator::find(&tracks)
}

/// Fits a moving effect to recordings of it; `None` where nothing returns, or told to stop.
pub fn fit(recordings: &[Recording<'_>], hz: f64, go_on: &dyn Fn() -> bool) -> Option<Modulation> {
    let clips: Vec<Clip> = recordings.iter().map(Recording::clip).collect();
    let found = look(&clips, hz)?;
    let mut whole = Whole {
        motion: found.motion,
        phases: found.phases,
    };
    for rate in COARSE {
        let factor = fewer(hz, rate);
        let fewer = |x: &Vec<f64>| decimated(x, factor);
        let coarse = clips.par_iter().map(|clip| Clip {
            dry: fewer(&clip.dry),
            wet: fewer(&clip.wet),
        });
        let coarse: Vec<Clip> = coarse.collect();
        refine::refine(&mut whole, &coarse, hz / factor as f64, STEPS, go_on)?;
        if !go_on() {
            return None;
        }
    }
    for oscillator in &mut whole.motion.oscillators {
        let steps = (0.4 * hz / 64.0 / oscillator.rate_hz.max(1e-3)) as usize;
        let harmonics = HARMONICS.min(steps.max(oscillator.curve.len() / 2));
        oscillator.curve.resize(2 * harmonics, 0.0);
    }
    let (around, _) = refine::refine(&mut whole, &clips, hz, STEPS, go_on)?;
    go_on().then(|| Modulation::new(whole, around))
}

impl Modulation {
    fn new(whole: Whole, around: Filters) -> Self {
        Self {
            motion: whole.motion,
            dry_filter: around.dry,
            wet_filter: around.wet,
            phases: whole.phases,
        }
    }

    /// The effect's answer to `dry`, silence before it, the oscillators at `phases` with its first
    /// sample.
    pub fn answer(&self, dry: &[f32], phases: &[f64], hz: f64) -> Vec<f32> {
        let x = doubles(dry);
        let moved = self.motion.run(phases, &x, hz);
        let filters = Filters {
            dry: self.dry_filter.clone(),
            wet: self.wet_filter.clone(),
        };
        let answer = filters.answer(&x, &moved);
        answer.iter().map(|&y| y as f32).collect()
    }

    /// Where the oscillators stand at the beginning of `recording`: those of two seconds or so are
    /// enough. The phase that leaves least, looked for all around, then nearby.
    pub fn phases_of(&self, recording: Recording<'_>, hz: f64) -> Vec<f64> {
        let left = |phases: &[f64]| {
            let answer = self.answer(recording.dry, phases, hz);
            let pairs = answer.iter().zip(recording.wet);
            pairs.map(|(a, w)| f64::from(w - a).powi(2)).sum::<f64>()
        };
        let mut phases = vec![0.0; self.motion.oscillators.len()];
        for round in 0..2 * phases.len() {
            let at = round % phases.len();
            let with = |angle: f64| {
                let mut phases = phases.clone();
                phases[at] = angle;
                left(&phases)
            };
            let tried: Vec<(f64, f64)> = (0..96_u32)
                .into_par_iter()
                .map(|i| TAU * f64::from(i) / 96.0)
                .map(|angle| (angle, with(angle)))
                .collect();
            let best = tried.into_iter().min_by(|a, b| a.1.total_cmp(&b.1));
            let (mut angle, mut least) = best.unwrap_or_default();
            let mut step = TAU / 96.0;
            while step > 1e-4 {
                let near = [angle - step, angle + step].map(|angle| (angle, with(angle)));
                match near.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)) {
                    Some((there, left)) if left < least => (angle, least) = (there, left),
                    _ => step *= 0.5,
                }
            }
            phases[at] = angle.rem_euclid(TAU);
        }
        phases
    }
}

/// By how much samples can be thinned out for about `rate` of them a second.
fn fewer(hz: f64, rate: f64) -> usize {
    ((hz / rate).round() as usize).max(1)
}

/// Every `factor`-th sample, of what was below that rate.
fn decimated(x: &[f64], factor: usize) -> Vec<f64> {
    if factor == 1 {
        return x.to_vec();
    }
    let reach = 16 * factor as isize;
    let cut = 0.8 / factor as f64;
    let tap = |i: isize| {
        let angle = std::f64::consts::PI * i as f64;
        let sinc = if i == 0 {
            1.0
        } else {
            (cut * angle).sin() / (cut * angle)
        };
        cut * sinc * (0.5 + 0.5 * (angle / reach as f64).cos())
    };
    let taps: Vec<f64> = (-reach..=reach).map(tap).collect();
    let at = |n: isize| {
        usize::try_from(n)
            .ok()
            .and_then(|n| x.get(n))
            .copied()
            .unwrap_or(0.0)
    };
    let sample = |t: usize| {
        let first = (t * factor) as isize - reach;
        let terms = taps.iter().zip(first..);
        terms.map(|(tap, n)| tap * at(n)).sum()
    };
    (0..x.len() / factor).map(sample).collect()
}

#[cfg(test)]
mod tests;
