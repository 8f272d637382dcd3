//! Settings of the filter. Knows no other network.

use super::settings::NetworkConfig;
use crate::config::WindowConfig;
use crate::config::error::{ConfigError, check_range};
use crate::network::MAX_TAIL;
use serde::{Deserialize, Serialize};

/// `kind = "fir"`: one filter, whose taps are solved for before the first step (least squares on
/// the training spans; of more than 16,384 taps, with a penalty that finds echoes and rooms). What
/// a linear effect is answered with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FirConfig {
    /// Samples that an output sample hears, its own among them.
    pub taps: usize,
}

impl Default for FirConfig {
    fn default() -> Self {
        Self { taps: 128 }
    }
}

impl NetworkConfig for FirConfig {
    fn check(&self, _: &WindowConfig) -> Result<(), ConfigError> {
        check_range("model.taps", self.taps, 1, MAX_TAIL)
    }

    fn weights(&self, _: &WindowConfig) -> usize {
        self.taps
    }

    fn takes_controls(&self) -> bool {
        false
    }

    fn width(&self) -> usize {
        self.taps
    }

    fn set_width(&mut self, width: usize) {
        self.taps = width;
    }
}
