//! The plain figures of one channel: its levels, and where it is cut off. Knows nothing of what
//! they are judged by.

use crate::audio::level::{mean_and_rms, peak};

/// Consecutive samples at one extreme that make a clipped run.
const CLIPPED_RUN: usize = 4;

/// One step of 16-bit audio: values closer than this count as equal.
const STEP: f32 = 1.0 / 32_768.0;

/// How far the sample before or after a clipped run must fall off. A smooth crest is a parabola:
/// if four samples lie within one step of it, the next lies within (2.5/1.5)² < 3 steps, with
/// rounding 4. A cut falls off with the slope of the wave.
const CORNER: f32 = 8.0 * STEP;

/// From this level on a cut is blamed on the converter: full scale less rounding.
pub(super) const FULL_SCALE: f64 = 0.999;

/// The plain figures of one channel.
pub(super) struct Level {
    pub(super) mean: f64,
    /// Around the mean.
    pub(super) rms: f64,
    pub(super) peak: f64,
    /// Samples beyond ±1.
    pub(super) above: usize,
}

impl Level {
    pub(super) fn of(x: &[f32]) -> Self {
        let (mean, rms) = mean_and_rms(x);
        // A constant's mean is exact only up to rounding; its variance is none all the same.
        let constant = x.iter().all(|v| Some(v) == x.first());
        Self {
            mean,
            rms: if constant { 0.0 } else { rms },
            peak: peak(x),
            above: x.iter().filter(|v| v.abs() > 1.0).count(),
        }
    }
}

/// Runs of samples at one channel's own extreme.
pub(super) struct Runs {
    pub(super) runs: usize,
    pub(super) samples: usize,
    pub(super) longest: usize,
    pub(super) position: usize,
    pub(super) extreme: f64,
}

impl Runs {
    /// Runs at the largest or at the smallest value, each at least [`CLIPPED_RUN`] long.
    ///
    /// The extreme is the recording's own, not full scale: a clipped sound turned down
    /// afterwards is clipped all the same. Values count as equal within one 16-bit step.
    pub(super) fn of(x: &[f32]) -> Option<Self> {
        let (low, high) = x
            .iter()
            .fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        let at_top = |v: f32| v >= high - STEP;
        let at_bottom = |v: f32| v <= low + STEP;
        let falls_off = |run: &[f32], neighbour: Option<&f32>| {
            neighbour.is_some_and(|n| (n - run[0]).abs() > CORNER)
        };
        let mut found = Self {
            runs: 0,
            samples: 0,
            longest: 0,
            position: 0,
            extreme: f64::from(high.max(-low)),
        };
        let mut start = 0_usize;
        let same_cut =
            |a: &f32, b: &f32| (at_top(*a) && at_top(*b)) || (at_bottom(*a) && at_bottom(*b));
        for run in x.chunk_by(same_cut) {
            let before = start.checked_sub(1).and_then(|n| x.get(n));
            let after = x.get(start + run.len());
            if run.len() >= CLIPPED_RUN && (falls_off(run, before) || falls_off(run, after)) {
                if found.runs == 0 {
                    found.position = start;
                    found.extreme = f64::from(run[0].abs());
                }
                found.runs += 1;
                found.samples += run.len();
                found.longest = found.longest.max(run.len());
            }
            start += run.len();
        }
        (found.runs > 0).then_some(found)
    }
}
