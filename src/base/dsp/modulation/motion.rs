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

/// A second slow wave of a rate of its own, faster than the first, which may sway it: string ensembles and some
/// choruses have two oscillators that know nothing of each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Second {
    /// Its rate in hertz.
    pub rate_hz: f64,
    /// Where it stands when time begins, radians: a recording's own, as the first one's phase is.
    #[serde(default)]
    pub phase: f64,
    /// Amplitudes, cosine and sine, `[harmonic][sideband]`: at `k` times its own angle and `j` times the first
    /// one's, `j` from −[`SIDEBANDS`] to [`SIDEBANDS`].
    pub curve: Vec<f64>,
}

/// Where the oscillators stand with a recording's first sample, radians: the first, and a second one.
pub type Phases = [f64; 2];

/// Sidebands on either side of a harmonic of a second oscillator: what is left of products of the two.
pub const SIDEBANDS: usize = 2;

/// Numbers of a harmonic with its sidebands.
pub const SWAYED: usize = 2 * (2 * SIDEBANDS + 1);

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
    /// And what another adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<Second>,
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
pub(crate) const WIDEST: f64 = 30.0;

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

impl Second {
    /// `j`, `k`, cosine and sine of each pair of the curve, at these angles of the first and of its own.
    pub fn waves(&self, first: f64, own: f64) -> impl Iterator<Item = (f64, f64, f64, f64)> {
        (0..self.curve.len() / 2).map(move |pair| {
            let each = SWAYED / 2;
            let j = (pair % each) as f64 - SIDEBANDS as f64;
            let k = (pair / each + 1) as f64;
            let (sin, cos) = (j * first + k * own).sin_cos();
            (j, k, cos, sin)
        })
    }

    /// Its value at these angles of the first and of its own.
    pub fn at(&self, first: f64, own: f64) -> f64 {
        let waves = self.waves(first, own).zip(self.curve.chunks_exact(2));
        waves
            .map(|((_, _, cos, sin), pair)| pair[0] * cos + pair[1] * sin)
            .sum()
    }

    /// Its angle so many seconds after time began.
    fn angle(&self, seconds: f64) -> f64 {
        TAU * (self.rate_hz * seconds).fract() + self.phase
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
            second: None,
            feedback: 0.0,
        }
    }

    /// The value `seconds` after the oscillator stood at `phase`.
    pub fn value(&self, phase: f64, seconds: f64) -> f64 {
        let angle = TAU * (self.oscillator.rate_hz * seconds).fract() + phase;
        let second = self.second.as_ref();
        self.centre
            + self.oscillator.at(angle)
            + second.map_or(0.0, |second| second.at(angle, second.angle(seconds)))
    }

    /// The largest and the smallest that is added to the centre.
    pub fn range(&self) -> [f64; 2] {
        let Some(second) = &self.second else {
            return self.oscillator.range();
        };
        let angle = |i: usize| TAU * i as f64 / 128.0;
        let at = |i: usize| {
            let (first, own) = (angle(i / 128), angle(i % 128));
            self.oscillator.at(first) + second.at(first, own)
        };
        let values = (0..128 * 128).map(at);
        values.fold([f64::NEG_INFINITY, f64::INFINITY], |[high, low], v| {
            [high.max(v), low.min(v)]
        })
    }

    /// The same, in samples and cycles per sample of this rate.
    pub fn per_sample(&self, hz: f64) -> Self {
        let mut there = self.clone();
        there.oscillator.rate_hz /= hz;
        if let Some(second) = &mut there.second {
            second.rate_hz /= hz;
        }
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
        if let Some(second) = &mut played.second {
            second.rate_hz *= rate.max(0.0);
            second.curve.iter_mut().for_each(|value| *value *= depth);
        }
        played
    }

    /// The same with its second oscillator, where it has one, at this phase.
    pub fn with_second_at(mut self, phase: f64) -> Self {
        if let Some(second) = &mut self.second {
            second.phase = phase;
        }
        self
    }

    /// How many numbers it has beside the phases: centre, curve, the second's curve and rate, rate, feedback.
    pub fn numbers(&self) -> usize {
        let second = self.second.as_ref().map_or(0, |s| s.curve.len() + 1);
        3 + self.oscillator.curve.len() + second
    }

    /// How many phases: of each oscillator one.
    pub fn phases(&self) -> usize {
        1 + usize::from(self.second.is_some())
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

    /// How the value changes at a sample with centre, curve, of the second oscillator curve, rate and phase, then
    /// rate and phase: appended in this order.
    pub(super) fn slopes(&self, phase: f64, sample: f64, hz: f64, out: &mut Vec<f64>) -> f64 {
        let cycles = (self.oscillator.rate_hz / hz * sample).fract();
        let angle = TAU * cycles + phase;
        let (sin, cos) = angle.sin_cos();
        let (mut c, mut s) = (1.0, 0.0);
        let (mut value, mut along) = (self.centre, 0.0);
        out.push(1.0);
        for (k, pair) in self.oscillator.curve.chunks_exact(2).enumerate() {
            (c, s) = (c * cos - s * sin, s * cos + c * sin);
            value += pair[0] * c + pair[1] * s;
            along += (k + 1) as f64 * (pair[1] * c - pair[0] * s);
            out.extend([c, s]);
        }
        if let Some(second) = &self.second {
            let mut own_along = 0.0;
            let own = second.angle(sample / hz);
            for ((j, k, c, s), pair) in second.waves(angle, own).zip(second.curve.chunks_exact(2)) {
                value += pair[0] * c + pair[1] * s;
                let slope = pair[1] * c - pair[0] * s;
                along += j * slope;
                own_along += k * slope;
                out.extend([c, s]);
            }
            out.extend([own_along * TAU * sample / hz, own_along]);
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
