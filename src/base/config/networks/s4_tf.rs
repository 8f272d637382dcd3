//! Settings of the state-space network with temporal FiLM. Knows no other network.

use super::parts::{Conditioning, check_activation, check_drive, check_warm_up};
use super::settings::{NetworkConfig, product, sum};
use crate::config::WindowConfig;
use crate::config::error::{ConfigError, check_range};
use crate::network::Function;
use serde::{Deserialize, Serialize};

/// `kind = "s4-tf"`: state-space layers, each modulated by what a small LSTM makes of its peaks
/// block by block (S4-TF in the comparison of Comunità, Steinmetz & Reiss 2025): for effects whose
/// tone follows the loudness of the moment before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct S4TfConfig {
    /// Width of the layers; each channel is a filter bank of its own.
    pub channels: usize,
    /// Complex states per channel.
    pub states: usize,
    /// Layers.
    pub layers: usize,
    /// After each layer's modulation.
    pub activation: Function,
    /// Samples whose peaks modulate the block after them.
    pub block_size: usize,
    /// Units that each layer's LSTM remembers the peaks with.
    pub hidden_size: usize,
    /// As [`S4dConfig::memory`](super::S4dConfig::memory).
    pub memory: usize,
    /// How knobs enter, where there are any.
    pub conditioning: Conditioning,
    /// As [`RecurrentConfig::warm_up`](super::RecurrentConfig::warm_up).
    pub warm_up: usize,
    /// As [`RecurrentConfig::drive`](super::RecurrentConfig::drive).
    pub drive: f32,
}

impl Default for S4TfConfig {
    fn default() -> Self {
        Self {
            channels: 16,
            states: 4,
            layers: 4,
            activation: Function::Tanh,
            block_size: 128,
            hidden_size: 16,
            memory: 1000,
            conditioning: Conditioning::Film,
            warm_up: 4096,
            drive: 1.0,
        }
    }
}

impl NetworkConfig for S4TfConfig {
    fn check(&self, _: &WindowConfig) -> Result<(), ConfigError> {
        check_range("model.channels", self.channels, 1, 4096)?;
        check_range("model.states", self.states, 1, 256)?;
        check_range("model.layers", self.layers, 1, 256)?;
        check_range("model.block_size", self.block_size, 1, 65_536)?;
        check_range("model.hidden_size", self.hidden_size, 1, 4096)?;
        check_range("model.memory", self.memory, 10, 1 << 22)?;
        check_drive(self.drive)?;
        check_activation("model.activation", self.activation)?;
        check_warm_up(self.warm_up)
    }

    fn weights(&self, _: &WindowConfig) -> usize {
        let states = product(&[4, self.channels, self.states]);
        let mixer = product(&[2, self.channels, self.channels]);
        let film = product(&[4, self.hidden_size, sum([self.hidden_size, self.channels])]);
        product(&[self.layers, sum([states, mixer, film])])
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
