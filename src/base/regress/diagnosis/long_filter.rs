//! One causal filter of a second or more, too long for a Gram matrix: what echoes and rooms need.
//!
//! Least squares over chosen samples and chosen taps, `min Σ_t m[t]·(wet[t] − (h ∗ dry)[t])² + λ·|h|²`, by
//! conjugate gradients on the normal equations. Every product with the matrix is two convolutions
//! by FFT; the circulant with the dry sound's power spectrum is the preconditioner (T. Chan 1988),
//! after which some tens of steps do. Knows nothing of blocks or of what the filter is for.

use crate::dsp::fft::{Complex64, RealFft, quick_length};
use crate::regress::conjugate::{Products, descend};

/// Penalties, `λ` relative to the mean of the dry sound's power spectrum, and steps with each.
/// Sharp notes of few harmonics leave most bands empty: a small penalty alone spends the steps on
/// what little sound there is in them, and a large one alone falls short of the taps.
const COURSE: [(f64, usize); 2] = [(0.1, 12), (0.01, 8)];

/// Residual energy, relative to that at the start, at which the iteration ends.
const CLOSE: f64 = 1e-10;

/// The dry sound's spectrum, with buffers for products by it.
struct Matrix<'a> {
    fft: RealFft,
    dry: Vec<Complex64>,
    work: Vec<Complex64>,
    chosen: &'a [bool],
    /// Taps that may differ from 0.
    support: &'a [bool],
    /// Power spectrum of the chosen samples' share.
    power: Vec<f64>,
    /// `λ`.
    ridge: f64,
}

impl<'a> Matrix<'a> {
    fn new(dry: &[f32], chosen: &'a [bool], support: &'a [bool]) -> Self {
        let len = quick_length(dry.len() + support.len());
        let mut fft = RealFft::new(len);
        let mut spectrum = fft.spectrum();
        fft.forward(dry.iter().map(|&x| f64::from(x)), &mut spectrum);
        let share = chosen.iter().filter(|c| **c).count() as f64 / chosen.len().max(1) as f64;
        let power: Vec<f64> = spectrum.iter().map(|x| share * x.norm_sqr()).collect();
        Self {
            work: fft.spectrum(),
            power,
            fft,
            dry: spectrum,
            chosen,
            support,
            ridge: 0.0,
        }
    }

    /// Sets the penalty, relative to the mean power.
    fn penalise(&mut self, relative: f64) {
        self.ridge = relative * self.power.iter().sum::<f64>() / self.power.len() as f64;
    }

    /// `(h ∗ dry)[t]` for every `t` of the recording.
    fn filter(&mut self, h: &[f64]) -> Vec<f64> {
        self.fft.forward(h.iter().copied(), &mut self.work);
        for (w, x) in self.work.iter_mut().zip(&self.dry) {
            *w *= x;
        }
        self.fft.inverse(&mut self.work)[..self.chosen.len()].to_vec()
    }

    /// `Σ_t m[t]·y[t]·dry[t − i]` for every tap `i`.
    fn correlate(&mut self, y: &[f64]) -> Vec<f64> {
        let chosen = y.iter().zip(self.chosen);
        let chosen = chosen.map(|(y, c)| if *c { *y } else { 0.0 });
        self.fft.forward(chosen, &mut self.work);
        for (w, x) in self.work.iter_mut().zip(&self.dry) {
            *w *= x.conj();
        }
        self.supported()
    }

    /// The taps that may differ from 0, out of the spectrum at hand.
    fn supported(&mut self) -> Vec<f64> {
        let all = self.fft.inverse(&mut self.work).iter().zip(self.support);
        all.map(|(v, s)| if *s { *v } else { 0.0 }).collect()
    }
}

impl Products for Matrix<'_> {
    fn product(&mut self, h: &[f64]) -> Vec<f64> {
        let predicted = self.filter(h);
        let mut product = self.correlate(&predicted);
        for (p, h) in product.iter_mut().zip(h) {
            *p += self.ridge * h;
        }
        product
    }

    fn precondition(&mut self, r: &[f64]) -> Vec<f64> {
        self.fft.forward(r.iter().copied(), &mut self.work);
        for (w, p) in self.work.iter_mut().zip(&self.power) {
            *w /= (p + self.ridge).max(f64::MIN_POSITIVE);
        }
        self.supported()
    }
}

/// A fitted filter and what it predicts.
pub(super) struct LongFilter {
    /// Impulse response, causal.
    pub(super) taps: Vec<f64>,
    /// For every sample of the recording.
    pub(super) predicted: Vec<f32>,
}

/// Fits the coefficients of the `support` to the `chosen` samples of a pair of equal lengths;
/// before the first sample there is silence. `None` when `go_on` says to stop.
pub(super) fn fit(
    dry: &[f32],
    wet: &[f32],
    chosen: &[bool],
    support: &[bool],
    go_on: impl Fn() -> bool,
) -> Option<LongFilter> {
    let mut matrix = Matrix::new(dry, chosen, support);
    let wet: Vec<f64> = wet.iter().map(|&x| f64::from(x)).collect();
    let target = matrix.correlate(&wet);
    let mut h = vec![0.0; support.len()];
    for (penalty, steps) in COURSE {
        matrix.penalise(penalty);
        descend(&mut matrix, &target, &mut h, (steps, CLOSE), &go_on)?;
    }
    let predicted = matrix.filter(&h).iter().map(|&p| p as f32).collect();
    Some(LongFilter { taps: h, predicted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    /// Coloured noise through a known filter with an echo: found from half of the samples.
    #[test]
    fn a_known_filter_is_found_from_every_other_block() {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let mut state = 0.0_f32;
        let dry: Vec<f32> = (0..20_000)
            .map(|_| {
                state = 0.9 * state + random.random_range(-0.1_f32..0.1);
                state
            })
            .collect();
        let truth = [(0, 0.7), (3, -0.4), (900, 0.5)];
        let wet: Vec<f32> = (0..dry.len())
            .map(|n| {
                let tap = |&(delay, gain): &(usize, f32)| {
                    n.checked_sub(delay).map_or(0.0, |k| gain * dry[k])
                };
                truth.iter().map(tap).sum()
            })
            .collect();
        let chosen: Vec<bool> = (0..dry.len()).map(|n| n / 1000 % 2 == 0).collect();
        let found = fit(&dry, &wet, &chosen, &[true; 1200], || true).unwrap();
        let error: f64 = (0..1200)
            .map(|n| {
                let wanted = truth.iter().find(|t| t.0 == n).map_or(0.0, |t| t.1);
                (found.taps[n] - f64::from(wanted)).powi(2)
            })
            .sum();
        // The filter's own energy is 0.9; the last steps not taken leave a trace in the bands with
        // little sound. The smallest tap misplaced by one sample would make 0.32.
        assert!(error < 1e-2, "{error}");
        let sparse: Vec<bool> = (0..1200).map(|n| n < 10 || n == 900).collect();
        let found = fit(&dry, &wet, &chosen, &sparse, || true).unwrap();
        // The last penalty is a hundredth of the mean power.
        assert!((found.taps[900] - 0.5).abs() < 1e-2 && found.taps[700] == 0.0);
        assert!(fit(&dry, &wet, &chosen, &sparse, || false).is_none());
    }
}
