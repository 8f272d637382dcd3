//! A planned real Fourier transform in double precision, with its buffers.
//!
//! A thin cover over `realfft`: the plan, the scratch space and the spectrum live together, so
//! that a loop over blocks allocates nothing. Knows nothing of windows, hops or what a spectrum
//! means.

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::sync::Arc;

/// A complex number of a spectrum.
pub type Complex64 = Complex<f64>;

/// Forward and inverse transforms of one even length, planned once.
///
/// Convention: `X[k] = Σ x[n]·exp(−2πi·k·n/len)` for `k` in `0..=len/2`, unnormalised forward;
/// [`RealFft::inverse`] divides by `len`, so that inverse ∘ forward is the identity.
pub struct RealFft {
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
    time: Vec<f64>,
    scratch: Vec<Complex64>,
}

impl RealFft {
    /// Plans transforms of `len` samples.
    ///
    /// # Panics
    /// When `len` is odd or zero: every caller in this crate chooses its own length.
    pub fn new(len: usize) -> Self {
        assert!(
            len > 0 && len.is_multiple_of(2),
            "FFT length {len} must be even"
        );
        let mut planner = RealFftPlanner::new();
        let forward = planner.plan_fft_forward(len);
        let inverse = planner.plan_fft_inverse(len);
        let scratch = forward.get_scratch_len().max(inverse.get_scratch_len());
        Self {
            forward,
            inverse,
            time: vec![0.0; len],
            scratch: vec![Complex64::default(); scratch],
        }
    }

    /// Samples per transform.
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// Never: a transform has at least two samples.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// A zeroed spectrum of `len/2 + 1` bins.
    pub fn spectrum(&self) -> Vec<Complex64> {
        vec![Complex64::default(); self.len() / 2 + 1]
    }

    /// Transforms the samples `source` yields into `spectrum`; missing samples are zero,
    /// samples beyond the length are ignored.
    pub fn forward(&mut self, source: impl IntoIterator<Item = f64>, spectrum: &mut [Complex64]) {
        let mut source = source.into_iter();
        for slot in &mut self.time {
            *slot = source.next().unwrap_or(0.0);
        }
        let scratch = &mut self.scratch[..self.forward.get_scratch_len()];
        self.forward
            .process_with_scratch(&mut self.time, spectrum, scratch)
            .expect("the buffers were made for this plan");
    }

    /// Transforms `spectrum` back (destroying it) and lends the samples.
    pub fn inverse(&mut self, spectrum: &mut [Complex64]) -> &[f64] {
        let nyquist = spectrum.len() - 1;
        // Rounding may leave a trace of an imaginary part where a real signal has none.
        spectrum[0].im = 0.0;
        spectrum[nyquist].im = 0.0;
        let scratch = &mut self.scratch[..self.inverse.get_scratch_len()];
        self.inverse
            .process_with_scratch(spectrum, &mut self.time, scratch)
            .expect("the buffers were made for this plan");
        let scale = 1.0 / self.time.len() as f64;
        for sample in &mut self.time {
            *sample *= scale;
        }
        &self.time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, term by term.
    fn slow_dft(x: &[f64]) -> Vec<Complex64> {
        let step = -std::f64::consts::TAU / x.len() as f64;
        (0..=x.len() / 2)
            .map(|k| {
                x.iter()
                    .enumerate()
                    .map(|(n, &v)| Complex64::from_polar(v, step * (k * n % x.len()) as f64))
                    .sum()
            })
            .collect()
    }

    #[test]
    fn forward_is_the_definition_and_inverse_undoes_it() {
        for len in [2, 6, 64, 100] {
            let x: Vec<f64> = (0..len).map(|n| ((n * n) as f64 * 0.37).sin()).collect();
            let mut fft = RealFft::new(len);
            let mut spectrum = fft.spectrum();
            fft.forward(x.iter().copied(), &mut spectrum);
            // len terms of size ≤ 1, each exact to 2^-52: far below 1e-12 for len ≤ 100.
            for (fast, slow) in spectrum.iter().zip(slow_dft(&x)) {
                assert!((fast - slow).norm() < 1e-12, "{len}: {fast} is not {slow}");
            }
            for (back, original) in fft.inverse(&mut spectrum).iter().zip(&x) {
                assert!((back - original).abs() < 1e-13);
            }
        }
    }
}
