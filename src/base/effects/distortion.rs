//! Static nonlinear curves with a linear filter after them.

use serde::{Deserialize, Serialize};

use super::filter::Filter;
use super::{ParameterError, Unit, each, within};

/// Soft clipping: `level · tone(tanh(drive · x))` with `drive = 10^(2·gain)`, that is 0 to
/// 40 dB, and a one-pole low-pass at `500 · 16^tone` Hz, that is 500 Hz to 8 kHz.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overdrive {
    /// Knob from 0 to 1: how hard the curve is driven.
    pub gain: f64,
    /// Knob from 0 to 1: how bright the result is.
    #[serde(default = "super::half")]
    pub tone: f64,
    /// Factor from 0 to 1 on the result.
    #[serde(default = "super::half")]
    pub level: f64,
}

impl Unit for Overdrive {
    fn check(&self, hz: f64) -> Result<(), ParameterError> {
        // The tone filter must lie below half the sample rate.
        let brightest = ((0.49 * hz / 500.0).log2() / 4.0).clamp(0.0, 1.0);
        within("overdrive", "gain", self.gain, 0.0..=1.0)?;
        within("overdrive", "tone", self.tone, 0.0..=brightest)?;
        within("overdrive", "level", self.level, 0.0..=1.0)
    }

    fn run(&self, dry: &[f32], hz: f64) -> Vec<f32> {
        let drive = 10f64.powf(2.0 * self.gain);
        let mut tone = Filter::low_pass_1(500.0 * 16f64.powf(self.tone), hz);
        each(dry, |x| self.level * tone.step((drive * x).tanh()))
    }

    fn is_linear(&self) -> bool {
        false
    }
}

/// Hard clipping about a shifted rest point: `c(x) = clip(drive · x + bias) − bias`, clipped
/// at ±1, with `drive = 10^(1 + 2·gain)`, that is 20 to 60 dB; then a one-pole high-pass at
/// 20 Hz takes the DC away that the asymmetry makes; then `level`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fuzz {
    /// Knob from 0 to 1: how hard the curve is driven.
    pub gain: f64,
    /// −0.9 to 0.9: where silence rests between the clipping levels; 0 is symmetric.
    #[serde(default = "some_bias")]
    pub bias: f64,
    /// Factor from 0 to 1 on the result.
    #[serde(default = "super::half")]
    pub level: f64,
}

fn some_bias() -> f64 {
    0.3
}

impl Unit for Fuzz {
    fn check(&self, hz: f64) -> Result<(), ParameterError> {
        within("fuzz", "sample rate", hz, 100.0..=f64::from(u32::MAX))?;
        within("fuzz", "gain", self.gain, 0.0..=1.0)?;
        within("fuzz", "bias", self.bias, -0.9..=0.9)?;
        within("fuzz", "level", self.level, 0.0..=1.0)
    }

    fn run(&self, dry: &[f32], hz: f64) -> Vec<f32> {
        let drive = 10f64.powf(1.0 + 2.0 * self.gain);
        let mut dc_block = Filter::high_pass_1(20.0, hz);
        each(dry, |x| {
            let clipped = (drive * x + self.bias).clamp(-1.0, 1.0) - self.bias;
            self.level * dc_block.step(clipped)
        })
    }

    fn is_linear(&self) -> bool {
        false
    }
}
