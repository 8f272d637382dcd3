//! Stretching by reading the samples at another speed: pitch goes with it, as on tape.
//!
//! Knows nothing of files. The notebook's form is in [`super::compat`].

use super::ResynthError;
use super::vocoder::check_factor;
use crate::progress::{Observer, Task};
use std::f64::consts::PI;

/// How values between samples are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Between {
    /// A windowed sinc, which keeps frequencies that still fit and drops those that do not.
    #[default]
    Sinc,
    /// A straight line, as in the notebook: duller, and noisy where frequencies no longer fit.
    Linear,
}

/// Samples between two looks at whether to stop.
const PIECE: usize = 1 << 14;

/// Zero crossings of the sinc on either side.
const CROSSINGS: f64 = 16.0;

/// Reads all channels at `1 / |factor|` of their speed, backwards if `factor` is negative:
/// `ceil(len · |factor|)` samples from the first sample to the last.
///
/// # Errors
/// The factor is out of range; an interruption.
pub fn stretch(
    channels: &[Vec<f32>],
    factor: f64,
    between: Between,
    observer: &dyn Observer,
) -> Result<Vec<Vec<f32>>, ResynthError> {
    check_factor(factor)?;
    let length = |samples: &Vec<f32>| (samples.len() as f64 * factor.abs()).ceil() as usize;
    let total: usize = channels.iter().map(length).sum();
    let task = Task::begin(observer, "stretching as on tape", Some(total as u64));
    let one = |samples: &Vec<f32>| -> Result<Vec<f32>, ResynthError> {
        let count = length(samples);
        let end = samples.len().saturating_sub(1) as f64;
        let step = end / count.saturating_sub(1).max(1) as f64;
        let position = |i: usize| {
            let forwards = i as f64 * step;
            if factor > 0.0 {
                forwards
            } else {
                end - forwards
            }
        };
        let at = |i: usize| match between {
            Between::Linear => line(samples, position(i)),
            Between::Sinc => sinc(samples, position(i), step),
        } as f32;
        let mut made = Vec::with_capacity(count);
        while made.len() < count {
            let piece = made.len()..count.min(made.len() + PIECE);
            let steps = piece.len() as u64;
            made.extend(piece.map(at));
            task.step(steps)?;
        }
        Ok(made)
    };
    channels.iter().map(one).collect()
}

fn sample(samples: &[f32], at: isize) -> f64 {
    let at = usize::try_from(at).ok();
    f64::from(at.and_then(|at| samples.get(at)).copied().unwrap_or(0.0))
}

fn line(samples: &[f32], position: f64) -> f64 {
    let (left, share) = (position.floor() as isize, position.fract());
    let (a, b) = (sample(samples, left), sample(samples, left + 1));
    // Exactly on a sample, the next one (which may not exist) has no say.
    if share > 0.0 { a + share * (b - a) } else { a }
}

/// Σ x[n] · c · sinc(c (p − n)) under a Hann window; c lowers the cutoff when reading faster
/// than one sample at a time.
fn sinc(samples: &[f32], position: f64, step: f64) -> f64 {
    let cutoff = 1.0 / step.max(1.0);
    let reach = CROSSINGS / cutoff;
    let first = (position - reach).ceil() as isize;
    let last = (position + reach).floor() as isize;
    (first..=last)
        .map(|n| {
            let away = position - n as f64;
            let phase = PI * cutoff * away;
            let kernel = if phase == 0.0 {
                1.0
            } else {
                phase.sin() / phase
            };
            let window = 0.5 + 0.5 * (PI * away / reach).cos();
            sample(samples, n) * cutoff * kernel * window
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    fn tone(len: usize, period: f64) -> Vec<f32> {
        (0..len)
            .map(|i| (2.0 * PI * i as f64 / period).sin() as f32)
            .collect()
    }

    #[test]
    fn a_factor_of_one_changes_nothing_and_minus_one_reverses() {
        let x = tone(500, 17.3);
        let same = |a: &[f32], b: &[f32]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6)
        };
        for between in [Between::Sinc, Between::Linear] {
            let y = stretch(std::slice::from_ref(&x), 1.0, between, &Silent).unwrap();
            assert!(same(&y[0], &x));
            let mut back = stretch(std::slice::from_ref(&x), -1.0, between, &Silent).unwrap();
            back[0].reverse();
            assert!(same(&back[0], &x));
        }
    }

    #[test]
    fn a_stretched_tone_is_a_lower_tone() {
        let x = vec![tone(2000, 20.0)];
        let y = stretch(&x, 2.5, Between::Sinc, &Silent).unwrap();
        assert_eq!(y[0].len(), 5000);
        let step = 1999.0 / 4999.0;
        for (i, &value) in y[0].iter().enumerate().take(4900).skip(100) {
            let expected = (2.0 * PI * i as f64 * step / 20.0).sin();
            // Ripple of a Hann-windowed sinc with 16 crossings, well inside its band.
            assert!((f64::from(value) - expected).abs() < 1e-3, "{i}");
        }
    }

    #[test]
    fn what_no_longer_fits_is_dropped_not_folded() {
        // Period 3: at three times the speed it would fold to 0 Hz and beyond.
        let y = stretch(&[tone(6000, 2.7)], 1.0 / 3.0, Between::Sinc, &Silent).unwrap();
        let loudest = y[0][50..1900].iter().fold(0.0_f32, |m, x| m.max(x.abs()));
        assert!(loudest < 0.01, "{loudest}");
    }
}
