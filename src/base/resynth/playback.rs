//! Frames in a new order, as sound: each once, or for as long as it is far from the next.
//!
//! Knows orders and positions, not where they come from.

use super::ResynthError;
use super::order::Ordering;
use super::vocoder::{PhaseLock, Reader, synthesise};
use crate::dsp::stft::{Bin, Stft};
use crate::progress::{Observer, Task};
use rayon::prelude::*;

/// How an order is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Playback {
    /// Every frame for one hop, as it was recorded.
    #[default]
    Frames,
    /// Every frame held for as long as it is the nearest one on the way from the first
    /// position to the last.
    Hold,
    /// As `Hold`, but frames change into each other in proportion to their distance.
    Crossfade,
}

impl Playback {
    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Frames => "frames",
            Self::Hold => "hold",
            Self::Crossfade => "crossfade",
        }
    }
}

/// Plays frames in `order`, each for one hop. Equal to the inverse transform of the reordered
/// spectra, but without transforms: a frame's way there and back leaves its windowed samples.
///
/// # Errors
/// The transform's frames do not overlap enough; the observer asked to stop.
pub fn frames(
    stft: &Stft,
    channels: &[Vec<f32>],
    order: &[usize],
    observer: &dyn Observer,
) -> Result<Vec<Vec<f32>>, ResynthError> {
    let params = stft.params();
    let total = (channels.len() * order.len()) as u64;
    let task = Task::begin(observer, "adding frames up", Some(total));
    let one = |samples: &Vec<f32>| {
        let mut sound = stft.overlap_add()?;
        let mut frame = vec![0.0; params.n_fft()];
        for part in order.chunks(1024) {
            task.go_on()?;
            for &t in part {
                stft.windowed(samples, params.frame_start(t), &mut frame);
                sound.add(&frame);
            }
            task.advance(part.len() as u64);
        }
        Ok(sound.finish(params.synthesis_len(order.len())))
    };
    channels.par_iter().map(one).collect()
}

/// Plays `frames_out` frames at even distances along the ordering's positions, phases
/// continued from frame to frame.
///
/// # Errors
/// The transform's frames do not overlap enough; the observer asked to stop.
pub fn by_distance(
    stft: &Stft,
    channels: &[Vec<f32>],
    ordering: &Ordering,
    crossfade: bool,
    frames_out: usize,
    observer: &dyn Observer,
) -> Result<Vec<Vec<f32>>, ResynthError> {
    let params = stft.params();
    let hop = params.hop_length() as isize;
    let route = route(&ordering.positions, frames_out);
    let mut reader = Reader::new(stft, channels);
    let mut lock = PhaseLock::new();
    let make = |t: usize| {
        let (step, share) = route[t];
        let start = |step: usize| {
            let step = step.min(ordering.order.len() - 1);
            params.frame_start(ordering.order[step])
        };
        // The nearer frame gives the phases; its own past says how fast they turn.
        let near = start(if share < 0.5 { step } else { step + 1 });
        let mut now = reader.at(near);
        if crossfade {
            let sides = (reader.at(start(step)), reader.at(start(step + 1)));
            blend(&mut now, &sides.0, &sides.1, share);
        }
        let before = reader.at(near - hop);
        lock.advance(&mut now, &before);
        now
    };
    let len = params.synthesis_len(frames_out);
    synthesise(
        stft,
        channels.len(),
        frames_out,
        len,
        "playing frames",
        observer,
        make,
    )
}

/// For each of `count` even steps from the first position to the last: the step of the order
/// it lies behind, and how far (0 to 1) it is on the way to the next.
fn route(positions: &[f64], count: usize) -> Vec<(usize, f64)> {
    let (Some(&first), Some(&last)) = (positions.first(), positions.last()) else {
        return Vec::new();
    };
    let mut step = 0;
    let stops = (0..count).map(|t| {
        let place = first + (last - first) * t as f64 / count.saturating_sub(1).max(1) as f64;
        while step + 2 < positions.len() && positions[step + 1] <= place {
            step += 1;
        }
        let next = positions.get(step + 1).copied().unwrap_or(last);
        let gap = next - positions[step];
        let share = if gap > 0.0 {
            (place - positions[step]) / gap
        } else {
            0.0
        };
        (step, share.clamp(0.0, 1.0))
    });
    stops.collect()
}

/// Gives `now` magnitudes between those of `a` and `b`.
fn blend(now: &mut [Vec<Bin>], a: &[Vec<Bin>], b: &[Vec<Bin>], share: f64) {
    for ((now, a), b) in now.iter_mut().zip(a).zip(b) {
        for ((now, a), b) in now.iter_mut().zip(a).zip(b) {
            let wanted = (1.0 - share) * a.norm() + share * b.norm();
            let size = now.norm();
            *now = if size > 0.0 {
                *now * (wanted / size)
            } else {
                Bin::new(wanted, 0.0)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_route_stays_as_long_as_the_gap_is_wide() {
        // Positions 0, 1, 4: three quarters of the way lie between the second and the third.
        let stops = route(&[0.0, 1.0, 4.0], 5);
        assert_eq!(
            stops,
            [(0, 0.0), (1, 0.0), (1, 1.0 / 3.0), (1, 2.0 / 3.0), (1, 1.0)]
        );
        assert_eq!(route(&[2.0, 2.0, 2.0], 2), [(1, 0.0), (1, 0.0)]);
        assert_eq!(route(&[2.0], 2), [(0, 0.0), (0, 0.0)]);
        assert!(route(&[], 3).is_empty());
    }
}
