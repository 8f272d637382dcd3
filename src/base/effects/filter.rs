//! Butterworth low-pass and high-pass filters of one and two poles, and the effect made of
//! them.
//!
//! All come from the analog prototypes `1 / (1 + s)` and `1 / (1 + √2 s + s²)` through the
//! bilinear transform with the cut-off pre-warped (R. Bristow-Johnson, "Cookbook formulae
//! for audio equalizer biquad filter coefficients"), so that with `t = tan(ω/2)` and
//! `k = tan(ω_c/2)` the low-pass has exactly `|H|² = 1 / (1 + (t/k)^(2·poles))`.

use std::f64::consts::{PI, SQRT_2};

use serde::{Deserialize, Serialize};

use super::{ParameterError, Unit, each, within};

/// A Butterworth low-pass filter, −3 dB at its cut-off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LowPass {
    /// From 1 Hz to 0.49 of the sample rate.
    pub cutoff_hz: f64,
    /// 1 (6 dB per octave) or 2 (12 dB per octave).
    #[serde(default = "two")]
    pub poles: u8,
}

fn two() -> u8 {
    2
}

impl Unit for LowPass {
    fn check(&self, hz: f64) -> Result<(), ParameterError> {
        within("low-pass", "cutoff_hz", self.cutoff_hz, 1.0..=0.49 * hz)?;
        within("low-pass", "poles", self.poles.into(), 1.0..=2.0)
    }

    fn run(&self, dry: &[f32], hz: f64) -> Vec<f32> {
        let mut filter = match self.poles {
            1 => Filter::low_pass_1(self.cutoff_hz, hz),
            _ => Filter::low_pass_2(self.cutoff_hz, hz),
        };
        each(dry, |x| filter.step(x))
    }

    fn is_linear(&self) -> bool {
        true
    }
}

/// `H(z) = (b0 + b1 z⁻¹ + b2 z⁻²) / (1 + a1 z⁻¹ + a2 z⁻²)` in transposed direct form II.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    b: [f64; 3],
    a: [f64; 2],
    state: [f64; 2],
}

impl Filter {
    /// 6 dB per octave above the cut-off.
    pub(super) fn low_pass_1(cutoff_hz: f64, hz: f64) -> Self {
        let k = warped(cutoff_hz, hz);
        Self::first_order(k, k, k)
    }

    /// 6 dB per octave below the cut-off; removes DC.
    pub(super) fn high_pass_1(cutoff_hz: f64, hz: f64) -> Self {
        Self::first_order(1.0, -1.0, warped(cutoff_hz, hz))
    }

    /// 12 dB per octave above the cut-off.
    pub(super) fn low_pass_2(cutoff_hz: f64, hz: f64) -> Self {
        let k = warped(cutoff_hz, hz);
        Self::second_order([k * k, 2.0 * k * k, k * k], k)
    }

    /// 12 dB per octave below the cut-off.
    pub(super) fn high_pass_2(cutoff_hz: f64, hz: f64) -> Self {
        Self::second_order([1.0, -2.0, 1.0], warped(cutoff_hz, hz))
    }

    /// A pole at `pole_hz` and a zero at `zero_hz`, gain 1 at DC: levels off in between.
    pub(super) fn shelf(pole_hz: f64, zero_hz: f64, hz: f64) -> Self {
        let (pole, zero) = (warped(pole_hz, hz), warped(zero_hz, hz));
        Self::first_order(pole / zero + pole, pole - pole / zero, pole)
    }

    fn first_order(b0: f64, b1: f64, k: f64) -> Self {
        let a0 = 1.0 + k;
        Self {
            b: [b0 / a0, b1 / a0, 0.0],
            a: [(k - 1.0) / a0, 0.0],
            state: [0.0; 2],
        }
    }

    fn second_order(b: [f64; 3], k: f64) -> Self {
        let a0 = 1.0 + SQRT_2 * k + k * k;
        Self {
            b: b.map(|b| b / a0),
            a: [2.0 * (k * k - 1.0) / a0, (1.0 - SQRT_2 * k + k * k) / a0],
            state: [0.0; 2],
        }
    }

    pub(super) fn step(&mut self, x: f64) -> f64 {
        let y = self.b[0] * x + self.state[0];
        self.state = [
            flush(self.b[1] * x - self.a[0] * y + self.state[1]),
            flush(self.b[2] * x - self.a[1] * y),
        ];
        y
    }
}

/// `tan(ω/2)`: the analog frequency that the bilinear transform maps to `cutoff_hz`.
fn warped(cutoff_hz: f64, hz: f64) -> f64 {
    (PI * cutoff_hz / hz).tan()
}

/// Zero for what is too small to be heard or stored: states that fade for ever would become
/// subnormal numbers, which processors handle a hundred times slower.
pub(super) fn flush(state: f64) -> f64 {
    if state.abs() < 1e-60 { 0.0 } else { state }
}
