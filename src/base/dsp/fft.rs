//! A planned real Fourier transform with its buffers, in double precision, or in single where
//! training wants its gradients by the million.
//!
//! A thin cover over `realfft`: the plan, the scratch space and the spectrum live together, so
//! that a loop over blocks allocates nothing. Knows nothing of windows, hops or what a spectrum
//! means.

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, FftNum, RealFftPlanner, RealToComplex};
use std::sync::Arc;

/// A complex number of a spectrum.
pub type Complex64 = Complex<f64>;

/// The same in single precision.
pub type Complex32 = Complex<f32>;

/// Forward and inverse transforms of one even length, planned once.
///
/// Convention: `X[k] = Σ x[n]·exp(−2πi·k·n/len)` for `k` in `0..=len/2`, unnormalised forward;
/// [`RealFft::inverse`] divides by `len`, so that inverse ∘ forward is the identity.
/// A clone shares the plan and has buffers of its own.
#[derive(Clone)]
pub struct RealFft<T = f64> {
    forward: Arc<dyn RealToComplex<T>>,
    inverse: Arc<dyn ComplexToReal<T>>,
    time: Vec<T>,
    scratch: Vec<Complex<T>>,
}

impl RealFft {
    /// Plans transforms of `len` samples.
    ///
    /// # Panics
    /// When `len` is odd or zero: every caller in this crate chooses its own length.
    pub fn new(len: usize) -> Self {
        Self::planned(len)
    }

    /// Transforms the samples `source` yields into `spectrum`; missing samples are zero,
    /// samples beyond the length are ignored.
    pub fn forward(&mut self, source: impl IntoIterator<Item = f64>, spectrum: &mut [Complex64]) {
        let mut source = source.into_iter();
        let fill = |time: &mut [f64]| time.fill_with(|| source.next().unwrap_or(0.0));
        self.transform(fill, spectrum);
    }

    /// Transforms `spectrum` back (destroying it) and lends the samples.
    pub fn inverse(&mut self, spectrum: &mut [Complex64]) -> &[f64] {
        self.add_up(spectrum);
        let scale = 1.0 / self.time.len() as f64;
        for sample in &mut self.time {
            *sample *= scale;
        }
        &self.time
    }
}

impl RealFft<f32> {
    /// As [`RealFft::new`], in single precision.
    ///
    /// # Panics
    /// When `len` is odd or zero.
    pub fn single_precision(len: usize) -> Self {
        Self::planned(len)
    }
}

impl<T: FftNum> RealFft<T> {
    fn planned(len: usize) -> Self {
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
            time: vec![T::zero(); len],
            scratch: vec![Complex::new(T::zero(), T::zero()); scratch],
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
    pub fn spectrum(&self) -> Vec<Complex<T>> {
        vec![Complex::new(T::zero(), T::zero()); self.len() / 2 + 1]
    }

    /// Transforms the samples that `fill` writes, all of them, into `spectrum`.
    pub fn transform(&mut self, fill: impl FnOnce(&mut [T]), spectrum: &mut [Complex<T>]) {
        fill(&mut self.time);
        let scratch = &mut self.scratch[..self.forward.get_scratch_len()];
        self.forward
            .process_with_scratch(&mut self.time, spectrum, scratch)
            .expect("the buffers were made for this plan");
    }

    /// `x[n] = Σ X[k]·exp(2πi·k·n/len)` over all bins, those above the middle the mirror image of
    /// those below: the inverse but for a factor of `len`. Destroys the spectrum.
    pub fn add_up(&mut self, spectrum: &mut [Complex<T>]) -> &[T] {
        let nyquist = spectrum.len() - 1;
        // Rounding may leave a trace of an imaginary part where a real signal has none.
        spectrum[0].im = T::zero();
        spectrum[nyquist].im = T::zero();
        let scratch = &mut self.scratch[..self.inverse.get_scratch_len()];
        self.inverse
            .process_with_scratch(spectrum, &mut self.time, scratch)
            .expect("the buffers were made for this plan");
        &self.time
    }
}

/// The least length of the forms 2ⁿ, 3·2ⁿ, 5·2ⁿ and 9·2ⁿ that is as long: quick to transform.
pub fn quick_length(least: usize) -> usize {
    let lengths = [2, 6, 10, 18].map(|first| {
        let times = least.div_ceil(first).next_power_of_two();
        first * times
    });
    lengths.into_iter().min().unwrap_or(least)
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
    fn quick_lengths_are_even_and_little_longer() {
        for least in 1..3000 {
            let len = quick_length(least);
            assert!(len.is_multiple_of(2) && len >= least, "{least}: {len}");
            assert!(3 * len <= 4 * least + 8, "{least}: {len}");
        }
        assert_eq!(quick_length(131_073), 147_456);
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

    #[test]
    fn single_precision_is_the_same_transform() {
        for len in [2, 64, 512] {
            let x: Vec<f32> = (0..len).map(|n| ((n * n) as f32 * 0.37).sin()).collect();
            let double: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
            let mut fft = RealFft::single_precision(len).clone();
            let mut spectrum = fft.spectrum();
            fft.transform(|time| time.copy_from_slice(&x), &mut spectrum);
            // Sums of at most 512 terms of size 1 in at most nine stages.
            for (fast, slow) in spectrum.iter().zip(slow_dft(&double)) {
                let fast = Complex64::new(f64::from(fast.re), f64::from(fast.im));
                assert!((fast - slow).norm() < 1e-4, "{len}: {fast} is not {slow}");
            }
            for (back, original) in fft.add_up(&mut spectrum).iter().zip(&x) {
                assert!((back / len as f32 - original).abs() < 1e-6);
            }
        }
    }
}
