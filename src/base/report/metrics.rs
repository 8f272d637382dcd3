//! The figures a prediction is judged by, one definition each, on plain slices.
//!
//! Sums run in `f64` over a whole span and are divided once, never averaged over windows.
//! [`ErrorSums`] are cheap enough for every training step and do not depend on how a span was
//! cut; [`SpanSums`] add what needs whole stretches. Knows nothing of tensors or of who
//! predicted.

mod envelope;
mod quiet;
mod spectral;
mod standing;

pub use quiet::QuietPassages;
pub use spectral::RESOLUTIONS;
pub use standing::{Standing, Stretches};

use crate::audio::SampleRate;
use crate::number;
use envelope::Envelopes;
use serde::{Deserialize, Serialize};
use spectral::SpectralSums;

/// Coefficient of the pre-emphasis in [`Metrics::pre_emphasised_esr`], the field's usual one
/// (Wright & Välimäki 2020).
pub const PRE_EMPHASIS: f64 = 0.85;

/// Figures of a prediction `p` against the wet recording `w` over `n` samples, `e = w − p`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Samples compared.
    pub samples: u64,
    /// Mean squared error, Σe²/n.
    #[serde(with = "number")]
    pub mse: f64,
    /// √MSE.
    #[serde(with = "number")]
    pub rmse: f64,
    /// Standard deviation of the error, √(Σe²/n − (Σe/n)²): RMSE without a constant offset.
    #[serde(with = "number")]
    pub std: f64,
    /// Standard deviation of the wet recording: the STD of predicting its mean.
    #[serde(with = "number")]
    pub reference_std: f64,
    /// Error-to-signal ratio Σe²/Σw². Trap: averaged over windows it would let silent
    /// windows rule; it is accumulated and divided once.
    #[serde(with = "number")]
    pub esr: f64,
    /// ESR after the best single gain on the prediction, 1 − (Σwp)²/(Σw²·Σp²): tells a wrong
    /// level (a compressor's) from a wrong shape. 1 for a silent prediction.
    #[serde(with = "number")]
    pub gain_fitted_esr: f64,
    /// Mean absolute error, Σ|e|/n.
    #[serde(with = "number")]
    pub mae: f64,
    /// Constant offset against power, (Σe/n)²/(Σw²/n).
    #[serde(with = "number")]
    pub dc: f64,
    /// Coefficient of determination, 1 − Σe²/Σ(w − mean w)².
    #[serde(with = "number")]
    pub r2: f64,
    /// ESR of x\[t\] − [`PRE_EMPHASIS`]·x\[t−1\] on both sides: treble weighs as much as it is
    /// heard. Like the two below absent from what is logged during training.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "number::optional"
    )]
    pub pre_emphasised_esr: Option<f64>,
    /// Multi-resolution STFT at the FFT, hop and window lengths of [`RESOLUTIONS`]: the mean over
    /// resolutions of ‖|W|−|P|‖/‖|W|‖ and of mean |ln|W| − ln|P||, on Hann windows, frames
    /// centred, edges mirrored, bins below an amplitude of 1e-4 raised to it. Trap: deaf to the
    /// sign and to slow shifts in time.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "number::optional"
    )]
    pub multi_resolution_stft: Option<f64>,
    /// Gain-envelope error in dB. Envelope: mean square under a Hann window of 50 ms, every
    /// 10 ms, within each span. At every value the gain over the dry sound is in error by
    /// d = 10·log10(wet envelope / predicted envelope), the dry envelope cancelling; the figure is
    /// the standard deviation of d, so that the best constant gain is fitted first. Values at
    /// which the wet recording is 50 dB or more below its loudest are silence and left out; the
    /// prediction counts as at most 100 dB below its own loudest. For a constant gain this is how
    /// much a compressor moves, for a good model nearly 0. Absent when everything is silent.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "number::optional"
    )]
    pub gain_envelope_error_db: Option<f64>,
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

    /// Adds a piece of so many samples whose sums were made elsewhere: Σe, Σe², Σ|e|, Σw, Σw², Σp², Σwp.
    pub fn add_sums(&mut self, samples: usize, sums: [f64; 7]) {
        let [
            error,
            error_squared,
            error_absolute,
            wet,
            wet_squared,
            predicted_squared,
            product,
        ] = sums;
        self.merge(&Self {
            samples: samples as u64,
            error,
            error_squared,
            error_absolute,
            wet,
            wet_squared,
            predicted_squared,
            product,
        });
    }

    /// Adds all that `other` heard.
    pub fn merge(&mut self, other: &Self) {
        self.samples += other.samples;
        self.error += other.error;
        self.error_squared += other.error_squared;
        self.error_absolute += other.error_absolute;
        self.wet += other.wet;
        self.wet_squared += other.wet_squared;
        self.predicted_squared += other.predicted_squared;
        self.product += other.product;
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
            pre_emphasised_esr: None,
            multi_resolution_stft: None,
            gain_envelope_error_db: None,
        }
    }
}

/// Sums from which all of [`Metrics`] is made, spectra and envelopes included.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanSums {
    errors: ErrorSums,
    /// Σe² and Σw² after pre-emphasis.
    emphasised: [f64; 2],
    spectra: SpectralSums,
    envelopes: Envelopes,
}

impl SpanSums {
    /// Nothing heard yet, at this rate (envelopes are smoothed over seconds, not samples).
    pub fn new(rate: SampleRate) -> Self {
        Self {
            errors: ErrorSums::default(),
            emphasised: [0.0; 2],
            spectra: SpectralSums::default(),
            envelopes: Envelopes::new(rate),
        }
    }

    /// Adds one continuous stretch of one channel; stretches do not continue each other. Surplus
    /// of the longer slice is ignored.
    pub fn add(&mut self, wet: &[f32], predicted: &[f32]) {
        self.errors.add(wet, predicted);
        for (w, p) in wet.windows(2).zip(predicted.windows(2)) {
            let emphasise = |x: &[f32]| f64::from(x[1]) - PRE_EMPHASIS * f64::from(x[0]);
            let (w, p) = (emphasise(w), emphasise(p));
            self.emphasised[0] += (w - p) * (w - p);
            self.emphasised[1] += w * w;
        }
        self.spectra.add(wet, predicted);
        self.envelopes.add(wet, predicted);
    }

    /// Adds all that `other` heard.
    pub fn merge(&mut self, other: &Self) {
        self.errors.merge(&other.errors);
        for (mine, theirs) in self.emphasised.iter_mut().zip(other.emphasised) {
            *mine += theirs;
        }
        self.spectra.merge(&other.spectra);
        self.envelopes.merge(&other.envelopes);
    }

    /// The part that needs no whole stretches.
    pub fn errors(&self) -> &ErrorSums {
        &self.errors
    }

    /// Divides once.
    pub fn metrics(&self) -> Metrics {
        let [error, wet] = self.emphasised;
        Metrics {
            pre_emphasised_esr: Some(ratio(error, wet)),
            multi_resolution_stft: self.spectra.distance(),
            gain_envelope_error_db: self.envelopes.error_db(),
            ..self.errors.metrics()
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
    /// Samples by which its sound lags wet of its own accord, taken away before it was scored.
    #[serde(default)]
    pub own_delay_samples: i64,
}

impl Row {
    /// Name of the row of predicting wet = dry.
    pub const IDENTITY: &'static str = "identity";

    /// Whether it is the row of predicting wet = dry.
    pub fn is_identity(&self) -> bool {
        self.name == Self::IDENTITY
    }
}

/// What rows of the two sides of a stereo effect are labelled.
pub const SIDES: [&str; 2] = ["left", "right"];

/// The rows of one test pair among several, or of one side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairRows {
    /// File or generated signal.
    pub label: String,
    /// The same models in the same order as in the table over all pairs.
    pub rows: Vec<Row>,
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
    fn pre_emphasis_by_hand_and_spans_that_do_not_touch() {
        let mut sums = SpanSums::new(SampleRate::new(8000).unwrap());
        sums.add(&[1.0, 2.0], &[1.0, 1.0]);
        sums.add(&[0.0, 1.0], &[9.0, 8.65]);
        // w: 2 − .85 and 1; p: 1 − .85 and 8.65 − 7.65.
        let m = sums.metrics();
        let expected = 1.0 / (1.15f64.powi(2) + 1.0);
        let found = m.pre_emphasised_esr.unwrap();
        assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        let mut errors = ErrorSums::default();
        errors.add(&[1.0, 2.0, 0.0, 1.0], &[1.0, 1.0, 9.0, 8.65]);
        assert_eq!(*sums.errors(), errors);
        assert_eq!(m.esr, errors.metrics().esr);
    }

    #[test]
    fn merged_spans_are_those_of_one_after_the_other() {
        let wave = |step: f32| -> Vec<f32> { (0..900).map(|i| (i as f32 * step).sin()).collect() };
        let sums = |steps: &[f32]| {
            let mut sums = SpanSums::new(SampleRate::new(1000).unwrap());
            for step in steps {
                sums.add(&wave(*step), &wave(step * 1.01));
            }
            sums
        };
        let mut merged = sums(&[0.1]);
        merged.merge(&sums(&[0.3]));
        let (merged, whole) = (merged.metrics(), sums(&[0.1, 0.3]).metrics());
        let figures = |m: Metrics| {
            let optional = [
                m.pre_emphasised_esr,
                m.multi_resolution_stft,
                m.gain_envelope_error_db,
            ];
            let optional = optional.map(|figure| figure.unwrap());
            [
                &[m.esr, m.mae, m.dc, m.r2, m.gain_fitted_esr][..],
                &optional,
            ]
            .concat()
        };
        assert_eq!(merged.samples, whole.samples);
        for (merged, whole) in figures(merged).into_iter().zip(figures(whole)) {
            assert!((merged / whole - 1.0).abs() < 1e-9, "{merged} for {whole}");
        }
    }

    #[test]
    fn figures_logged_before_there_were_spectra_are_still_read() {
        let plain = metrics(&[1.0, 2.0], &[1.0, 1.0]);
        let text = serde_json::to_string(&plain).unwrap();
        assert!(!text.contains("stft"), "{text}");
        assert_eq!(serde_json::from_str::<Metrics>(&text).unwrap(), plain);
    }

    #[test]
    fn silence_divides_by_zero_only_where_it_must() {
        let perfect = metrics(&[0.0; 4], &[0.0; 4]);
        assert_eq!((perfect.esr, perfect.gain_fitted_esr), (0.0, 0.0));
        assert_eq!(metrics(&[0.0; 4], &[1.0; 4]).esr, f64::INFINITY);
        assert_eq!(metrics(&[1.0; 4], &[0.0; 4]).gain_fitted_esr, 1.0);
    }
}
