//! Running a bank of FIR filters over a signal, piece by piece by FFT. Knows nothing of fitting.

use super::expansion::Expansion;
use super::segment::Segment;
use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::sync::Arc;

/// Filters and their transforms, planned once.
pub(crate) struct FilterBank {
    expansion: Expansion,
    taps: usize,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
    /// Spectrum of each filter.
    responses: Vec<Vec<Complex<f64>>>,
    /// First coefficient of each filter.
    gains: Vec<f64>,
}

impl FilterBank {
    /// One filter per signal of `expansion`, all of one length.
    pub(crate) fn new(expansion: Expansion, banks: &[Vec<f64>]) -> Self {
        let taps = banks.first().map_or(1, Vec::len);
        let size = (4 * taps).next_power_of_two().max(4096);
        let mut planner = RealFftPlanner::<f64>::new();
        let mut bank = Self {
            expansion,
            taps,
            forward: planner.plan_fft_forward(size),
            inverse: planner.plan_fft_inverse(size),
            responses: Vec::new(),
            gains: banks.iter().filter_map(|h| h.first().copied()).collect(),
        };
        bank.responses = banks.iter().map(|h| bank.transform(h)).collect();
        bank
    }

    /// Samples predicted by one transform.
    pub(crate) fn hop(&self) -> usize {
        self.inverse.len() - (self.taps - 1)
    }

    /// How many dry samples before the present one matter.
    pub(crate) fn context(&self) -> usize {
        self.taps - 1 + self.expansion.reach()
    }

    fn transform(&self, signal: &[f64]) -> Vec<Complex<f64>> {
        let mut padded = signal.to_vec();
        padded.resize(self.forward.len(), 0.0);
        let mut spectrum = self.forward.make_output_vec();
        self.forward
            .process(&mut padded, &mut spectrum)
            .expect("buffers come from the same plan");
        spectrum
    }

    /// `Σ_f (h_f ∗ x_f)[t]` for every dry sample of `segment` (overlap–save: each transform's
    /// first `taps − 1` results have wrapped around and are dropped).
    pub(crate) fn apply(&self, segment: &Segment<'_>) -> Vec<f32> {
        let mut predicted = Vec::with_capacity(segment.dry.len());
        for start in (0..segment.dry.len()).step_by(self.hop()) {
            let end = (start + self.hop()).min(segment.dry.len());
            self.apply_piece(segment, start, end, &mut predicted);
        }
        predicted
    }

    /// Appends the results at `start..end`, at most [`FilterBank::hop`] of them.
    fn apply_piece(&self, segment: &Segment<'_>, start: usize, end: usize, out: &mut Vec<f32>) {
        let size = self.inverse.len();
        let first = start as isize - (self.taps as isize - 1);
        let signals = segment.derived(&self.expansion, first, end as isize);
        if self.taps == 1 {
            // A gain per signal: exact, and silence stays silent.
            let at = |i: usize| {
                signals
                    .iter()
                    .zip(&self.gains)
                    .map(|(x, h)| x[i] * h)
                    .sum::<f64>()
            };
            out.extend((0..end - start).map(|i| at(i) as f32));
            return;
        }
        let mut sum = vec![Complex::default(); size / 2 + 1];
        for (signal, response) in signals.iter().zip(&self.responses) {
            let spectrum = self.transform(signal);
            for ((s, x), h) in sum.iter_mut().zip(spectrum).zip(response) {
                *s += x * h;
            }
        }
        // Exactly real in exact arithmetic; the inverse transform insists on it.
        sum[0].im = 0.0;
        sum[size / 2].im = 0.0;
        let mut piece = self.inverse.make_output_vec();
        self.inverse
            .process(&mut sum, &mut piece)
            .expect("buffers come from the same plan");
        let valid = &piece[self.taps - 1..][..end - start];
        out.extend(valid.iter().map(|y| (y / size as f64) as f32));
    }
}
