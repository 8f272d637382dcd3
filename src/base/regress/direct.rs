//! What people expect of the word convolution: two sounds convolved by FFT, and one sound's
//! phases with the other's magnitudes (spectral cross-synthesis). Nothing is fitted. Knows
//! nothing of files or sample rates.

use super::RegressError;
use crate::dsp::fft::RealFft;
use crate::dsp::stft::{Bin, Stft, StftParams};
use crate::progress::{Observer, Task};

/// Frames of cross-synthesis and of the spectral gate: 46 ms at 44.1 kHz, four overlapping.
pub(crate) const FRAME: usize = 2048;
pub(crate) const HOP: usize = 512;

/// The linear convolution `Σ_k a[k]·b[t−k]`, `a.len() + b.len() − 1` samples (none if either is
/// empty). Memory grows with the shorter sound only, but for the result.
///
/// # Errors
/// [`RegressError::Interrupted`].
pub fn convolve(a: &[f32], b: &[f32], observer: &dyn Observer) -> Result<Vec<f64>, RegressError> {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    if short.is_empty() {
        return Ok(Vec::new());
    }
    let mut fft = RealFft::new((2 * short.len()).next_power_of_two().max(FRAME));
    let hop = fft.len() + 1 - short.len();
    let (mut response, mut spectrum) = (fft.spectrum(), fft.spectrum());
    fft.forward(short.iter().map(|&x| f64::from(x)), &mut response);
    let mut sum = vec![0.0; short.len() + long.len() - 1];
    let name = "convolving";
    let pieces = long.len().div_ceil(hop) as u64;
    let task = Task::begin(observer, name, Some(pieces));
    for (piece, samples) in long.chunks(hop).enumerate() {
        task.go_on().map_err(RegressError::interrupted(name))?;
        fft.forward(samples.iter().map(|&x| f64::from(x)), &mut spectrum);
        spectrum
            .iter_mut()
            .zip(&response)
            .for_each(|(s, r)| *s *= r);
        let target = sum[piece * hop..].iter_mut();
        target
            .zip(fft.inverse(&mut spectrum))
            .for_each(|(s, x)| *s += x);
        task.advance(1);
    }
    Ok(sum)
}

/// `b` with its short-time magnitudes replaced by `a`'s, as long as the shorter of the two.
///
/// # Errors
/// [`RegressError::Interrupted`].
pub fn cross_synthesise(
    a: &[f32],
    b: &[f32],
    observer: &dyn Observer,
) -> Result<Vec<f64>, RegressError> {
    let len = a.len().min(b.len());
    let stft = Stft::new(StftParams::new(FRAME, FRAME, HOP)?);
    let (mut work_a, mut work_b) = (stft.workspace(), stft.workspace());
    let mut sound = stft.overlap_add()?;
    let frames = stft.params().frames(len);
    let name = "cross-synthesis";
    let task = Task::begin(observer, name, Some(frames as u64));
    for t in 0..frames {
        task.go_on().map_err(RegressError::interrupted(name))?;
        let start = stft.params().frame_start(t);
        let magnitudes = stft.spectrum(&a[..len], start, &mut work_a);
        let mixed: Vec<Bin> = stft
            .spectrum(&b[..len], start, &mut work_b)
            .iter()
            .zip(magnitudes)
            .map(|(phase, magnitude)| Bin::from_polar(magnitude.norm(), phase.arg()))
            .collect();
        sound.add(stft.invert(&mixed, &mut work_b));
        task.advance(1);
    }
    Ok(sound.finish(len).into_iter().map(f64::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    fn wave(len: usize, step: f64) -> Vec<f32> {
        (0..len)
            .map(|t| ((t * t) as f64 * step).sin() as f32)
            .collect()
    }

    #[test]
    fn convolution_is_the_sum_it_claims_to_be() {
        for (n, m) in [(1, 1), (5, 3), (2000, 37), (37, 5003), (1500, 1500)] {
            let (a, b) = (wave(n, 0.01), wave(m, 0.003));
            let found = convolve(&a, &b, &Silent).unwrap();
            assert_eq!(found.len(), n + m - 1);
            for t in (0..found.len()).step_by(1 + found.len() / 50) {
                let terms = (0..n).filter(|k| *k <= t && t - k < m);
                let want: f64 = terms.map(|k| f64::from(a[k]) * f64::from(b[t - k])).sum();
                // Up to 1500 terms of size 1 by a transform exact to 1e-15.
                assert!((found[t] - want).abs() < 1e-10, "{n} {m} at {t}");
            }
        }
        assert!(convolve(&[], &[1.0], &Silent).unwrap().is_empty());
    }

    #[test]
    fn cross_synthesis_with_itself_is_identity_and_takes_loudness_from_the_first() {
        let b = wave(5000, 0.0003);
        let same = cross_synthesise(&b, &b, &Silent).unwrap();
        for (s, b) in same.iter().zip(&b) {
            assert!((s - f64::from(*b)).abs() < 1e-6);
        }
        let quiet: Vec<f32> = b.iter().map(|x| x * 0.25).collect();
        let result = cross_synthesise(&quiet, &b[..4000], &Silent).unwrap();
        assert_eq!(result.len(), 4000);
        for (r, b) in result.iter().zip(&b[..3000]) {
            assert!((r - 0.25 * f64::from(*b)).abs() < 2e-3, "{r} {b}");
        }
    }
}
