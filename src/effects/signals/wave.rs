//! Periodic waves whose pitch moves: every level of harmonics, at every pitch, in one sound.
//!
//! Jumps and corners are rounded over the two samples beside them (polyBLEP: Välimäki and
//! Huovilainen, "Antialiasing Oscillators in Subtractive Synthesis", IEEE Signal Processing
//! Magazine 24, 2007). What aliasing is left, some 20 dB below the naive wave's and less at
//! low pitches, is in the dry sound, which the wet is made from: it misleads nobody. Additive
//! synthesis would have none and cost a sine per harmonic and sample.

use std::f64::consts::TAU;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::effects::{ParameterError, within};

/// A wave that moves through a range of pitches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovingWave {
    /// The form of one period.
    pub shape: Shape,
    /// Lowest pitch, from 1 Hz to `high_hz`.
    pub low_hz: f64,
    /// Highest pitch, up to a quarter of the sample rate.
    pub high_hz: f64,
    /// How the pitch gets from one to the other.
    pub motion: Motion,
    /// Peak level, −120 to 0.
    pub level_dbfs: f64,
}

/// The form of one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// No harmonics.
    Sine,
    /// Odd harmonics, falling with their number.
    Square,
    /// All harmonics, falling with their number.
    Saw,
    /// Odd harmonics, falling with the square of their number.
    Triangle,
}

/// How a pitch moves through its range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Motion {
    /// Glides up and down again, equal time for every octave.
    Glide {
        /// Time for one way up and down, 0.01 to 3600.
        period_seconds: f64,
    },
    /// Semitones of the range, in an order drawn from the seed; each once before any again.
    Steps {
        /// Time on each, 0.001 to 3600.
        step_seconds: f64,
    },
}

impl MovingWave {
    pub(super) fn check(&self, hz: f64) -> Result<(), ParameterError> {
        let owner = "moving-wave";
        within(owner, "high_hz", self.high_hz, 1.0..=hz / 4.0)?;
        within(owner, "low_hz", self.low_hz, 1.0..=self.high_hz)?;
        match self.motion {
            Motion::Glide { period_seconds } => within(
                owner,
                "motion.period_seconds",
                period_seconds,
                0.01..=3600.0,
            ),
            Motion::Steps { step_seconds } => {
                within(owner, "motion.step_seconds", step_seconds, 0.001..=3600.0)
            }
        }
    }

    pub(super) fn render(&self, hz: f64, len: usize, seed: u64) -> Vec<f32> {
        let mut pitch = self.pitch(hz, seed);
        let mut phase = 0.0;
        (0..len)
            .map(|n| {
                let step = pitch(n) / hz;
                let sample = self.shape.sample(phase, step);
                phase = (phase + step).fract();
                sample as f32
            })
            .collect()
    }

    /// The pitch in hertz at every sample, asked for in order.
    fn pitch(&self, hz: f64, seed: u64) -> Box<dyn FnMut(usize) -> f64> {
        let (low_hz, ratio) = (self.low_hz, self.high_hz / self.low_hz);
        match self.motion {
            Motion::Glide { period_seconds } => Box::new(move |n| {
                let turn = (n as f64 / hz / period_seconds).fract();
                low_hz * ratio.powf(1.0 - (2.0 * turn - 1.0).abs())
            }),
            Motion::Steps { step_seconds } => {
                let mut steps = Steps::new(ratio, seed);
                let samples = ((step_seconds * hz).round() as usize).max(1);
                let mut factor = 1.0;
                Box::new(move |n| {
                    if n % samples == 0 {
                        factor = steps.next_factor();
                    }
                    low_hz * factor
                })
            }
        }
    }
}

/// Semitones in random order, all of them in every round.
struct Steps {
    rng: ChaCha8Rng,
    factors: Vec<f64>,
    used: usize,
}

impl Steps {
    fn new(ratio: f64, seed: u64) -> Self {
        let semitones = (12.0 * ratio.log2() + 1e-9).floor() as u32;
        let factors: Vec<f64> = (0..=semitones)
            .map(|s| (f64::from(s) / 12.0).exp2())
            .collect();
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            used: factors.len(),
            factors,
        }
    }

    fn next_factor(&mut self) -> f64 {
        if self.used == self.factors.len() {
            self.factors.shuffle(&mut self.rng);
            self.used = 0;
        }
        self.used += 1;
        self.factors[self.used - 1]
    }
}

impl Shape {
    /// The wave at `phase` (0 to 1), moving by `step` (below ½) per sample.
    fn sample(self, phase: f64, step: f64) -> f64 {
        match self {
            Self::Sine => (TAU * phase).sin(),
            // Up at phase 0, down at ½.
            Self::Square => {
                let naive = if phase < 0.5 { 1.0 } else { -1.0 };
                naive + 2.0 * (rounded_jump(phase, step) - rounded_jump(phase + 0.5, step))
            }
            // Through 0 at phase ½, down from 1 to −1 at phase 0.
            Self::Saw => 2.0 * phase - 1.0 - 2.0 * rounded_jump(phase, step),
            // Lowest at phase 0, highest at ½: slopes of ±4 per period.
            Self::Triangle => {
                let naive = 1.0 - 2.0 * (2.0 * phase - 1.0).abs();
                let (low, high) = (
                    rounded_corner(phase, step),
                    rounded_corner(phase + 0.5, step),
                );
                naive + 8.0 * step * (low - high)
            }
        }
    }
}

/// What rounding adds to a wave that jumps up by 1 at phase 0 (the integral of a triangle of
/// two samples' width, less the jump).
fn rounded_jump(phase: f64, step: f64) -> f64 {
    let distance = samples_from_zero(phase, step);
    if distance.abs() >= 1.0 {
        0.0
    } else {
        -distance.signum() * (1.0 - distance.abs()).powi(2) / 2.0
    }
}

/// The integral of [`rounded_jump`]: what rounding adds to a slope that grows by 1 per sample.
fn rounded_corner(phase: f64, step: f64) -> f64 {
    let distance = samples_from_zero(phase, step).abs();
    (1.0 - distance.min(1.0)).powi(3) / 6.0
}

/// Distance to the nearest whole phase, in samples; positive after it.
fn samples_from_zero(phase: f64, step: f64) -> f64 {
    let part = phase.fract();
    let nearest = if part < 0.5 { part } else { part - 1.0 };
    nearest / step
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    /// The amplitude of a wave's harmonic in its Fourier series; sines, or −cosines for the
    /// triangle.
    fn amplitude(shape: Shape, order: u32) -> f64 {
        let k = f64::from(order);
        let odd = f64::from(order % 2);
        match shape {
            Shape::Sine => f64::from(u8::from(order == 1)),
            Shape::Square => odd * 4.0 / (PI * k),
            Shape::Saw => -2.0 / (PI * k),
            Shape::Triangle => odd * 8.0 / (PI * k).powi(2),
        }
    }

    /// Rounding a jump over two samples is a convolution with a triangle of that width, so
    /// each harmonic below half the rate has its amplitude in the series times sinc². One
    /// second at a prime pitch: aliases fall on whole hertz between the harmonics.
    #[test]
    fn waves_are_their_fourier_series_rounded_and_alias_less_than_unrounded_ones() {
        let (hz, rate) = (1237u32, 44_100u32);
        let step = f64::from(hz) / f64::from(rate);
        for shape in [Shape::Sine, Shape::Square, Shape::Saw, Shape::Triangle] {
            let wave = |step_for_rounding: f64| -> Vec<f64> {
                let samples = 0..rate;
                samples
                    .map(|n| shape.sample((step * f64::from(n)).fract(), step_for_rounding))
                    .collect()
            };
            let rounded = wave(step);
            let harmonic = |wave: &[f64], order: u32| {
                let turns =
                    (0..rate).map(|n| (u64::from(order * hz) * u64::from(n)) % u64::from(rate));
                let angles = turns.map(|t| TAU * t as f64 / f64::from(rate));
                let pairs = angles
                    .zip(wave)
                    .map(|(angle, x)| (x * angle.sin(), x * angle.cos()));
                let (sin, cos) = pairs.fold((0.0, 0.0), |(a, b), (s, c)| (a + s, b + c));
                (2.0 * sin / f64::from(rate), 2.0 * cos / f64::from(rate))
            };
            for order in 1..=rate / 2 / hz {
                let x = PI * step * f64::from(order);
                let expected = amplitude(shape, order) * (x.sin() / x).powi(2);
                let (sin, cos) = harmonic(&rounded, order);
                let (seen, none) = match shape {
                    Shape::Triangle => (-cos, sin),
                    Shape::Sine | Shape::Square | Shape::Saw => (sin, cos),
                };
                let expected = if shape == Shape::Sine {
                    amplitude(shape, order)
                } else {
                    expected
                };
                // Only the sum's rounding is left, and for a saw at phase exactly 0 one sample
                // of its jump (1 of 44 100).
                assert!(
                    (seen - expected).abs() < 5e-5,
                    "{shape:?} {order}: {seen} {expected}"
                );
                assert!(none.abs() < 5e-5, "{shape:?} {order}: {none}");
            }
            let alias = |wave: &[f64]| {
                let all: f64 = wave.iter().map(|x| x * x).sum::<f64>() / f64::from(rate);
                let harmonics = (1..=rate / 2 / hz).map(|order| harmonic(wave, order));
                all - harmonics.map(|(s, c)| (s * s + c * c) / 2.0).sum::<f64>()
            };
            let (rounded, naive) = (alias(&rounded), alias(&wave(1e-9)));
            eprintln!("{shape:?}: alias power {rounded:.1e}, unrounded {naive:.1e}");
            if shape != Shape::Sine {
                assert!(
                    rounded < naive / 20.0,
                    "{shape:?}: {rounded:e}, unrounded {naive:e}"
                );
            }
        }
    }

    #[test]
    fn every_semitone_comes_once_a_round() {
        let mut steps = Steps::new(2.0, 7);
        for _ in 0..3 {
            let mut round: Vec<f64> = (0..13).map(|_| steps.next_factor()).collect();
            round.sort_by(f64::total_cmp);
            assert_eq!((round[0], round[12]), (1.0, 2.0));
            round.dedup();
            assert_eq!(round.len(), 13);
        }
    }
}
