//! Settings of the fully connected window networks. Knows no other network.

use super::settings::{NetworkConfig, product, sum};
use crate::config::WindowConfig;
use crate::config::error::{ConfigError, check_range};
use serde::{Deserialize, Serialize};

/// Fully connected window networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DenseConfig {
    /// Width of both hidden layers; the seed used 1000.
    pub hidden_size: usize,
}

impl Default for DenseConfig {
    fn default() -> Self {
        Self { hidden_size: 1000 }
    }
}

impl NetworkConfig for DenseConfig {
    fn check(&self, windows: &WindowConfig) -> Result<(), ConfigError> {
        check_range("model.hidden_size", self.hidden_size, 1, 65_536)?;
        if windows.window_len % 2 == 1 {
            // Prediction cross-fades windows by halves.
            let key = "windows.window_len";
            return Err(ConfigError::value(
                key,
                windows.window_len,
                "an even length",
            ));
        }
        // The dense layers are window_len wide: beyond this, one layer alone
        // would not fit into memory.
        let weights = self.hidden_size.saturating_mul(windows.window_len);
        check_range(
            "windows.window_len × model.hidden_size",
            weights,
            1,
            1 << 28,
        )
    }

    fn weights(&self, windows: &WindowConfig) -> usize {
        let outer = product(&[2, self.hidden_size, windows.window_len]);
        sum([outer, product(&[self.hidden_size; 2])])
    }

    fn takes_controls(&self) -> bool {
        false
    }

    fn takes_stereo(&self) -> bool {
        false
    }

    fn width(&self) -> usize {
        self.hidden_size
    }

    fn set_width(&mut self, width: usize) {
        self.hidden_size = width;
    }

    fn has_fixed_window(&self) -> bool {
        true
    }
}
