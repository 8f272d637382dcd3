//! The simplest effects: level, polarity, a fixed delay. Each is its own truth.

use serde::{Deserialize, Serialize};

use super::{ParameterError, Unit, each, within};
use crate::audio::level::amplitude;

/// Multiplies by `10^(gain_db / 20)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gain {
    /// −120 to 60.
    pub gain_db: f64,
}

impl Unit for Gain {
    fn check(&self, _: f64) -> Result<(), ParameterError> {
        within("gain", "gain_db", self.gain_db, -120.0..=60.0)
    }

    fn run(&self, dry: &[f32], _: f64) -> Vec<f32> {
        let factor = amplitude(self.gain_db);
        each(dry, |x| factor * x)
    }

    fn is_linear(&self) -> bool {
        true
    }
}

/// Multiplies by −1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvertPolarity {}

impl Unit for InvertPolarity {
    fn check(&self, _: f64) -> Result<(), ParameterError> {
        Ok(())
    }

    fn run(&self, dry: &[f32], _: f64) -> Vec<f32> {
        dry.iter().map(|x| -x).collect()
    }

    fn is_linear(&self) -> bool {
        true
    }
}

/// Moves the sound to a later time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// Any number of samples; a delay beyond the sound's end leaves silence.
    pub samples: usize,
}

impl Unit for Delay {
    fn check(&self, _: f64) -> Result<(), ParameterError> {
        Ok(())
    }

    fn run(&self, dry: &[f32], _: f64) -> Vec<f32> {
        let silent = self.samples.min(dry.len());
        let mut wet = vec![0.0; silent];
        wet.extend_from_slice(&dry[..dry.len() - silent]);
        wet
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn latency_samples(&self) -> usize {
        self.samples
    }
}
