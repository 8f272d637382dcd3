//! What is moved, and the oscillator: numbers and their curve. Knows nothing of sound.

use serde::{Deserialize, Serialize};
use std::f64::consts::{PI, TAU};

/// What is moved. Its value is the natural logarithm of seconds or of hertz, so that no motion
/// takes it below zero; of a gain it is the factor itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// A delay: chorus, flanger, vibrato.
    Delay,
    /// All-pass filters of the first order, one after another, at one frequency: phaser.
    AllPass {
        /// How many.
        stages: usize,
    },
    /// A gain: tremolo.
    Gain,
}

/// A slow wave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oscillator {
    /// Its rate in hertz.
    pub rate_hz: f64,
    /// Amplitudes of its harmonics: cosine and sine of the first, of the second, … Empty: it stands
    /// still.
    pub curve: Vec<f64>,
}

/// A part with its oscillator. Seconds and hertz may be samples and cycles per sample, where a rate of
/// 1 is meant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Motion {
    /// What is moved.
    pub part: Part,
    /// The mean of its value.
    pub centre: f64,
    /// What is added to it.
    pub oscillator: Oscillator,
    /// How much of its output enters again, within ±[`MOST_FEEDBACK`]; none of a gain's.
    pub feedback: f64,
}

/// An effect that moves: a moving part, and the filters beside it and behind it. In the units of its
/// motion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modulation {
    /// The moving part.
    pub motion: Motion,
    /// Taps of the filter on dry, the newest first; none beside a gain.
    pub dry_filter: Vec<f64>,
    /// Those behind the part.
    pub wet_filter: Vec<f64>,
}

/// Feedback stays this far below 1.
pub const MOST_FEEDBACK: f64 = 0.97;

/// The longest delay.
pub const LONGEST_SECONDS: f64 = 0.06;

/// A value beyond these (logarithms of seconds or hertz, in units of samples too) is cut to them: no
/// number of a model leads to infinity.
const WIDEST: f64 = 30.0;

impl Oscillator {
    /// Its value where `angle` says.
    pub fn at(&self, angle: f64) -> f64 {
        let (sin, cos) = angle.sin_cos();
        let (mut c, mut s, mut sum) = (1.0, 0.0, 0.0);
        for pair in self.curve.chunks_exact(2) {
            (c, s) = (c * cos - s * sin, s * cos + c * sin);
            sum += pair[0] * c + pair[1] * s;
        }
        sum
    }

    /// The largest and the smallest value over a period.
    pub fn range(&self) -> [f64; 2] {
        let values = (0..512).map(|i| self.at(TAU * f64::from(i) / 512.0));
        values.fold([f64::NEG_INFINITY, f64::INFINITY], |[high, low], v| {
            [high.max(v), low.min(v)]
        })
    }
}

impl Modulation {
    /// The same in samples and cycles per sample of this rate.
    pub fn per_sample(self, hz: f64) -> Self {
        Self {
            motion: self.motion.per_sample(hz),
            ..self
        }
    }

    /// What [`Modulation::per_sample`] came from.
    pub fn per_second(self, hz: f64) -> Self {
        self.per_sample(1.0 / hz)
    }
}

impl Motion {
    /// `part` standing still.
    pub fn still(part: Part, centre: f64) -> Self {
        Self {
            part,
            centre,
            oscillator: Oscillator::default(),
            feedback: 0.0,
        }
    }

    /// The value `seconds` after the oscillator stood at `phase`.
    pub fn value(&self, phase: f64, seconds: f64) -> f64 {
        let cycles = (self.oscillator.rate_hz * seconds).fract();
        self.centre + self.oscillator.at(TAU * cycles + phase)
    }

    /// The same, in samples and cycles per sample of this rate.
    pub fn per_sample(&self, hz: f64) -> Self {
        let mut there = self.clone();
        there.oscillator.rate_hz /= hz;
        there.centre += match self.part {
            Part::Delay => hz.ln(),
            Part::AllPass { .. } => -hz.ln(),
            Part::Gain => 0.0,
        };
        there
    }

    /// What [`Motion::per_sample`] came from.
    pub fn per_second(&self, hz: f64) -> Self {
        self.per_sample(1.0 / hz)
    }

    /// The same with its rate times one factor and its swing times another.
    pub fn played(&self, rate: f64, depth: f64) -> Self {
        let mut played = self.clone();
        played.oscillator.rate_hz *= rate.max(0.0);
        let curve = &mut played.oscillator.curve;
        curve.iter_mut().for_each(|value| *value *= depth);
        played
    }

    /// How many numbers it has beside the phase: centre, curve, rate, feedback.
    pub fn numbers(&self) -> usize {
        3 + self.oscillator.curve.len()
    }

    /// A value as the part uses it (samples, the all-pass coefficient, the factor), and by how much that
    /// changes with the value.
    pub(super) fn used(&self, value: f64, hz: f64) -> (f64, f64) {
        match self.part {
            Part::Gain => (value, 1.0),
            Part::Delay => {
                let samples = value.clamp(-WIDEST, WIDEST).exp() * hz;
                (samples, samples)
            }
            Part::AllPass { .. } => {
                let angle = PI * value.clamp(-WIDEST, WIDEST).exp() / hz;
                let w = angle.min(1.5).tan();
                let slope = if angle < 1.5 {
                    2.0 * angle * (1.0 + w * w) / (1.0 + w).powi(2)
                } else {
                    0.0
                };
                ((w - 1.0) / (w + 1.0), slope)
            }
        }
    }

    /// How the value changes with centre, curve, rate and phase at a sample: appended in this order.
    pub(super) fn slopes(&self, phase: f64, sample: f64, hz: f64, out: &mut Vec<f64>) -> f64 {
        let cycles = (self.oscillator.rate_hz / hz * sample).fract();
        let (sin, cos) = (TAU * cycles + phase).sin_cos();
        let (mut c, mut s) = (1.0, 0.0);
        let (mut value, mut along) = (self.centre, 0.0);
        out.push(1.0);
        for (k, pair) in self.oscillator.curve.chunks_exact(2).enumerate() {
            (c, s) = (c * cos - s * sin, s * cos + c * sin);
            value += pair[0] * c + pair[1] * s;
            along += (k + 1) as f64 * (pair[1] * c - pair[0] * s);
            out.extend([c, s]);
        }
        out.extend([along * TAU * sample / hz, along]);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_its_harmonics() {
        let oscillator = Oscillator {
            rate_hz: 1.0,
            curve: vec![0.5, -0.25, 0.1, 0.3],
        };
        for i in 0..20 {
            let angle = 0.4 * f64::from(i);
            let wanted = 0.5 * angle.cos() - 0.25 * angle.sin()
                + 0.1 * (2.0 * angle).cos()
                + 0.3 * (2.0 * angle).sin();
            assert!((oscillator.at(angle) - wanted).abs() < 1e-12);
        }
    }
}
