//! Predictive convolution: learn a sound's spectrum from its features, then predict the spectrum
//! of another sound from that one's features and listen to it.
//!
//! It is hardly a convolution: everything audible comes from the second sound, the first enters
//! through a dozen numbers (measured). Knows nothing of files.

use super::estimator::{Data, Estimator, Fit, Settings};
use super::features::{
    Features, IMAGINARY, RAW, RAW_MAGNITUDE, RAW_PHASE, REAL, SINE, SINE_MAGNITUDE, SINE_PHASE,
};
use super::lasso_lars::{LassoLarsCv, fold_sizes};
use super::moments::{Linear, Moments, PIECE};
use super::{RegressError, spectrum};
use crate::number;
use crate::progress::{Observer, Task};
use rayon::prelude::*;
use realfft::num_complex::Complex;
use serde::Serialize;

/// What is predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The real and the imaginary spectrum, then back to a wave.
    #[default]
    Spectrum,
    /// The wave itself from the other features: the notebook's first attempt, which its author
    /// gave up.
    Waveform,
}

impl Mode {
    /// Columns that serve as features, in the notebook's order.
    pub fn features(self) -> &'static [usize] {
        match self {
            Self::Spectrum => &[
                RAW,
                RAW_MAGNITUDE,
                RAW_PHASE,
                SINE_MAGNITUDE,
                SINE_PHASE,
                SINE,
            ],
            Self::Waveform => &[RAW_PHASE, RAW_MAGNITUDE, SINE_PHASE, SINE_MAGNITUDE, SINE],
        }
    }

    /// Columns to predict.
    pub fn targets(self) -> &'static [usize] {
        match self {
            Self::Spectrum => &[REAL, IMAGINARY],
            Self::Waveform => &[RAW],
        }
    }

    fn columns(self) -> Vec<usize> {
        [self.features(), self.targets()].concat()
    }
}

/// One target's model, with how well it predicts where it was fitted and where it is used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetFit {
    /// Name of the target's column.
    pub target: &'static str,
    /// The model.
    #[serde(flatten)]
    pub fit: Fit,
    /// Coefficient of determination on the sound it was fitted to.
    #[serde(with = "number")]
    pub r2_fitted: f64,
    /// Coefficient of determination on the sound it predicts.
    #[serde(with = "number")]
    pub r2_predicted: f64,
    /// The same for predicting zero: the row to beat.
    #[serde(with = "number")]
    pub r2_predicted_by_zero: f64,
    /// The same for predicting the fitted sound's mean.
    #[serde(with = "number")]
    pub r2_predicted_by_mean: f64,
}

/// A predicted sound and the models that made it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The wave in 16-bit steps, not yet scaled.
    pub wave: Vec<f64>,
    /// One model per target.
    pub targets: Vec<TargetFit>,
}

/// Fits on `a`, predicts from `b`'s features.
///
/// # Errors
/// What the estimator refuses; see [`Data::fit`].
pub fn predict(
    a: &Features,
    b: &Features,
    mode: Mode,
    estimator: Estimator,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Prediction, RegressError> {
    let data = gather(a, mode, estimator);
    let fitted_on = data.moments();
    let used_on = b.moments(0..b.len(), &mode.columns());
    let mut targets = Vec::new();
    // Then they are put together.
    let stages = mode.targets().len() as u64 + 1;
    let task = Task::begin(observer, "fitting", Some(stages));
    for (k, &column) in mode.targets().iter().enumerate() {
        let fit = data.fit(estimator, settings, k, observer)?;
        let place = mode.features().len() + k;
        let constant = |intercept| Linear {
            coef: vec![0.0; mode.features().len()],
            intercept,
        };
        targets.push(TargetFit {
            target: super::features::NAMES[column],
            r2_fitted: fitted_on.r2(place, &fit.model),
            r2_predicted: used_on.r2(place, &fit.model),
            r2_predicted_by_zero: used_on.r2(place, &constant(0.0)),
            r2_predicted_by_mean: used_on.r2(place, &constant(fitted_on.mean()[place])),
            fit,
        });
        task.advance(1);
    }
    drop(data);
    let wave = match targets.as_slice() {
        [real, imaginary] => from_spectrum(b, &real.fit.model, &imaginary.fit.model),
        [wave] => directly(b, &wave.fit.model),
        _ => Vec::new(),
    };
    Ok(Prediction { wave, targets })
}

/// Moments in the folds of cross-validation, and rows where the estimator needs them.
fn gather(a: &Features, mode: Mode, estimator: Estimator) -> Data {
    let mut start = 0;
    let folds: Vec<Moments> = fold_sizes(a.len(), LassoLarsCv::FOLDS)
        .into_iter()
        .map(|size| {
            start += size;
            a.moments(start - size..start, &mode.columns())
        })
        .collect();
    let keep = estimator.needs_rows();
    Data {
        features: mode.features().len(),
        folds,
        rows: keep.then(|| a.rows(mode.features())),
        targets: if keep {
            a.columns(0..a.len(), mode.targets())
        } else {
            Vec::new()
        },
    }
}

/// `Re ifft(p_real + i·p_imaginary)`, both parts predicted from `b`'s features. Only the
/// Hermitian half of the predicted spectrum is heard, so only that is transformed.
pub fn from_spectrum(b: &Features, real: &Linear, imaginary: &Linear) -> Vec<f64> {
    let n = b.len();
    let mut half = vec![Complex::default(); n / 2 + 1];
    half.par_chunks_mut(PIECE)
        .enumerate()
        .for_each(|(piece, half)| {
            let first = piece * PIECE;
            let low = rows_at(b, first..first + half.len());
            // Bins n−k belong to bins k; 0 is its own partner.
            let partners = (n - (first + half.len() - 1)).min(n - 1)..n - first.max(1) + 1;
            let high = rows_at(b, partners.clone());
            for (offset, bin) in half.iter_mut().enumerate() {
                let k = first + offset;
                let x = &low[offset];
                let y = if k == 0 {
                    x
                } else {
                    &high[n - k - partners.start]
                };
                *bin = Complex::new(
                    (real.predict(x) + real.predict(y)) / 2.0,
                    (imaginary.predict(x) - imaginary.predict(y)) / 2.0,
                );
            }
        });
    spectrum::inverse(half, n)
}

fn rows_at(b: &Features, rows: std::ops::Range<usize>) -> Vec<[f64; 6]> {
    let columns = b.columns(rows.clone(), Mode::Spectrum.features());
    (0..rows.len())
        .map(|i| std::array::from_fn(|c| columns[c][i]))
        .collect()
}

fn directly(b: &Features, model: &Linear) -> Vec<f64> {
    let names = Mode::Waveform.features();
    (0..b.len())
        .step_by(PIECE)
        .flat_map(|start| {
            let columns = b.columns(start..(start + PIECE).min(b.len()), names);
            let rows = columns.first().map_or(0, Vec::len);
            (0..rows)
                .map(|i| {
                    let row: Vec<f64> = columns.iter().map(|c| c[i]).collect();
                    model.predict(&row)
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The notebook's finish: scaled to `peak`, then led in from zero and out to zero along straight
/// lines, each `⌊n/20⌋ + 1` samples, ends included. A silent wave stays silent.
pub fn finish(wave: &[f64], peak: f64) -> Vec<f64> {
    let largest = wave.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    let scale = if largest > 0.0 { peak / largest } else { 0.0 };
    let steps = wave.len() / 20;
    let ramp = |end: f64| (0..=steps).map(move |k| end * k as f64 / steps.max(1) as f64);
    let (Some(first), Some(last)) = (wave.first(), wave.last()) else {
        return Vec::new();
    };
    ramp(first * scale)
        .chain(wave.iter().map(|x| x * scale))
        .chain(ramp(last * scale).rev())
        .collect()
}
