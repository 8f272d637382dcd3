//! The figures a prediction is judged by, one definition each, on plain slices.
//!
//! Sums run in `f64` over a whole span and are divided once, so a figure does not depend on
//! how the span was cut. Knows nothing of tensors or of who predicted.

use serde::{Deserialize, Serialize};

/// Figures of a prediction `p` against the wet recording `w` over `n` samples, `e = w − p`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Samples compared.
    pub samples: u64,
    /// Mean squared error, Σe²/n.
    pub mse: f64,
    /// √MSE.
    pub rmse: f64,
    /// Standard deviation of the error, √(Σe²/n − (Σe/n)²): RMSE without a constant offset.
    pub std: f64,
    /// Standard deviation of the wet recording: the STD of predicting its mean.
    pub reference_std: f64,
    /// Error-to-signal ratio Σe²/Σw². Trap: averaged over windows it would let silent
    /// windows rule; it is accumulated and divided once.
    pub esr: f64,
    /// ESR after the best single gain on the prediction, 1 − (Σwp)²/(Σw²·Σp²): tells a wrong
    /// level (a compressor's) from a wrong shape. 1 for a silent prediction.
    pub gain_fitted_esr: f64,
    /// Mean absolute error, Σ|e|/n.
    pub mae: f64,
    /// Constant offset against power, (Σe/n)²/(Σw²/n).
    pub dc: f64,
    /// Coefficient of determination, 1 − Σe²/Σ(w − mean w)².
    pub r2: f64,
}

/// Sums from which [`Metrics`] are made; spans may be added piece by piece.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ErrorSums {
    samples: u64,
    error: f64,
    error_squared: f64,
    error_absolute: f64,
    wet: f64,
    wet_squared: f64,
    predicted_squared: f64,
    product: f64,
}

impl ErrorSums {
    /// Adds a piece; both slices run over the same samples, surplus of the longer is ignored.
    pub fn add(&mut self, wet: &[f32], predicted: &[f32]) {
        for (&w, &p) in wet.iter().zip(predicted) {
            let (w, p) = (f64::from(w), f64::from(p));
            let e = w - p;
            self.samples += 1;
            self.error += e;
            self.error_squared += e * e;
            self.error_absolute += e.abs();
            self.wet += w;
            self.wet_squared += w * w;
            self.predicted_squared += p * p;
            self.product += w * p;
        }
    }

    /// Whether the prediction, turned over, would be nearer: Σwp < 0, and not by chance, but
    /// with a correlation of at least a third.
    pub fn is_inverted(&self) -> bool {
        let powers = self.wet_squared * self.predicted_squared;
        self.product < 0.0 && self.product * self.product > powers / 9.0
    }

    /// Divides once. Ratios over a silent wet recording are infinite (or 0 for a perfect
    /// prediction of it); without a single sample everything is 0.
    pub fn metrics(&self) -> Metrics {
        let n = self.samples.max(1) as f64;
        let mse = self.error_squared / n;
        let mean = self.error / n;
        let wet_variance = (self.wet_squared / n - (self.wet / n).powi(2)).max(0.0);
        let fit = self.product * self.product;
        let gain_fitted_esr = if self.predicted_squared > 0.0 && self.wet_squared > 0.0 {
            (1.0 - fit / self.wet_squared / self.predicted_squared).max(0.0)
        } else {
            ratio(self.wet_squared, self.wet_squared)
        };
        Metrics {
            samples: self.samples,
            mse,
            rmse: mse.sqrt(),
            std: (mse - mean * mean).max(0.0).sqrt(),
            reference_std: wet_variance.sqrt(),
            esr: ratio(self.error_squared, self.wet_squared),
            gain_fitted_esr,
            mae: self.error_absolute / n,
            dc: ratio(mean * mean, self.wet_squared / n),
            r2: 1.0 - ratio(mse, wet_variance),
        }
    }
}

fn ratio(numerator: f64, denominator: f64) -> f64 {
    if numerator == 0.0 {
        0.0
    } else {
        numerator / denominator
    }
}

/// Figures of one prediction.
pub fn metrics(wet: &[f32], predicted: &[f32]) -> Metrics {
    let mut sums = ErrorSums::default();
    sums.add(wet, predicted);
    sums.metrics()
}

/// A named row of a result table, the same shape in `train`, `evaluate`, `baseline` and
/// `compare`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `conv`, `identity`, `fir-128`, …
    pub name: String,
    /// Its figures.
    #[serde(flatten)]
    pub metrics: Metrics,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_by_hand() {
        // e = [1, 0, -1, 2], w = [2, 0, 1, 1], p = [1, 0, 2, -1]
        let m = metrics(&[2.0, 0.0, 1.0, 1.0], &[1.0, 0.0, 2.0, -1.0]);
        assert_eq!(m.samples, 4);
        assert_eq!(m.mse, 1.5);
        assert_eq!(m.rmse, 1.5f64.sqrt());
        assert_eq!(m.std, (1.5f64 - 0.25).sqrt());
        assert_eq!(m.reference_std, (1.5f64 - 1.0).sqrt());
        assert_eq!(m.esr, 1.0);
        assert_eq!(m.mae, 1.0);
        assert_eq!(m.dc, 0.25 / 1.5);
        assert_eq!(m.r2, 1.0 - 1.5 / 0.5);
        // Σwp = 3, Σw² = 6, Σp² = 6
        assert_eq!(m.gain_fitted_esr, 1.0 - 9.0 / 36.0);
    }

    #[test]
    fn pieces_give_the_same_figures_as_the_whole() {
        let wet: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.37).sin()).collect();
        let predicted: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.36).sin() * 0.9).collect();
        let mut sums = ErrorSums::default();
        for (w, p) in wet.chunks(77).zip(predicted.chunks(77)) {
            sums.add(w, p);
        }
        assert_eq!(sums.metrics(), metrics(&wet, &predicted));
    }

    #[test]
    fn a_wrong_level_alone_is_no_gain_fitted_error() {
        let wet: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.37).sin()).collect();
        let quiet: Vec<f32> = wet.iter().map(|w| w * 0.5).collect();
        let m = metrics(&wet, &quiet);
        assert!((m.esr - 0.25).abs() < 1e-12);
        assert!(m.gain_fitted_esr < 1e-12);
    }

    #[test]
    fn a_turned_over_prediction_is_noticed() {
        let wet: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.37).sin()).collect();
        let scored = |gain: f32| {
            let mut sums = ErrorSums::default();
            let predicted: Vec<f32> = wet.iter().map(|w| w * gain + 0.2).collect();
            sums.add(&wet, &predicted);
            sums.is_inverted()
        };
        assert!(scored(-0.4) && !scored(0.4) && !scored(-0.01));
    }

    #[test]
    fn silence_divides_by_zero_only_where_it_must() {
        let perfect = metrics(&[0.0; 4], &[0.0; 4]);
        assert_eq!((perfect.esr, perfect.gain_fitted_esr), (0.0, 0.0));
        assert_eq!(metrics(&[0.0; 4], &[1.0; 4]).esr, f64::INFINITY);
        assert_eq!(metrics(&[1.0; 4], &[0.0; 4]).gain_fitted_esr, 1.0);
    }
}
