//! Effects that change with time by themselves: a sine oscillator moves a delay (chorus, flanger,
//! vibrato), all-pass filters (phaser) or a gain (tremolo). Linear, not time-invariant.

use std::f64::consts::{PI, TAU};

use serde::{Deserialize, Serialize};

use super::delays::DelayLine;
use super::filter::flush;
use super::{ParameterError, Unit, each, within};

/// The slow sine, from −1 to 1.
struct Oscillator {
    step: f64,
    phase: f64,
    samples: f64,
}

impl Oscillator {
    fn new(rate_hz: f64, phase: f64, hz: f64) -> Self {
        Self {
            step: rate_hz / hz,
            phase,
            samples: 0.0,
        }
    }

    fn next(&mut self) -> f64 {
        // From a count and not a sum: no error builds up.
        let value = (TAU * (self.step * self.samples).fract() + self.phase).sin();
        self.samples += 1.0;
        value
    }
}

/// `wet = (1 − mix) · dry + mix · e`, `e` being `dry + feedback · e` delayed by
/// `delay_ms + depth_ms · sin(2π rate_hz t + phase)`: a chorus; with feedback and a short delay a flanger; a
/// vibrato where `mix` is 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chorus {
    /// 0 (stands still) to 20.
    pub rate_hz: f64,
    /// 0 to 20, and less than `delay_ms` by at least 3 samples.
    pub depth_ms: f64,
    /// The mean delay, 0.1 (and at least 3 samples) to 100.
    #[serde(default = "twenty")]
    pub delay_ms: f64,
    /// 0 (dry only) to 1 (copy only).
    #[serde(default = "super::half")]
    pub mix: f64,
    /// How much of the copy enters again, −0.95 to 0.95.
    #[serde(default)]
    pub feedback: f64,
    /// Of the oscillator with the first sample, radians, −7 to 7.
    #[serde(default)]
    pub phase: f64,
}

fn twenty() -> f64 {
    20.0
}

impl Unit for Chorus {
    fn check(&self, hz: f64) -> Result<(), ParameterError> {
        // Interpolation needs a neighbour on both sides, the newer one already known.
        let three_samples_ms = 3000.0 / hz;
        within("chorus", "rate_hz", self.rate_hz, 0.0..=20.0)?;
        within(
            "chorus",
            "delay_ms",
            self.delay_ms,
            three_samples_ms.clamp(0.1, 100.0)..=100.0,
        )?;
        let deepest = (self.delay_ms - three_samples_ms).clamp(0.0, 20.0);
        within("chorus", "depth_ms", self.depth_ms, 0.0..=deepest)?;
        within("chorus", "mix", self.mix, 0.0..=1.0)?;
        within("chorus", "feedback", self.feedback, -0.95..=0.95)?;
        within("chorus", "phase", self.phase, -7.0..=7.0)
    }

    fn run(&self, dry: &[f32], hz: f64) -> Vec<f32> {
        let per_ms = hz / 1000.0;
        let longest = (self.delay_ms + self.depth_ms) * per_ms;
        let mut line = DelayLine::new(longest.ceil() as usize + 4);
        let mut oscillator = Oscillator::new(self.rate_hz, self.phase, hz);
        each(dry, |x| {
            // The sample pushed last has age 1: that of one sample ago.
            let age = per_ms * (self.delay_ms + self.depth_ms * oscillator.next());
            let copy = line.between(age);
            line.push(x + self.feedback * copy);
            (1.0 - self.mix) * x + self.mix * copy
        })
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn is_time_varying(&self) -> bool {
        true
    }
}

/// `wet = (1 − mix) · dry + mix · A(dry)`, `A` being first-order all-pass filters in series,
/// `(c + z⁻¹) / (1 + c z⁻¹)` each, whose corner frequency sways between two others on a
/// logarithmic scale. The notches lie where the phases of both paths oppose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phaser {
    /// 0 (stands still, midway) to 20.
    pub rate_hz: f64,
    /// From 10 Hz to `high_hz`.
    #[serde(default = "low_hz")]
    pub low_hz: f64,
    /// Up to 0.49 of the sample rate.
    #[serde(default = "high_hz")]
    pub high_hz: f64,
    /// 1 to 24; two make one notch.
    #[serde(default = "four")]
    pub stages: u8,
    /// 0 (dry only) to 1 (all-pass only).
    #[serde(default = "super::half")]
    pub mix: f64,
    /// Of the oscillator with the first sample, radians, −7 to 7.
    #[serde(default)]
    pub phase: f64,
}

fn low_hz() -> f64 {
    300.0
}

fn high_hz() -> f64 {
    3000.0
}

fn four() -> u8 {
    4
}

impl Unit for Phaser {
    fn check(&self, hz: f64) -> Result<(), ParameterError> {
        within("phaser", "rate_hz", self.rate_hz, 0.0..=20.0)?;
        within("phaser", "high_hz", self.high_hz, 10.0..=0.49 * hz)?;
        within("phaser", "low_hz", self.low_hz, 10.0..=self.high_hz)?;
        within("phaser", "stages", self.stages.into(), 1.0..=24.0)?;
        within("phaser", "mix", self.mix, 0.0..=1.0)?;
        within("phaser", "phase", self.phase, -7.0..=7.0)
    }

    fn run(&self, dry: &[f32], hz: f64) -> Vec<f32> {
        let middle = (self.low_hz * self.high_hz).sqrt();
        let octaves = (self.high_hz / middle).log2();
        let mut states = vec![0.0; self.stages.into()];
        let mut oscillator = Oscillator::new(self.rate_hz, self.phase, hz);
        each(dry, |x| {
            let corner_hz = middle * (octaves * oscillator.next()).exp2();
            let k = (PI * corner_hz / hz).tan();
            let c = (k - 1.0) / (k + 1.0);
            let mut turned = x;
            for state in &mut states {
                let y = c * turned + *state;
                *state = flush(turned - c * y);
                turned = y;
            }
            (1.0 - self.mix) * x + self.mix * turned
        })
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn is_time_varying(&self) -> bool {
        true
    }
}

/// `wet = dry · (1 + depth · sin(2π rate_hz t + phase))`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tremolo {
    /// 0 (stands still) to 20.
    pub rate_hz: f64,
    /// 0 to 1.
    pub depth: f64,
    /// Of the oscillator with the first sample, radians, −7 to 7.
    #[serde(default)]
    pub phase: f64,
}

impl Unit for Tremolo {
    fn check(&self, _: f64) -> Result<(), ParameterError> {
        within("tremolo", "rate_hz", self.rate_hz, 0.0..=20.0)?;
        within("tremolo", "depth", self.depth, 0.0..=1.0)?;
        within("tremolo", "phase", self.phase, -7.0..=7.0)
    }

    fn run(&self, dry: &[f32], hz: f64) -> Vec<f32> {
        let mut oscillator = Oscillator::new(self.rate_hz, self.phase, hz);
        each(dry, |x| x * (1.0 + self.depth * oscillator.next()))
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn is_time_varying(&self) -> bool {
        true
    }
}
