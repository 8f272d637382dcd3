//! The networks with memory: recurrent, convolutions before a recurrent one, state-space, and
//! filters with clippers. Sizes and first memories only; [`crate::models`] builds them.

use super::ConfigError;
use super::data::check_range;
use super::networks::{Activation, Conditioning, check_drive};
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
    /// Samples before each training window (and each span) that only fill the memory.
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
}

impl Default for RecurrentConfig {
    fn default() -> Self {
        Self {
            hidden_size: 32,
            layers: 1,
            skip: true,
            warm_up: 1024,
            truncate: 1024,
            memory: None,
            drive: 1.0,
        }
    }
}

impl RecurrentConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_range("model.hidden_size", self.hidden_size, 1, 4096)?;
        check_range("model.layers", self.layers, 1, 3)?;
        if let Some(samples) = self.memory {
            check_range("model.memory", samples, 4, 1 << 22)?;
        }
        check_drive(self.drive)?;
        check_memory(self.warm_up, self.truncate)
    }
}

fn check_memory(warm_up: usize, truncate: usize) -> Result<(), ConfigError> {
    check_range("model.warm_up", warm_up, 0, 1 << 22)?;
    check_range("model.truncate", truncate, 1, 1 << 22)
}

/// `kind = "conv-lstm"`: convolutions that prepare what an LSTM remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConvLstmConfig {
    /// Width of the convolutions.
    pub channels: usize,
    /// Taps of each convolution.
    pub kernel_size: usize,
    /// Samples between taps; one convolution for each entry.
    pub dilations: Vec<usize>,
    /// After each convolution.
    pub activation: Activation,
    /// Units of each recurrent layer.
    pub hidden_size: usize,
    /// Recurrent layers.
    pub layers: usize,
    /// As [`RecurrentConfig::skip`].
    pub skip: bool,
    /// As [`RecurrentConfig::warm_up`]; the convolutions' own context comes on top.
    pub warm_up: usize,
    /// As [`RecurrentConfig::truncate`].
    pub truncate: usize,
    /// As [`RecurrentConfig::memory`].
    pub memory: Option<usize>,
    /// As [`RecurrentConfig::drive`].
    pub drive: f32,
}

impl Default for ConvLstmConfig {
    fn default() -> Self {
        let recurrent = RecurrentConfig::default();
        Self {
            channels: 8,
            kernel_size: 12,
            dilations: vec![1, 8],
            activation: Activation::Tanh,
            hidden_size: recurrent.hidden_size,
            layers: 1,
            skip: true,
            warm_up: recurrent.warm_up,
            truncate: recurrent.truncate,
            memory: None,
            drive: 1.0,
        }
    }
}

impl ConvLstmConfig {
    /// The part behind the convolutions.
    pub fn recurrent(&self) -> RecurrentConfig {
        RecurrentConfig {
            hidden_size: self.hidden_size,
            layers: self.layers,
            skip: self.skip,
            warm_up: self.warm_up,
            truncate: self.truncate,
            memory: self.memory,
            drive: 1.0,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_range("model.channels", self.channels, 1, 4096)?;
        check_range("model.kernel_size", self.kernel_size, 1, 65_536)?;
        check_range("model.dilations (count)", self.dilations.len(), 1, 64)?;
        for &dilation in &self.dilations {
            check_range("model.dilations", dilation, 1, 1 << 20)?;
        }
        self.activation.check("model.activation")?;
        check_drive(self.drive)?;
        self.recurrent().check()
    }
}

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
    pub activation: Activation,
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
            activation: Activation::Tanh,
            gated: false,
            memory: 1000,
            conditioning: Conditioning::Film,
            warm_up: 4096,
            drive: 1.0,
        }
    }
}

impl S4dConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_range("model.channels", self.channels, 1, 4096)?;
        check_range("model.states", self.states, 1, 256)?;
        check_range("model.layers", self.layers, 1, 256)?;
        check_range("model.memory", self.memory, 10, 1 << 22)?;
        check_drive(self.drive)?;
        self.activation.check("model.activation")?;
        check_memory(self.warm_up, 1)
    }
}

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

impl WienerHammersteinConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_range("model.clippers", self.clippers, 1, 64)?;
        check_range("model.poles", self.poles, 1, 256)?;
        check_range("model.memory", self.memory, 10, 1 << 22)?;
        check_drive(self.drive)?;
        check_memory(self.warm_up, 1)
    }
}
