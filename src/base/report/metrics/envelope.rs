//! How far a prediction's gain moves otherwise than the wet recording's: the figure that tells a
//! compressor that works from a constant gain.
//!
//! Knows nothing of the error in the waveform.

use crate::audio::SampleRate;
use crate::dsp::window::hann;

/// Length of the smoothing window: longer than a period of the lowest notes (41 Hz: 24 ms), so
/// that the envelope is not the wave itself, and short enough to follow a compressor's release.
const WINDOW_SECONDS: f64 = 0.05;
/// Time between envelope values.
const HOP_SECONDS: f64 = 0.01;
/// Envelope values of the wet recording further below its loudest than this are silence: in the
/// noise of a pedal or a converter there is no gain to be told.
const GATE_DB: f64 = -50.0;
/// No value of the prediction counts as further below its own loudest than this.
const FLOOR_DB: f64 = -100.0;

/// Envelopes of both sides over all spans.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Envelopes {
    window: Vec<f64>,
    hop: usize,
    /// Smoothed power of wet and prediction, value by value.
    powers: Vec<[f64; 2]>,
}

impl Envelopes {
    pub(super) fn new(rate: SampleRate) -> Self {
        let samples = |seconds: f64| ((f64::from(rate.hz()) * seconds).round() as usize).max(2);
        let window = hann(samples(WINDOW_SECONDS));
        let sum: f64 = window.iter().sum();
        Self {
            window: window.iter().map(|w| w / sum).collect(),
            hop: samples(HOP_SECONDS),
            powers: Vec::new(),
        }
    }

    /// Adds one continuous stretch. One shorter than the window adds nothing.
    pub(super) fn add(&mut self, wet: &[f32], predicted: &[f32]) {
        let power = |side: &[f32], start: usize| -> f64 {
            let samples = side[start..].iter().zip(&self.window);
            samples.map(|(&x, w)| w * f64::from(x).powi(2)).sum()
        };
        let len = wet.len().min(predicted.len());
        let starts = (0..=len).step_by(self.hop);
        let whole = starts.take_while(|start| start + self.window.len() <= len);
        let powers = whole.map(|start| [power(wet, start), power(predicted, start)]);
        self.powers.extend(powers);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.powers.extend_from_slice(&other.powers);
    }

    /// Standard deviation, in dB, of the level difference between wet and prediction over all
    /// values that are not silence. `None` when all are.
    pub(super) fn error_db(&self) -> Option<f64> {
        let loudest = |side: usize| self.powers.iter().fold(0.0_f64, |m, p| m.max(p[side]));
        let gate = loudest(0) * 10f64.powf(GATE_DB / 10.0);
        let floor = (loudest(1) * 10f64.powf(FLOOR_DB / 10.0)).max(f64::MIN_POSITIVE);
        let heard = self.powers.iter().filter(|[wet, _]| *wet > gate);
        let differences: Vec<f64> = heard
            .map(|[wet, predicted]| 10.0 * (wet / predicted.max(floor)).log10())
            .collect();
        if differences.is_empty() {
            return None;
        }
        let n = differences.len() as f64;
        // The constant gain that leaves the least is the mean difference.
        let gain = differences.iter().sum::<f64>() / n;
        let squares: f64 = differences.iter().map(|d| (d - gain).powi(2)).sum();
        Some((squares / n).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HZ: usize = 1000;

    fn error(wet: &[f32], predicted: &[f32]) -> Option<f64> {
        let mut envelopes = Envelopes::new(SampleRate::new(HZ as u32).unwrap());
        envelopes.add(wet, predicted);
        envelopes.error_db()
    }

    fn tone(seconds: usize, level: impl Fn(usize) -> f32) -> Vec<f32> {
        let wave = |i: usize| (i as f32 * 0.7).sin();
        (0..seconds * HZ).map(|i| level(i) * wave(i)).collect()
    }

    #[test]
    fn a_constant_gain_and_another_wave_of_the_same_level_are_no_error() {
        let wet = tone(10, |i| 0.2 + 0.1 * (i as f32 * 0.002).sin());
        let quiet: Vec<f32> = wet.iter().map(|w| -0.01 * w).collect();
        assert!(error(&wet, &quiet).unwrap() < 1e-5);
        let shifted: Vec<f32> = wet.iter().skip(2).copied().collect();
        assert!(error(&wet, &shifted).unwrap() < 0.1);
    }

    #[test]
    fn a_gain_that_steps_by_six_decibels_halfway_is_three_off_on_either_side() {
        let wet = tone(20, |i| if i < 10 * HZ { 0.5 } else { 0.25 });
        let constant = tone(20, |_| 0.4);
        let found = error(&wet, &constant).unwrap();
        // Half of 20·log10 2; the window smears 50 ms of 20 s.
        assert!((found - 3.0103).abs() < 0.02, "{found}");
    }

    #[test]
    fn silence_is_not_judged_and_a_silent_prediction_has_the_wets_own_movement() {
        let wet = tone(20, |i| if i < 10 * HZ { 0.5 } else { 0.0 });
        let noisy = tone(20, |i| if i < 10 * HZ { 0.5 } else { 0.01 });
        // Only the windows across the edge contain anything to judge in which both differ.
        assert!(error(&wet, &noisy).unwrap() < 0.1);
        assert_eq!(error(&[0.0; 500], &noisy), None);
        assert_eq!(error(&wet[..10], &wet[..10]), None);
        let step = tone(20, |i| if i < 10 * HZ { 0.5 } else { 0.25 });
        let found = error(&step, &vec![0.0; step.len()]).unwrap();
        assert!((found - 3.0103).abs() < 0.02, "{found}");
    }
}
