//! Settings of the recurrent networks, LSTM and GRU, and of the convolutions before them. Knows no
//! other network.

use super::parts::{check_activation, check_drive, check_warm_up};
use super::settings::{NetworkConfig, product, sum};
use crate::config::WindowConfig;
use crate::config::error::{ConfigError, check_range};
use crate::network::Function;
use serde::{Deserialize, Serialize};

/// `kind = "lstm"` and `kind = "gru"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecurrentConfig {
    /// Units of each layer.
    pub hidden_size: usize,
    /// Layers, one after another.
    pub layers: usize,
    /// Adds the dry sound to the output, so that the network learns the difference.
    pub skip: bool,
    /// Multiplies what the network says by the dry sound: it learns a gain, and silence stays silent. For
    /// compressors, whose gain moves slowly while the sound does not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gain: bool,
    /// Samples before each training window (and each span) that only fill the memory; the
    /// context of the `front` comes on top.
    pub warm_up: usize,
    /// Samples after which gradients stop flowing back; the memory itself flows on. Where
    /// `training.step_len` is given, that many instead.
    pub truncate: usize,
    /// Samples that the slowest unit remembers before anything is learned; the units' memories
    /// are spread from 2 samples to this many, evenly in octaves (after the chrono
    /// initialisation of Tallec & Ollivier 2018). Absent: all about 4 samples. For effects that
    /// are slow to react, such as compressors.
    pub memory: Option<usize>,
    /// Factor on the first weights that the dry sound meets. An effect of much gain bends at
    /// small levels, and weights get there sooner when they begin near it: 10 for an
    /// overdrive, more for a fuzz.
    pub drive: f32,
    /// Convolutions before the first layer, which prepare what it remembers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub front: Option<FrontConfig>,
}

impl Default for RecurrentConfig {
    fn default() -> Self {
        Self {
            hidden_size: 32,
            layers: 1,
            skip: true,
            gain: false,
            warm_up: 1024,
            truncate: 1024,
            memory: None,
            drive: 1.0,
            front: None,
        }
    }
}

/// `[model.front]`: convolutions, one after another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FrontConfig {
    /// Width of the convolutions.
    pub channels: usize,
    /// Taps of each.
    pub kernel_size: usize,
    /// Samples between taps; one convolution for each entry.
    pub dilations: Vec<usize>,
    /// After each convolution.
    pub activation: Function,
}

impl Default for FrontConfig {
    fn default() -> Self {
        Self {
            channels: 8,
            kernel_size: 12,
            dilations: vec![1, 8],
            activation: Function::Tanh,
        }
    }
}

impl FrontConfig {
    fn check(&self) -> Result<(), ConfigError> {
        check_range("model.front.channels", self.channels, 1, 4096)?;
        check_range("model.front.kernel_size", self.kernel_size, 1, 65_536)?;
        let count = self.dilations.len();
        check_range("model.front.dilations (count)", count, 1, 64)?;
        for &dilation in &self.dilations {
            check_range("model.front.dilations", dilation, 1, 1 << 20)?;
        }
        check_activation("model.front.activation", self.activation)
    }
}

impl NetworkConfig for RecurrentConfig {
    fn check(&self, _: &WindowConfig) -> Result<(), ConfigError> {
        if let Some(front) = &self.front {
            front.check()?;
        }
        check_range("model.hidden_size", self.hidden_size, 1, 4096)?;
        check_range("model.layers", self.layers, 1, 3)?;
        if let Some(samples) = self.memory {
            check_range("model.memory", samples, 4, 1 << 22)?;
        }
        check_drive(self.drive)?;
        check_warm_up(self.warm_up)?;
        check_range("model.truncate", self.truncate, 1, 1 << 22)
    }

    fn weights(&self, _: &WindowConfig) -> usize {
        let layers = product(&[self.layers, 8, self.hidden_size, self.hidden_size]);
        let front = self.front.as_ref().map_or(0, |front| {
            let each = product(&[front.channels, front.channels, front.kernel_size]);
            product(&[each, front.dilations.len()])
        });
        sum([layers, front])
    }

    fn takes_controls(&self) -> bool {
        true
    }

    fn width(&self) -> usize {
        self.hidden_size
    }

    fn set_width(&mut self, width: usize) {
        self.hidden_size = width;
    }

    fn has_memory(&self) -> bool {
        true
    }

    fn warm_up(&mut self) -> Option<&mut usize> {
        Some(&mut self.warm_up)
    }

    fn truncate(&mut self) -> Option<&mut usize> {
        Some(&mut self.truncate)
    }

    fn benchmark(&self) -> (usize, usize) {
        (40, 2048)
    }
}
