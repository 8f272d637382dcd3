//! The distance between two spectrograms at three resolutions: what the ear hears of an error
//! beyond its power. The same definition as the training loss of that name.
//!
//! Knows nothing of time-domain errors.

use crate::dsp::stft::{Bin, Stft, StftParams, Workspace};
use rayon::prelude::*;

/// FFT, hop and window lengths of the multi-resolution STFT (Yamamoto et al. 2020), in samples.
pub const RESOLUTIONS: [[usize; 3]; 3] = [[1024, 120, 600], [2048, 240, 1200], [512, 50, 240]];

/// Bins weaker than this power (an amplitude of 1e-4) count as equal: logarithms of rounding
/// noise would rule the mean.
const FLOOR: f64 = 1e-8;
/// Frames whose sums are made together; fixed, so that the figure does not depend on the number
/// of threads.
const FRAMES: usize = 256;

/// Sums of one resolution.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    /// Σ(|W| − |P|)².
    apart: f64,
    /// Σ|W|².
    wet: f64,
    /// Σ|ln|W| − ln|P||.
    logarithms: f64,
    /// Bins.
    bins: u64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.apart += other.apart;
        self.wet += other.wet;
        self.logarithms += other.logarithms;
        self.bins += other.bins;
    }

    fn add_frame(&mut self, wet: &[f64], predicted: &[Bin]) {
        for (w, p) in wet.iter().zip(predicted) {
            let p = p.norm_sqr().max(FLOOR);
            self.apart += (w.sqrt() - p.sqrt()).powi(2);
            self.wet += w;
            // Logarithms of powers are twice those of magnitudes.
            self.logarithms += 0.5 * (w.ln() - p.ln()).abs();
        }
        self.bins += wet.len() as u64;
    }
}

/// Accumulates over spans; a ratio is divided once, at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct SpectralSums {
    resolutions: [Sums; 3],
}

impl SpectralSums {
    /// Adds one continuous stretch. Its edges are mirrored, so it must not be cut into pieces.
    pub(super) fn add(&mut self, wet: &[f32], predicted: &[f32]) {
        let len = wet.len().min(predicted.len());
        if len == 0 {
            return;
        }
        for (sums, [n_fft, hop, window]) in self.resolutions.iter_mut().zip(RESOLUTIONS) {
            let params = StftParams::new(n_fft, window, hop);
            let stft = Stft::new(params.expect("RESOLUTIONS are within range"));
            let sides = [wet, predicted].map(|side| mirrored(&side[..len], n_fft / 2));
            let frames: Vec<usize> = (0..=len / hop).collect();
            let pieces: Vec<Sums> = frames
                .par_chunks(FRAMES)
                .map(|frames| piece(&stft, &sides, hop, frames))
                .collect();
            pieces.into_iter().for_each(|piece| sums.add(piece));
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.resolutions.iter_mut().zip(other.resolutions) {
            mine.add(theirs);
        }
    }

    /// Mean over the resolutions of `√(Σ(|W|−|P|)² / Σ|W|²)` (spectral convergence) plus the
    /// mean of `|ln|W| − ln|P||` (log magnitude). `None` without a sample.
    pub(super) fn distance(&self) -> Option<f64> {
        let of = |sums: &Sums| {
            (sums.apart / sums.wet).sqrt() + sums.logarithms / sums.bins.max(1) as f64
        };
        let heard = self.resolutions.iter().all(|sums| sums.bins > 0);
        heard.then(|| self.resolutions.iter().map(of).sum::<f64>() / RESOLUTIONS.len() as f64)
    }
}

/// The sums over some frames of both sides.
fn piece(stft: &Stft, [wet, predicted]: &[Vec<f32>; 2], hop: usize, frames: &[usize]) -> Sums {
    let mut work: Workspace = stft.workspace();
    let mut powers = vec![0.0; stft.params().bins()];
    let mut sums = Sums::default();
    for frame in frames {
        let start = (frame * hop) as isize;
        let bins = stft.spectrum(wet, start, &mut work);
        for (power, bin) in powers.iter_mut().zip(bins) {
            *power = bin.norm_sqr().max(FLOOR);
        }
        sums.add_frame(&powers, stft.spectrum(predicted, start, &mut work));
    }
    sums
}

/// `samples` with `pad` more on either side, mirrored at the first and last sample (which are
/// not repeated), to and fro where the stretch is shorter than the padding.
fn mirrored(samples: &[f32], pad: usize) -> Vec<f32> {
    let last = samples.len() - 1;
    let period = (2 * last).max(1);
    let at = |i: usize| {
        // Shifted by whole periods so that nothing is negative.
        let place = (i + period * pad.div_ceil(period) - pad) % period;
        samples[if place > last { period - place } else { place }]
    };
    (0..samples.len() + 2 * pad).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_mirrored_to_and_fro() {
        let one_to_three = [1.0, 2.0, 3.0];
        assert_eq!(
            mirrored(&one_to_three, 2),
            [3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0]
        );
        assert_eq!(
            mirrored(&one_to_three, 3),
            [2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0]
        );
        assert_eq!(mirrored(&[5.0], 2), [5.0; 5]);
        assert_eq!(mirrored(&[5.0, 6.0], 0), [5.0, 6.0]);
    }

    #[test]
    fn stretches_add_up_before_the_division() {
        let tone = |level: f32, len: usize| -> Vec<f32> {
            (0..len).map(|i| level * (i as f32 * 0.3).sin()).collect()
        };
        let mut silent_and_loud = SpectralSums::default();
        assert_eq!(silent_and_loud.distance(), None);
        silent_and_loud.add(&[0.0; 3000], &[0.0; 3000]);
        assert_eq!(silent_and_loud.distance(), Some(0.0));
        silent_and_loud.add(&tone(0.5, 3000), &tone(0.25, 3000));
        let mut loud = SpectralSums::default();
        loud.add(&tone(0.5, 3000), &tone(0.25, 3000));
        // Silence adds nothing to the convergence, and half of the bins to the mean logarithm.
        let (both, loud) = (silent_and_loud.distance(), loud.distance());
        assert!(
            both < loud && both > loud.map(|d| 0.5 * d),
            "{both:?} {loud:?}"
        );
    }
}
