//! Periodic waves whose pitch moves: every level of harmonics, at every pitch, in one sound.
//!
//! Jumps and corners are rounded over the two samples beside them (polyBLEP: Välimäki and
//! Huovilainen, "Antialiasing Oscillators in Subtractive Synthesis", IEEE Signal Processing
//! Magazine 24, 2007). What aliasing is left, 13 to 16 dB below the unrounded wave's, is in
//! the dry sound, which the wet is made from: it misleads nobody. Additive synthesis would have
//! none and cost a sine per harmonic and sample.

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

    const RATE: u32 = 44_100;

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

    /// One second of the wave at a whole number of hertz.
    fn second(shape: Shape, hz: u32, step_for_rounding: f64) -> Vec<f64> {
        (0..RATE)
            .map(|n| {
                let phase = f64::from(hz * n % RATE) / f64::from(RATE);
                shape.sample(phase, step_for_rounding)
            })
            .collect()
    }

    /// Amplitudes of sine and cosine at a whole number of hertz in such a second.
    fn component(second: &[f64], hz: u32) -> (f64, f64) {
        let (mut sines, mut cosines) = (0.0, 0.0);
        for (n, x) in second.iter().enumerate() {
            let turn = u64::from(hz) * n as u64 % u64::from(RATE);
            let (sin, cos) = (TAU * turn as f64 / f64::from(RATE)).sin_cos();
            sines += x * sin;
            cosines += x * cos;
        }
        (
            2.0 * sines / f64::from(RATE),
            2.0 * cosines / f64::from(RATE),
        )
    }

    /// Power outside the harmonics below half the rate.
    fn alias_power(second: &[f64], hz: u32) -> f64 {
        let all = second.iter().map(|x| x * x).sum::<f64>() / f64::from(RATE);
        let harmonics = (1..=RATE / 2 / hz).map(|order| component(second, order * hz));
        all - harmonics.map(|(s, c)| (s * s + c * c) / 2.0).sum::<f64>()
    }

    /// Rounding a jump over two samples is a convolution with a triangle of that width, so
    /// each harmonic below half the rate has its amplitude in the series times sinc². The
    /// pitch is prime to the rate: aliases fall on whole hertz between the harmonics.
    #[test]
    fn waves_are_their_rounded_fourier_series_and_alias_less_than_unrounded_ones() {
        let hz = 1237;
        let step = f64::from(hz) / f64::from(RATE);
        for shape in [Shape::Sine, Shape::Square, Shape::Saw, Shape::Triangle] {
            let rounded = second(shape, hz, step);
            for order in 1..=RATE / 2 / hz {
                let x = PI * step * f64::from(order);
                let expected = match shape {
                    Shape::Sine => amplitude(shape, order),
                    _ => amplitude(shape, order) * (x.sin() / x).powi(2),
                };
                let (seen, none) = match (shape, component(&rounded, order * hz)) {
                    (Shape::Triangle, (sine, cosine)) => (-cosine, sine),
                    (_, (sine, cosine)) => (sine, cosine),
                };
                // What is left are roundings, and orders beyond 44 100 that fold onto these.
                let error = (seen - expected).abs().max(none.abs());
                assert!(error < 1e-9, "{shape:?}, harmonic {order}: {error:e}");
            }
            let rounded = alias_power(&rounded, hz);
            let unrounded = alias_power(&second(shape, hz, 1e-9), hz);
            assert!(
                shape == Shape::Sine || rounded < unrounded / 15.0,
                "{shape:?}: {rounded:e}, unrounded {unrounded:e}"
            );
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
