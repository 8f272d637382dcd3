//! The plain figures of one channel: its levels, and where it is cut off. Knows nothing of what
//! they are judged by.

use crate::audio::level;
use crate::audio::track::{PIECE, Track};

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

/// The plain figures of one channel of finite samples.
pub(super) struct Level {
    pub(super) mean: f64,
    /// Around the mean.
    pub(super) rms: f64,
    pub(super) peak: f64,
    /// Samples beyond ±1.
    pub(super) above: usize,
    /// Runs of samples at the channel's own extremes.
    pub(super) runs: Option<Runs>,
}

impl Level {
    pub(super) fn of(x: Track<'_>) -> Self {
        let pieces = x.each(PIECE, Piece::of);
        let mean = pieces.iter().map(|p| p.sum).sum::<f64>() / x.len().max(1) as f64;
        let (low, high) = pieces.iter().fold((f32::MAX, f32::MIN), |(low, high), p| {
            (low.min(p.low), high.max(p.high))
        });
        // A constant's mean is exact only up to rounding; its variance is none all the same.
        let rms = match low < high {
            true => level::mean_power_around(x, mean).sqrt(),
            false => 0.0,
        };
        let runs = (rms > 0.0).then(|| Runs::of(x, &pieces, (low, high)));
        Self {
            mean,
            rms,
            peak: f64::from(high.max(-low)),
            above: pieces.iter().map(|p| p.above).sum(),
            runs: runs.flatten(),
        }
    }
}

/// Figures of one piece.
struct Piece {
    sum: f64,
    low: f32,
    high: f32,
    above: usize,
}

impl Piece {
    fn of(x: &[f32]) -> Self {
        Self {
            sum: level::sum_of_piece(x, |v| v),
            low: x.iter().fold(f32::MAX, |low, &v| low.min(v)),
            high: x.iter().fold(f32::MIN, |high, &v| high.max(v)),
            above: x.iter().filter(|v| v.abs() > 1.0).count(),
        }
    }
}

/// Runs at the largest or at the smallest value, each at least [`CLIPPED_RUN`] long.
///
/// The extreme is the recording's own, not full scale: a clipped sound turned down
/// afterwards is clipped all the same. Values count as equal within one 16-bit step.
pub(super) struct Runs {
    pub(super) runs: usize,
    pub(super) samples: usize,
    pub(super) longest: usize,
    pub(super) position: usize,
    pub(super) extreme: f64,
}

impl Runs {
    /// `None` without any.
    fn of(x: Track<'_>, pieces: &[Piece], (low, high): (f32, f32)) -> Option<Self> {
        let mut walk = Walk {
            top: high - STEP,
            bottom: low + STEP,
            run: None,
            found: Self {
                runs: 0,
                samples: 0,
                longest: 0,
                position: 0,
                extreme: f64::from(high.max(-low)),
            },
        };
        for (n, piece) in pieces.iter().enumerate() {
            let range = n * PIECE..((n + 1) * PIECE).min(x.len());
            if walk.is_reached(piece) {
                walk.hear(range.start, &x.read(range));
            } else {
                // No more of it matters than what lies beside its neighbours.
                for at in [range.start, range.end - 1] {
                    walk.hear(at, &x.read(at..at + 1));
                }
            }
        }
        walk.end_run(None);
        (walk.found.runs > 0).then_some(walk.found)
    }
}

/// Looks for runs from the first sample to the last.
struct Walk {
    top: f32,
    bottom: f32,
    run: Option<Run>,
    found: Runs,
}

/// Samples at one extreme, or a single one elsewhere.
struct Run {
    start: usize,
    len: usize,
    before: Option<f32>,
    first: f32,
    last: f32,
}

impl Walk {
    /// Whether any sample of the piece comes near an extreme.
    fn is_reached(&self, piece: &Piece) -> bool {
        piece.high >= self.top || piece.low <= self.bottom
    }

    /// Hears samples from the one at `start` on.
    fn hear(&mut self, start: usize, x: &[f32]) {
        let (top, bottom) = (self.top, self.bottom);
        let same_cut = |a: f32, b: f32| (a >= top && b >= top) || (a <= bottom && b <= bottom);
        for (start, &v) in (start..).zip(x) {
            match &mut self.run {
                Some(run) if same_cut(run.last, v) => (run.len, run.last) = (run.len + 1, v),
                _ => {
                    let before = self.end_run(Some(v));
                    self.run = Some(Run {
                        start,
                        len: 1,
                        before,
                        first: v,
                        last: v,
                    });
                }
            }
        }
    }

    /// Counts the run that the sample `after` ends; returns its last sample.
    fn end_run(&mut self, after: Option<f32>) -> Option<f32> {
        let run = self.run.take()?;
        let falls_off =
            |neighbour: Option<f32>| neighbour.is_some_and(|n| (n - run.first).abs() > CORNER);
        if run.len >= CLIPPED_RUN && (falls_off(run.before) || falls_off(after)) {
            let found = &mut self.found;
            if found.runs == 0 {
                found.position = run.start;
                found.extreme = f64::from(run.first.abs());
            }
            found.runs += 1;
            found.samples += run.len;
            found.longest = found.longest.max(run.len);
        }
        Some(run.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_across_pieces() {
        // Quiet for two pieces, cut off across the end of the third, and once more far later.
        let mut x: Vec<f32> = (0..6 * PIECE)
            .map(|n| 0.1 * (0.3 * n as f32).sin())
            .collect();
        x[3 * PIECE - 2..3 * PIECE + 5].fill(0.5);
        x[5 * PIECE + 100..5 * PIECE + 104].fill(0.5);
        x[5 * PIECE + 200..5 * PIECE + 203].fill(0.5);
        let level = Level::of((&x).into());
        let runs = level.runs.unwrap();
        assert_eq!((runs.runs, runs.samples, runs.longest), (2, 11, 7));
        assert_eq!((runs.position, runs.extreme), (3 * PIECE - 2, 0.5));
        assert_eq!((level.peak, level.above), (0.5, 0));
    }
}
