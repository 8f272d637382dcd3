//! A linear tail behind a network: its settings, and those of a network with one. Knows no
//! network.

use super::settings::{NetworkConfig, sum};
use crate::config::WindowConfig;
use crate::config::error::{ConfigError, check_range};
use crate::network::MAX_TAIL;
use serde::{Deserialize, Serialize};
use std::ops::{Deref, DerefMut};

/// `[model.tail]`: a long filter behind the network, such as a loudspeaker, an echo or a room.
/// Its taps are solved for, before the first epoch and after every one, from what the network
/// gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TailConfig {
    /// Samples that it reaches back over, the present one among them.
    pub taps: usize,
    /// How much it is held to few and fading taps: 1 as much as what is left unexplained calls
    /// for, 0 not at all.
    pub penalty: f64,
}

impl Default for TailConfig {
    fn default() -> Self {
        Self {
            taps: 24_000,
            penalty: 1.0,
        }
    }
}

/// A network `N` and the tail behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct TailedConfig<N> {
    /// The network.
    pub network: N,
    /// What is behind it.
    pub tail: TailConfig,
}

impl<N> NetworkConfig for TailedConfig<N>
where
    N: Deref<Target = dyn NetworkConfig> + DerefMut,
{
    fn check(&self, windows: &WindowConfig) -> Result<(), ConfigError> {
        self.network.check(windows)?;
        if self.network.has_fixed_window() {
            let allowed = "a network that answers sounds of any length, not one of fixed windows";
            return Err(ConfigError::value("model.tail", "a tail", allowed));
        }
        check_range("model.tail.taps", self.tail.taps, 1, MAX_TAIL)?;
        check_range("model.tail.penalty", self.tail.penalty, 0.0, 1e6)
    }

    fn weights(&self, windows: &WindowConfig) -> usize {
        sum([self.network.weights(windows), self.tail.taps])
    }

    fn takes_controls(&self) -> bool {
        self.network.takes_controls()
    }

    fn takes_stereo(&self) -> bool {
        false
    }

    fn width(&self) -> usize {
        self.network.width()
    }

    fn set_width(&mut self, width: usize) {
        self.network.set_width(width);
    }

    fn has_memory(&self) -> bool {
        self.network.has_memory()
    }

    fn warm_up(&mut self) -> Option<&mut usize> {
        self.network.warm_up()
    }

    fn truncate(&mut self) -> Option<&mut usize> {
        self.network.truncate()
    }

    fn output_scale(&self) -> Option<f32> {
        self.network.output_scale()
    }

    fn take_output_scale(&mut self, scale: Option<f32>) {
        self.network.take_output_scale(scale);
    }

    fn scale_output(&mut self, factor: f32) {
        self.network.scale_output(factor);
    }

    fn benchmark(&self) -> (usize, usize) {
        self.network.benchmark()
    }
}
