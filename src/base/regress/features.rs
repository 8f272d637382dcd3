//! The features of predictive convolution: a signal, its sine, and their spectra's magnitudes
//! and phases, all as columns over one index that is time for some and frequency for others.
//! That mixture is the notebook's idea, kept as it is.
//!
//! Only samples and half spectra are stored; columns are made piece by piece. Knows nothing of
//! estimators.

use super::moments::{Moments, PIECE};
use super::rows::Rows;
use super::{RegressError, spectrum};
use rayon::prelude::*;
use realfft::num_complex::Complex;
use std::ops::Range;

/// The signal itself.
pub const RAW: usize = 0;
/// Magnitude of its Fourier transform.
pub const RAW_MAGNITUDE: usize = 1;
/// Phase of its Fourier transform.
pub const RAW_PHASE: usize = 2;
/// Magnitude of the sine's Fourier transform.
pub const SINE_MAGNITUDE: usize = 3;
/// Phase of the sine's Fourier transform.
pub const SINE_PHASE: usize = 4;
/// Sine of the signal, in radians of 16-bit steps.
pub const SINE: usize = 5;
/// Real part of the signal's Fourier transform: the first target.
pub const REAL: usize = 6;
/// Imaginary part of the signal's Fourier transform: the second target.
pub const IMAGINARY: usize = 7;
/// Columns, targets included.
pub const COLUMNS: usize = 8;

/// Names of the columns, in order.
pub const NAMES: [&str; COLUMNS] = [
    "raw",
    "raw_magnitude",
    "raw_phase",
    "sine_magnitude",
    "sine_phase",
    "sine",
    "real",
    "imaginary",
];

/// Samples are taken in 16-bit steps whatever the file's format, so that the sine (of radians!)
/// and the coefficients mean the same for all.
pub const STEPS: f32 = 32_768.0;

/// Pieces per parallel task; fixed, so that rounding does not depend on the cores.
const GROUP: usize = 32 * PIECE;

/// A signal with what its features are made from.
#[derive(Clone, Debug)]
pub struct Features {
    raw: Vec<f32>,
    sine: Vec<f32>,
    raw_spectrum: Vec<Complex<f64>>,
    sine_spectrum: Vec<Complex<f64>>,
}

impl Features {
    /// Features of samples in ±1. Any length works, prime lengths included.
    ///
    /// # Errors
    /// [`RegressError`] for empty, silent or non-finite input; `what` names it.
    pub fn new(what: &str, samples: &[f32]) -> Result<Self, RegressError> {
        if samples.is_empty() {
            return Err(RegressError::TooFewSamples {
                estimator: what.to_string(),
                samples: 0,
                needed: 1,
                hint: "use a longer recording",
            });
        }
        if let Some(index) = samples.iter().position(|x| !x.is_finite()) {
            return Err(RegressError::NotFinite {
                what: what.to_string(),
                value: f64::from(samples[index]),
                index,
            });
        }
        if samples.iter().all(|&x| x == 0.0) {
            return Err(RegressError::Silent {
                what: what.to_string(),
            });
        }
        let raw: Vec<f32> = samples.iter().map(|x| x * STEPS).collect();
        // In single precision, as NumPy's sine of 16-bit integers is.
        let sine: Vec<f32> = raw.par_iter().map(|&x| f64::from(x).sin() as f32).collect();
        let (raw_spectrum, sine_spectrum) =
            rayon::join(|| spectrum::forward(&raw), || spectrum::forward(&sine));
        Ok(Self {
            raw,
            sine,
            raw_spectrum,
            sine_spectrum,
        })
    }

    /// Number of rows: samples of the signal, bins of its transform.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Never: [`Features::new`] refuses empty signals.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The named columns at some rows.
    pub fn columns(&self, rows: Range<usize>, names: &[usize]) -> Vec<Vec<f64>> {
        names
            .iter()
            .map(|&name| rows.clone().map(|k| self.value(name, k)).collect())
            .collect()
    }

    /// One value of one column; columns beyond [`IMAGINARY`] do not exist and read as zero.
    fn value(&self, column: usize, k: usize) -> f64 {
        match column {
            RAW => f64::from(self.raw[k]),
            SINE => f64::from(self.sine[k]),
            RAW_MAGNITUDE => self.bin(&self.raw_spectrum, k).norm(),
            RAW_PHASE => self.bin(&self.raw_spectrum, k).arg(),
            SINE_MAGNITUDE => self.bin(&self.sine_spectrum, k).norm(),
            SINE_PHASE => self.bin(&self.sine_spectrum, k).arg(),
            REAL => self.bin(&self.raw_spectrum, k).re,
            IMAGINARY => self.bin(&self.raw_spectrum, k).im,
            _ => 0.0,
        }
    }

    /// Bin `k` of the whole transform. DC and Nyquist have imaginary part −0, as FFTPACK leaves
    /// it: their phase is then −π where the real part is negative, which moves results by up to
    /// 3 %.
    fn bin(&self, half: &[Complex<f64>], k: usize) -> Complex<f64> {
        let n = self.len();
        if k == 0 || 2 * k == n {
            return Complex::new(half[k].re, -0.0);
        }
        if 2 * k < n {
            half[k]
        } else {
            half[n - k].conj()
        }
    }

    /// Moments of the named columns over some rows.
    pub fn moments(&self, rows: Range<usize>, names: &[usize]) -> Moments {
        let starts: Vec<usize> = rows.clone().step_by(GROUP).collect();
        let parts: Vec<Moments> = starts
            .par_iter()
            .map(|&start| {
                let group = start..(start + GROUP).min(rows.end);
                let mut moments = Moments::new(names.len());
                for from in group.clone().step_by(PIECE) {
                    let to = (from + PIECE).min(group.end);
                    moments.push(&mut self.columns(from..to, names));
                }
                moments
            })
            .collect();
        let mut moments = Moments::new(names.len());
        parts.iter().for_each(|part| moments.merge(part));
        moments
    }

    /// The named columns as rows in memory.
    pub fn rows(&self, names: &[usize]) -> Rows {
        let mut rows = Rows::with_capacity(names.len(), self.len());
        for start in (0..self.len()).step_by(PIECE) {
            rows.extend(&self.columns(start..(start + PIECE).min(self.len()), names));
        }
        rows
    }
}
