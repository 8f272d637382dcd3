//! Measures a box that turns sound into sound, as one would measure a device on a bench: its
//! static curve, harmonics, frequency response and aliasing; and watches how it behaves when it is
//! left alone.
//!
//! Knows neither networks nor files: the box is a function. Every figure is read at or below a
//! stated level, so that a box is asked nothing it was never meant for.

mod behaviour;
mod play;
mod sweep;
mod tone;
mod verdict;

pub use behaviour::{Behaviour, Idle, Step, Strays, Tone, behaviour};
pub use play::Play;
pub use sweep::{Response, sine_sweep};
pub use tone::{Aliasing, HARMONICS, Harmonics};
pub use verdict::{Fault, Judged, Told};

use crate::audio::SampleRate;

/// Levels at which harmonics are measured, in decibels below the loudest.
pub const LEVEL_STEPS_DB: [f64; 5] = [-36.0, -24.0, -12.0, -6.0, 0.0];

/// Level of the small-signal response below the loudest, in decibels: quiet enough that most
/// distortions are linear, loud enough to be far from rounding.
const SMALL_SIGNAL_DB: f64 = -40.0;

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurements {
    /// Peak level of the loudest signals, in dBFS.
    pub level_dbfs: f64,
    /// Input and output of one period of a slow sine, in order: a curve for a box without
    /// memory, a loop for one with.
    pub transfer: Vec<[f64; 2]>,
    /// The slow sine's frequency in hertz.
    pub transfer_hz: f64,
    /// Harmonics of a sine, quietest level first.
    pub harmonics: Vec<Harmonics>,
    /// The response to a quiet sweep.
    pub small_signal: Response,
    /// The response to a sweep at the loudest level.
    pub driven: Response,
    /// Energy off the harmonics, lowest frequency first.
    pub aliasing: Vec<Aliasing>,
    /// The output for the loudest sweep, as long as the sweep.
    pub sweep: Vec<f32>,
}

/// Measures `play` at sample rate `rate`, with peaks of at most `level_dbfs`.
///
/// About 12 s of sound are played.
pub fn measure(play: &mut Play<'_>, rate: SampleRate, level_dbfs: f64) -> Measurements {
    let hz = f64::from(rate.hz());
    let (transfer_hz, transfer) = tone::transfer(play, hz, level_dbfs);
    let harmonics = LEVEL_STEPS_DB.map(|step| tone::harmonics(play, hz, level_dbfs + step));
    let (small_signal, _) = sweep::response(play, hz, level_dbfs + SMALL_SIGNAL_DB);
    let (driven, sweep) = sweep::response(play, hz, level_dbfs);
    Measurements {
        level_dbfs,
        transfer,
        transfer_hz,
        harmonics: harmonics.to_vec(),
        small_signal,
        driven,
        aliasing: tone::aliasing(play, hz, level_dbfs),
        sweep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level::amplitude;

    const HZ: f64 = 44_100.0;

    fn rate() -> SampleRate {
        SampleRate::new(44_100).unwrap()
    }

    /// x + c₂x² + c₃x³ without memory.
    fn polynomial(c2: f64, c3: f64) -> impl Fn(&[f32]) -> Vec<f32> {
        move |dry| {
            let wet = |x: &f32| {
                let x = f64::from(*x);
                (x + c2 * x * x + c3 * x * x * x) as f32
            };
            dry.iter().map(wet).collect()
        }
    }

    #[test]
    fn harmonics_are_those_of_the_polynomial() {
        let (c2, c3, level) = (0.1, 0.2, -6.0);
        let mut play = polynomial(c2, c3);
        let found = tone::harmonics(&mut play, HZ, level);
        // sin² = (1 − cos 2φ)/2, sin³ = (3 sin φ − sin 3φ)/4.
        let a = amplitude(level);
        let first = a + 0.75 * c3 * a.powi(3);
        let (second, third) = (0.5 * c2 * a * a, 0.25 * c3 * a.powi(3));
        let expected = [first, second, third].map(|x| 20.0 * x.log10());
        for (found, expected) in found.output_dbfs.iter().zip(expected) {
            // Single-precision samples: −140 dB of noise under −40 dB and more.
            assert!((found - expected).abs() < 1e-3, "{found} {expected}");
        }
        assert!(found.output_dbfs[3..].iter().all(|db| *db < -120.0));
        let thd = second.hypot(third) / first;
        assert!((found.thd - thd).abs() < 1e-5 * thd, "{}", found.thd);
    }

    #[test]
    fn folded_harmonics_are_found_and_honest_ones_are_not() {
        let c3 = 0.5;
        let mut play = polynomial(0.0, c3);
        for point in tone::aliasing(&mut play, HZ, 0.0) {
            let (first, third) = (1.0 + 0.75 * c3, 0.25 * c3);
            if point.hz > HZ / 6.0 {
                let share: f64 = third * third / (first * first + third * third);
                let expected = 10.0 * share.log10();
                // The mask of the harmonics hides nothing of a line this far from them.
                assert!(
                    (point.off_db - expected).abs() < 0.1,
                    "{point:?} {expected}"
                );
            } else {
                assert!(point.off_db < -100.0, "{point:?}");
            }
        }
    }

    #[test]
    fn the_response_is_that_of_the_filter() {
        let b = 0.25;
        let mut low_pass = |dry: &[f32]| {
            let mut y = 0.0f64;
            let wet = dry.iter().map(|x| {
                y += b * (f64::from(*x) - y);
                y as f32
            });
            wet.collect()
        };
        let (found, _) = sweep::response(&mut low_pass, HZ, -20.0);
        assert!(found.hz[0] < 40.0 && *found.hz.last().unwrap() > 0.4 * HZ);
        for (hz, gain_db) in found.hz.iter().zip(&found.gain_db) {
            // |b / (1 − (1 − b) e^{−iω})|
            let w = std::f64::consts::TAU * hz / HZ;
            let (re, im) = (1.0 - (1.0 - b) * w.cos(), (1.0 - b) * w.sin());
            let expected = 20.0 * (b / re.hypot(im)).log10();
            assert!(
                (gain_db - expected).abs() < 0.1,
                "{hz} Hz: {gain_db} {expected}"
            );
        }
    }

    #[test]
    fn a_driven_response_is_that_of_the_fundamental() {
        let (c3, level) = (-0.2, -3.0);
        let mut play = polynomial(0.0, c3);
        let (found, output) = sweep::response(&mut play, HZ, level);
        assert_eq!(output.len(), sine_sweep(HZ, level).len());
        let expected = 20.0 * (1.0 + 0.75 * c3 * amplitude(level).powi(2)).log10();
        for (hz, gain_db) in found.hz.iter().zip(&found.gain_db) {
            // Above a sixth of the rate folded harmonics fall on the fundamental's band.
            if *hz < HZ / 6.0 {
                assert!(
                    (gain_db - expected).abs() < 0.15,
                    "{hz} Hz: {gain_db} {expected}"
                );
            }
        }
    }

    #[test]
    fn a_box_without_memory_has_a_curve_and_a_silent_box_has_figures() {
        let mut play = polynomial(0.1, 0.2);
        let found = measure(&mut play, rate(), -6.0);
        for [x, y] in &found.transfer {
            assert!((y - (x + 0.1 * x * x + 0.2 * x * x * x)).abs() < 1e-6);
        }
        let reach = found.transfer.iter().map(|p| p[0]).fold(0.0, f64::max);
        assert!((reach - amplitude(-6.0)).abs() < 1e-3);
        let mut silent = |dry: &[f32]| vec![0.0; dry.len()];
        let found = measure(&mut silent, SampleRate::new(8000).unwrap(), 0.0);
        let finite = |x: &[f64]| x.iter().all(|v| v.is_finite());
        assert!(finite(&found.driven.gain_db) && finite(&found.small_signal.gain_db));
        assert!(
            found
                .harmonics
                .iter()
                .all(|h| finite(&h.output_dbfs) && h.thd == 0.0)
        );
        assert!(found.aliasing.iter().all(|a| a.off_db.is_finite()));
    }
}
