//! Diagonal state space.

use crate::network::bounds::{MAX_CHANNELS, channels, numbers, size};
use crate::network::error::DescriptionError;
use crate::network::part::{Cost, Part, without_history};
use serde::{Deserialize, Serialize};

/// A diagonal state-space layer, one independent system per channel, already discretised for the
/// network's sample rate.
///
/// s_n[t] = a_n · s_n[t−1] + x[t]; y[t] = Re Σ_n c_n · s_n[t] + d · x[t], with complex a and c.
/// In the usual notation a = exp(Δ·A) and c = 2·C·(exp(Δ·A) − 1)/A (zero-order hold; the 2 stands
/// for the conjugate half).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S4d {
    /// Channels read and written.
    pub channels: usize,
    /// Complex states per channel.
    pub states: usize,
    /// Real part of a: `[channels][states]`
    pub a_re: Vec<f32>,
    /// Imaginary part of a.
    pub a_im: Vec<f32>,
    /// Real part of c: `[channels][states]`
    pub c_re: Vec<f32>,
    /// Imaginary part of c.
    pub c_im: Vec<f32>,
    /// d: `[channels]`
    pub d: Vec<f32>,
}

impl Part for S4d {
    fn check(&self, inputs: usize, _: usize) -> Result<usize, DescriptionError> {
        size("channels", self.channels, MAX_CHANNELS)?;
        size("states", self.states, MAX_CHANNELS)?;
        channels("state-space layer input", self.channels, inputs)?;
        let cells = self.channels.checked_mul(self.states);
        for (what, values) in [
            ("a_re", &self.a_re),
            ("a_im", &self.a_im),
            ("c_re", &self.c_re),
            ("c_im", &self.c_im),
        ] {
            numbers(what, values, cells)?;
        }
        numbers("d", &self.d, Some(self.channels))?;
        Ok(self.channels)
    }

    fn cost(&self) -> Option<Cost> {
        // Complex a·s (4) and the real part of c·s (2) per state; d·x per channel.
        let cells = self.a_re.len();
        let macs = cells.checked_mul(6)?.checked_add(self.d.len())?;
        let weights = cells.checked_mul(4)?.checked_add(self.d.len())?;
        Some(without_history(weights, macs))
    }

    fn context(&self) -> Option<usize> {
        None
    }

    fn shape(&self) -> String {
        format!("S4D {}×{}", self.channels, self.states)
    }
}
