//! Settings of the diagonal state-space network. Knows no other network.

use super::parts::{Conditioning, check_activation, check_drive, check_warm_up};
use super::settings::{NetworkConfig, product, sum};
use crate::config::WindowConfig;
use crate::config::error::{ConfigError, check_range};
use crate::network::Function;
use serde::{Deserialize, Serialize};

/// `kind = "s4d"`: diagonal state-space layers (Gu et al. 2022).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct S4dConfig {
    /// Width of the layers; each channel is a filter bank of its own.
    pub channels: usize,
    /// Complex states per channel.
    pub states: usize,
    /// Layers.
    pub layers: usize,
    /// After each layer's mix; with `gated`, before it.
    pub activation: Function,
    /// The mix gives twice as many channels, whose second half, through a sigmoid, gates the
    /// first: one layer can then multiply, as a compressor does.
    pub gated: bool,
    /// Samples after which the slowest filter has forgotten before anything is learned; the
    /// channels' steps are spread from 1/`memory` to 1/10, evenly in octaves.
    pub memory: usize,
    /// How knobs enter, where there are any.
    pub conditioning: Conditioning,
    /// As [`RecurrentConfig::warm_up`].
    pub warm_up: usize,
    /// As [`RecurrentConfig::drive`].
    pub drive: f32,
}

impl Default for S4dConfig {
    fn default() -> Self {
        Self {
            channels: 16,
            states: 4,
            layers: 4,
            activation: Function::Tanh,
            gated: false,
            memory: 1000,
            conditioning: Conditioning::Film,
            warm_up: 4096,
            drive: 1.0,
        }
    }
}

impl NetworkConfig for S4dConfig {
    fn check(&self, _: &WindowConfig) -> Result<(), ConfigError> {
        check_range("model.channels", self.channels, 1, 4096)?;
        check_range("model.states", self.states, 1, 256)?;
        check_range("model.layers", self.layers, 1, 256)?;
        check_range("model.memory", self.memory, 10, 1 << 22)?;
        check_drive(self.drive)?;
        check_activation("model.activation", self.activation)?;
        check_warm_up(self.warm_up)
    }

    fn weights(&self, _: &WindowConfig) -> usize {
        let states = product(&[4, self.channels, self.states]);
        let mixer = product(&[2, self.channels, self.channels]);
        product(&[self.layers, sum([states, mixer])])
    }

    fn takes_controls(&self) -> bool {
        true
    }

    fn width(&self) -> usize {
        self.channels
    }

    fn set_width(&mut self, width: usize) {
        self.channels = width;
    }

    fn has_memory(&self) -> bool {
        true
    }

    fn warm_up(&mut self) -> Option<&mut usize> {
        Some(&mut self.warm_up)
    }
}
