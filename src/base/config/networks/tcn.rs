//! Settings of the temporal convolution network. Knows no other network.

use super::parts::{Conditioning, check_activation, check_drive};
use super::settings::{NetworkConfig, product};
use crate::config::WindowConfig;
use crate::config::error::{ConfigError, check_range};
use crate::network::Function;
use serde::{Deserialize, Serialize};

/// `kind = "tcn"`: temporal convolution network (Bai et al. 2018; Steinmetz & Reiss 2021).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TcnConfig {
    /// Width of the layers.
    pub channels: usize,
    /// Taps of each layer.
    pub kernel_size: usize,
    /// Layers.
    pub layers: usize,
    /// Each layer's dilation is this many times the one before; the first one's is 1.
    pub dilation_growth: usize,
    /// Of every layer.
    pub activation: Function,
    /// How knobs enter, where there are any.
    pub conditioning: Conditioning,
    /// As [`RecurrentConfig::drive`](super::RecurrentConfig::drive).
    pub drive: f32,
}

impl Default for TcnConfig {
    fn default() -> Self {
        Self {
            channels: 16,
            kernel_size: 5,
            layers: 8,
            dilation_growth: 3,
            activation: Function::PRelu,
            conditioning: Conditioning::Film,
            drive: 1.0,
        }
    }
}

impl TcnConfig {
    /// Each layer's dilation; `None` where it grows beyond 2^20.
    pub fn dilations(&self) -> Option<Vec<usize>> {
        (0..self.layers)
            .map(|layer| {
                let exponent = u32::try_from(layer).ok()?;
                let dilation = self.dilation_growth.checked_pow(exponent)?;
                (dilation <= 1 << 20).then_some(dilation)
            })
            .collect()
    }
}

impl NetworkConfig for TcnConfig {
    fn check(&self, _: &WindowConfig) -> Result<(), ConfigError> {
        check_range("model.channels", self.channels, 1, 4096)?;
        check_range("model.kernel_size", self.kernel_size, 1, 65_536)?;
        check_range("model.layers", self.layers, 1, 1024)?;
        check_range("model.dilation_growth", self.dilation_growth, 1, 1024)?;
        check_drive(self.drive)?;
        check_activation("model.activation", self.activation)?;
        if self.dilations().is_none() {
            let got = format!("{} over {} layers", self.dilation_growth, self.layers);
            let allowed = "a last dilation, growth^(layers − 1), of at most 1048576";
            return Err(ConfigError::value("model.dilation_growth", got, allowed));
        }
        Ok(())
    }

    fn weights(&self, _: &WindowConfig) -> usize {
        product(&[self.layers, self.channels, self.channels, self.kernel_size])
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
}
