//! The frequency response by an exponential sine sweep.
//!
//! Dividing the output's spectrum by the sweep's gives an impulse response in which the harmonics
//! of a distortion lie before the linear part (A. Farina, "Simultaneous measurement of impulse
//! response and distortion with a swept-sine technique", AES 108, 2000), so the response of the
//! fundamental alone can be cut out.

use super::play::{Play, power_decibels};
use crate::audio::level::amplitude;
use crate::dsp::fft::RealFft;
use std::f64::consts::{PI, TAU};

const SECONDS: f64 = 3.0;

/// First and last frequency: 20 Hz and this share of the sample rate.
const FROM_HZ: f64 = 20.0;
const TO_SHARE: f64 = 0.47;

/// Silence after the sweep, in which the box rings out, in seconds.
const TAIL_SECONDS: f64 = 0.3;

/// The stretch of the impulse response that is kept before and after its zero, in seconds. The
/// second harmonic lies `SECONDS · ln 2 / ln(to/from)` ≈ 0.3 s before.
const BEFORE_SECONDS: f64 = 0.06;
const AFTER_SECONDS: f64 = 0.25;

/// Half of a twelfth of an octave, as a ratio.
const HALF_BAND: f64 = 1.029_302_236_643_492;

/// Frequencies at which a response is read.
const POINTS: usize = 160;

/// A frequency response.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// Peak level of the sweep in dBFS.
    pub level_dbfs: f64,
    /// Frequencies in hertz, ascending by equal ratios.
    pub hz: Vec<f64>,
    /// Gain of the fundamental at each, in decibels.
    pub gain_db: Vec<f64>,
}

/// Frequency bounds of the sweep at a sample rate, in hertz.
fn bounds(hz: f64) -> (f64, f64) {
    (FROM_HZ.min(hz / 100.0), TO_SHARE * hz)
}

/// A sine that rises from 20 Hz to 0.47 of the sample rate in 3 s, equal time for every octave,
/// faded over 10 ms at both ends.
pub fn sine_sweep(hz: f64, level_dbfs: f64) -> Vec<f32> {
    let (from, to) = bounds(hz);
    let len = (SECONDS * hz) as usize;
    let growth = (to / from).ln() / SECONDS;
    let fade = 0.01 * hz;
    let a = amplitude(level_dbfs);
    let sample = |n: usize| {
        let t = n as f64 / hz;
        let cycles = from * (growth * t).exp_m1() / growth;
        let edge = (n.min(len - 1 - n) as f64 / fade).min(1.0);
        let envelope = 0.5 - 0.5 * (PI * edge).cos();
        (a * envelope * (TAU * cycles.fract()).sin()) as f32
    };
    (0..len).map(sample).collect()
}

/// The response, and the output while the sweep sounds.
pub(super) fn response(play: &mut Play<'_>, hz: f64, level_dbfs: f64) -> (Response, Vec<f32>) {
    let mut dry = sine_sweep(hz, level_dbfs);
    let len = dry.len();
    dry.resize(len + (TAIL_SECONDS * hz) as usize, 0.0);
    let mut wet = play(&dry);
    wet.resize(dry.len(), 0.0);
    let mut impulse = impulse_response(&dry, &wet);
    cut_out_linear(&mut impulse, hz);
    let mut fft = RealFft::new(impulse.len());
    let mut spectrum = fft.spectrum();
    fft.forward(impulse.iter().copied(), &mut spectrum);
    // The mean over a twelfth of an octave: what is narrower is not heard as tone.
    let power = |f: f64| {
        let bin = |f: f64| (f * impulse.len() as f64 / hz).round() as usize;
        let (from, to) = (bin(f / HALF_BAND), bin(f * HALF_BAND) + 1);
        let band = &spectrum[from.min(spectrum.len() - 1)..to.min(spectrum.len())];
        band.iter().map(|x| x.norm_sqr()).sum::<f64>() / band.len().max(1) as f64
    };
    // At its very ends the sweep fades.
    let (low, high) = (1.4 * bounds(hz).0, 0.96 * bounds(hz).1);
    let frequency = |i: usize| low * (high / low).powf(i as f64 / (POINTS - 1) as f64);
    let frequencies: Vec<f64> = (0..POINTS).map(frequency).collect();
    let found = Response {
        level_dbfs,
        gain_db: frequencies
            .iter()
            .map(|f| power_decibels(power(*f)))
            .collect(),
        hz: frequencies,
    };
    wet.truncate(len);
    (found, wet)
}

/// `wet` divided by `dry` in the frequency domain, where `dry` has energy; circular, times
/// before zero at the end.
fn impulse_response(dry: &[f32], wet: &[f32]) -> Vec<f64> {
    // As long again as the sound: what lies before zero must not meet what lies after it.
    let mut fft = RealFft::new((2 * dry.len()).next_power_of_two());
    let mean = wet.iter().map(|&x| f64::from(x)).sum::<f64>() / wet.len().max(1) as f64;
    let (mut x, mut y) = (fft.spectrum(), fft.spectrum());
    fft.forward(dry.iter().map(|&v| f64::from(v)), &mut x);
    fft.forward(wet.iter().map(|&v| f64::from(v) - mean), &mut y);
    let most = x.iter().map(|v| v.norm_sqr()).fold(0.0, f64::max);
    // The sweep's power falls by 3 dB an octave: 30 dB from end to end. 80 dB below the most
    // there is no sweep.
    let floor = 1e-8 * most;
    for (y, x) in y.iter_mut().zip(&x) {
        let power = x.norm_sqr() + floor;
        *y = if power > 0.0 {
            *y * x.conj() / power
        } else {
            *x
        };
    }
    fft.inverse(&mut y).to_vec()
}

/// Keeps the stretch around zero, with soft ends.
fn cut_out_linear(impulse: &mut [f64], hz: f64) {
    let (before, after) = ((BEFORE_SECONDS * hz), (AFTER_SECONDS * hz));
    let len = impulse.len();
    for (n, value) in impulse.iter_mut().enumerate() {
        let share = if n < len / 2 {
            n as f64 / after
        } else {
            (len - n) as f64 / before
        };
        // Whole up to the half, then a Hann slope to nothing.
        let slope = (2.0 * share - 1.0).clamp(0.0, 1.0);
        *value *= 0.5 + 0.5 * (PI * slope).cos();
    }
}
