//! Settings of the convolution networks with one filter size or several side by side. Knows no
//! other network.

use super::settings::{NetworkConfig, product, sum};
use crate::config::WindowConfig;
use crate::config::error::{ConfigError, check_range};
use serde::{Deserialize, Serialize};

/// Convolution and transposed convolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConvConfig {
    /// Filters on each side; the seed used 50.
    pub channels: usize,
    /// Taps of a filter; the seed used 50.
    pub kernel_size: usize,
    /// Future samples the network may hear, 0 (causal) to 2·(kernel_size − 1).
    /// Absent: 0, and kernel_size − 1 for `conv-tied`, whose response is then centred.
    pub lookahead: Option<usize>,
}

impl Default for ConvConfig {
    fn default() -> Self {
        Self {
            channels: 50,
            kernel_size: 50,
            lookahead: None,
        }
    }
}

/// Parallel convolution branches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MultiscaleConfig {
    /// Filters of each branch.
    pub channels: usize,
    /// Taps per branch; one branch for each entry.
    pub kernel_sizes: Vec<usize>,
    /// Future samples the network may hear, 0 (causal) to 2·(largest kernel − 1). Absent: 0.
    pub lookahead: Option<usize>,
}

impl Default for MultiscaleConfig {
    fn default() -> Self {
        Self {
            channels: 16,
            kernel_sizes: vec![16, 32, 64],
            lookahead: None,
        }
    }
}

impl NetworkConfig for ConvConfig {
    fn check(&self, _: &WindowConfig) -> Result<(), ConfigError> {
        check_range("model.channels", self.channels, 1, 4096)?;
        check_kernel("model.kernel_size", self.kernel_size, self.lookahead)
    }

    fn weights(&self, _: &WindowConfig) -> usize {
        // A filter on each side, and what may stand between all channels.
        let side = product(&[self.channels, self.kernel_size]);
        sum([side, side, product(&[self.channels; 2])])
    }

    fn takes_controls(&self) -> bool {
        false
    }

    fn takes_stereo(&self) -> bool {
        false
    }

    fn width(&self) -> usize {
        self.channels
    }

    fn set_width(&mut self, width: usize) {
        self.channels = width;
    }

    fn benchmark(&self) -> (usize, usize) {
        (50, 22_050)
    }
}

impl NetworkConfig for MultiscaleConfig {
    fn check(&self, _: &WindowConfig) -> Result<(), ConfigError> {
        check_range("model.channels", self.channels, 1, 4096)?;
        check_range("model.kernel_sizes (count)", self.kernel_sizes.len(), 1, 64)?;
        let largest = self.kernel_sizes.iter().copied().max().unwrap_or(0);
        let smallest = self.kernel_sizes.iter().copied().min().unwrap_or(0);
        check_range("model.kernel_sizes", smallest, 1, 65_536)?;
        check_kernel("model.kernel_sizes", largest, self.lookahead)
    }

    fn weights(&self, _: &WindowConfig) -> usize {
        let taps = sum(self.kernel_sizes.iter().copied());
        product(&[2, self.channels, taps])
    }

    fn takes_controls(&self) -> bool {
        false
    }

    fn takes_stereo(&self) -> bool {
        false
    }

    fn width(&self) -> usize {
        self.channels
    }

    fn set_width(&mut self, width: usize) {
        self.channels = width;
    }

    fn benchmark(&self) -> (usize, usize) {
        (50, 22_050)
    }
}

fn check_kernel(key: &str, taps: usize, lookahead: Option<usize>) -> Result<(), ConfigError> {
    check_range(key, taps, 1, 65_536)?;
    check_range("model.lookahead", lookahead.unwrap_or(0), 0, 2 * (taps - 1))
}
