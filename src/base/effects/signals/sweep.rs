//! Signals for measuring: one sample, one exponential sine sweep.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

use crate::effects::{ParameterError, within};

/// Silence but for one sample: the wet is the effect's impulse response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Impulse {
    /// Where the sample is, from 0; a sound that ends before is silent.
    #[serde(default)]
    pub at_seconds: f64,
    /// Peak level, −120 to 0.
    pub level_dbfs: f64,
}

impl Impulse {
    pub(super) fn check(&self) -> Result<(), ParameterError> {
        within(
            "impulse",
            "at_seconds",
            self.at_seconds,
            0.0..=super::MAX_SECONDS,
        )
    }

    pub(super) fn render(&self, hz: f64, len: usize) -> Vec<f32> {
        let mut sound = vec![0.0; len];
        if let Some(sample) = sound.get_mut((self.at_seconds * hz).round() as usize) {
            *sample = 1.0;
        }
        sound
    }
}

/// A sine whose frequency grows exponentially over the whole sound, equal time for every
/// octave (A. Farina, "Simultaneous measurement of impulse response and distortion with a
/// swept-sine technique", AES 108, 2000).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SineSweep {
    /// Frequency at the start, from 0.1 Hz to half the sample rate.
    pub from_hz: f64,
    /// Frequency at the end, in the same range; may be the lower one.
    pub to_hz: f64,
    /// Peak level, −120 to 0.
    pub level_dbfs: f64,
}

impl SineSweep {
    pub(super) fn check(&self, hz: f64) -> Result<(), ParameterError> {
        within("sine-sweep", "from_hz", self.from_hz, 0.1..=hz / 2.0)?;
        within("sine-sweep", "to_hz", self.to_hz, 0.1..=hz / 2.0)
    }

    pub(super) fn render(&self, hz: f64, len: usize) -> Vec<f32> {
        let seconds = len as f64 / hz;
        let growth = (self.to_hz / self.from_hz).ln() / seconds;
        (0..len)
            .map(|n| {
                let t = n as f64 / hz;
                // The integral of from · e^(growth · t); `exp_m1` keeps it exact for slow
                // growth, and its limit is needed for none.
                let cycles = if growth == 0.0 {
                    self.from_hz * t
                } else {
                    self.from_hz * (growth * t).exp_m1() / growth
                };
                (TAU * cycles.fract()).sin() as f32
            })
            .collect()
    }
}
