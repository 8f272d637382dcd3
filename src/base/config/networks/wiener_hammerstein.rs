//! Settings of the chain of filters and clippers. Knows no other network.

use super::parts::{check_drive, check_warm_up};
use super::settings::{NetworkConfig, product};
use crate::config::WindowConfig;
use crate::config::error::{ConfigError, check_range};
use serde::{Deserialize, Serialize};

/// `kind = "wiener-hammerstein"`: filters and clippers in a chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WienerHammersteinConfig {
    /// Saturations (tanh); there is one filter more, before, between and after them.
    pub clippers: usize,
    /// Poles of each filter, real at first; a complex one counts for itself and its conjugate.
    pub poles: usize,
    /// Samples within which the poles of a filter forget before anything is learned: they stand in
    /// the middles of as many equal steps, in octaves, from `memory` samples to 1.
    pub memory: usize,
    /// As [`RecurrentConfig::warm_up`].
    pub warm_up: usize,
    /// First gain before the first clipper. A gain near the effect's own shortens the way.
    pub drive: f32,
}

impl Default for WienerHammersteinConfig {
    fn default() -> Self {
        Self {
            clippers: 3,
            poles: 6,
            memory: 200,
            warm_up: 4096,
            drive: 20.0,
        }
    }
}

impl NetworkConfig for WienerHammersteinConfig {
    fn check(&self, _: &WindowConfig) -> Result<(), ConfigError> {
        check_range("model.clippers", self.clippers, 1, 64)?;
        check_range("model.poles", self.poles, 1, 256)?;
        check_range("model.memory", self.memory, 10, 1 << 22)?;
        check_drive(self.drive)?;
        check_warm_up(self.warm_up)
    }

    fn weights(&self, _: &WindowConfig) -> usize {
        product(&[8, self.clippers, self.poles])
    }

    fn takes_controls(&self) -> bool {
        true
    }

    fn width(&self) -> usize {
        self.poles
    }

    fn set_width(&mut self, width: usize) {
        self.poles = width;
    }

    fn has_memory(&self) -> bool {
        true
    }

    fn warm_up(&mut self) -> Option<&mut usize> {
        Some(&mut self.warm_up)
    }
}
