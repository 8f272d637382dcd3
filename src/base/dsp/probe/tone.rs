//! What a box makes of steady sines: its static curve, harmonics, and what is off them.
//!
//! Every sine has a whole number of periods in the stretch that is read, so each harmonic falls
//! on a bin of its own and nothing leaks.

use super::play::{Play, power_decibels};
use crate::audio::level::amplitude;
use crate::dsp::fft::RealFft;
use crate::dsp::window::hann;
use std::f64::consts::TAU;

/// Harmonics measured, the fundamental being the first.
pub const HARMONICS: usize = 10;

/// Samples of a tone that are read.
const READ: usize = 8192;

/// The sine whose harmonics are measured, in hertz (at low sample rates a lower one, so that all
/// harmonics fit).
const FUNDAMENTAL_HZ: f64 = 220.0;

/// Seconds a tone sounds before it is read.
const SETTLE_SECONDS: f64 = 0.25;

/// Frequency of the static curve's sine in hertz: slow against what most effects do within a
/// note, above the high-pass of most.
const SLOW_HZ: f64 = 30.0;

/// Harmonics of a sine at one level.
#[derive(Clone, Debug, PartialEq)]
pub struct Harmonics {
    /// The sine's frequency in hertz.
    pub hz: f64,
    /// Peak level of the sine in dBFS.
    pub level_dbfs: f64,
    /// Peak level of every harmonic of the output in dBFS, the fundamental first; not below
    /// −160.
    pub output_dbfs: [f64; HARMONICS],
    /// Total harmonic distortion: the root of the summed powers of harmonics 2 to 10 over the
    /// fundamental; 0 for silence.
    pub thd: f64,
}

/// Energy of a sine's output that is off the sine's harmonics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aliasing {
    /// The sine's frequency in hertz.
    pub hz: f64,
    /// Its power against all power of the output but the constant part, in decibels; not below
    /// −160.
    pub off_db: f64,
}

/// The last `keep` samples of the answer to a sine of `cycles` periods per `period` samples.
fn play_tone(
    play: &mut Play<'_>,
    (cycles, period): (usize, usize),
    level_dbfs: f64,
    settle: usize,
    keep: usize,
) -> (Vec<f32>, Vec<f32>) {
    let a = amplitude(level_dbfs);
    let phase = |n: usize| TAU * ((n * cycles) % period) as f64 / period as f64;
    let dry: Vec<f32> = (0..settle + keep)
        .map(|n| (a * phase(n).sin()) as f32)
        .collect();
    let mut wet = play(&dry);
    wet.resize(dry.len(), 0.0);
    (dry[settle..].to_vec(), wet[settle..].to_vec())
}

/// The static curve's frequency, and input and output over one of its periods.
pub(super) fn transfer(play: &mut Play<'_>, hz: f64, level_dbfs: f64) -> (f64, Vec<[f64; 2]>) {
    let period = (hz / SLOW_HZ).round().max(16.0) as usize;
    let (dry, wet) = play_tone(play, (1, period), level_dbfs, 3 * period, period);
    let pairs = dry.iter().zip(&wet);
    let step = (period / 500).max(1);
    let points = pairs.step_by(step).map(|(d, w)| [*d, *w].map(f64::from));
    (hz / period as f64, points.collect())
}

pub(super) fn harmonics(play: &mut Play<'_>, hz: f64, level_dbfs: f64) -> Harmonics {
    let highest = hz / (2.0 * (HARMONICS as f64 + 0.5));
    let cycles = (FUNDAMENTAL_HZ.min(highest) * READ as f64 / hz)
        .floor()
        .max(1.0) as usize;
    let settle = (SETTLE_SECONDS * hz) as usize;
    let (_, wet) = play_tone(play, (cycles, READ), level_dbfs, settle, READ);
    let mut fft = RealFft::new(READ);
    let mut spectrum = fft.spectrum();
    fft.forward(wet.iter().map(|&x| f64::from(x)), &mut spectrum);
    // A sine of peak 1 has |X| = READ/2.
    let power = |k: usize| spectrum[k * cycles].norm_sqr() * 4.0 / (READ * READ) as f64;
    let overtones: f64 = (2..=HARMONICS).map(power).sum();
    let thd = if power(1) > 0.0 {
        (overtones / power(1)).sqrt()
    } else {
        0.0
    };
    Harmonics {
        hz: cycles as f64 * hz / READ as f64,
        level_dbfs,
        output_dbfs: std::array::from_fn(|i| power_decibels(power(i + 1))),
        thd,
    }
}

/// Samples of a tone that are read for what is off its harmonics.
const ALIASING_READ: usize = 4096;

/// Bins on either side of a harmonic that count as it: a Hann window's main lobe and first
/// side lobes, for outputs that have not quite settled.
const MASK: usize = 3;

pub(super) fn aliasing(play: &mut Play<'_>, hz: f64, level_dbfs: f64) -> Vec<Aliasing> {
    let tones = 16;
    let (low, high) = (0.025_f64, 0.42_f64);
    let share = |i: usize| low * (high / low).powf(i as f64 / (tones - 1) as f64);
    (0..tones)
        .map(|i| fold_apart((share(i) * ALIASING_READ as f64) as usize))
        .map(|cycles| aliasing_at(play, hz, level_dbfs, cycles))
        .collect()
}

/// A number of periods near `cycles` whose folded harmonics fall between the honest ones: what
/// is left of the read length over it is neither near zero, a half nor the whole.
fn fold_apart(cycles: usize) -> usize {
    let apart = |k: &usize| {
        let left = (ALIASING_READ % k) as f64 / *k as f64;
        (0.2..0.45).contains(&left) || (0.55..0.8).contains(&left)
    };
    (cycles..cycles + 64).find(apart).unwrap_or(cycles)
}

fn aliasing_at(play: &mut Play<'_>, hz: f64, level_dbfs: f64, cycles: usize) -> Aliasing {
    let n = ALIASING_READ;
    let (_, wet) = play_tone(play, (cycles, n), level_dbfs, n, n);
    let mut fft = RealFft::new(n);
    let mut spectrum = fft.spectrum();
    let windowed = wet.iter().zip(hann(n)).map(|(&x, w)| f64::from(x) * w);
    fft.forward(windowed, &mut spectrum);
    let (mut off, mut all) = (0.0, 0.0);
    for (bin, value) in spectrum.iter().enumerate().skip(MASK + 1) {
        let to_harmonic = (bin % cycles).min(cycles - bin % cycles);
        all += value.norm_sqr();
        if to_harmonic > MASK {
            off += value.norm_sqr();
        }
    }
    Aliasing {
        hz: cycles as f64 * hz / n as f64,
        off_db: power_decibels(if all > 0.0 { off / all } else { 0.0 }),
    }
}
