//! What is trained while the clock runs: the presets, a config's network, and the steps of a
//! sweep.

use crate::audio::AudioChannels;
use crate::config::{
    self, Config, ConvConfig, FrontConfig, LossConfig, ModelConfig, RecurrentConfig,
    TrainingConfig, WaveNetConfig, WaveNetPreset, WindowConfig,
};
use anyhow::bail;
use std::path::Path;

/// A network with the shape of its batches and its recipe.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What the row is called.
    pub name: String,
    /// The network.
    pub model: ModelConfig,
    /// Channels of sound that it hears and makes.
    pub audio: AudioChannels,
    /// Knobs it hears.
    pub controls: usize,
    /// Output samples per window.
    pub windows: WindowConfig,
    /// What is minimised.
    pub loss: LossConfig,
    /// Batch size, optimiser, clipping.
    pub training: TrainingConfig,
    /// Seeds the weights.
    pub seed: u64,
}

/// Every preset by name, in the order of the table: shapes worth a name of their own, then the
/// networks that take knobs and have no such shape, each as its defaults are.
pub fn presets() -> Vec<(&'static str, ModelConfig)> {
    let wavenet = |preset| {
        ModelConfig::WaveNet(WaveNetConfig {
            preset: Some(preset),
            ..WaveNetConfig::default()
        })
    };
    let recurrent = |hidden_size| RecurrentConfig {
        hidden_size,
        ..RecurrentConfig::default()
    };
    let conv = ConvConfig {
        channels: 50,
        kernel_size: 51,
        lookahead: None,
    };
    let front = RecurrentConfig {
        front: Some(FrontConfig::default()),
        ..RecurrentConfig::default()
    };
    let mut presets = vec![
        ("a1-standard", wavenet(WaveNetPreset::A1Standard)),
        ("a2-full", wavenet(WaveNetPreset::A2Full)),
        ("lstm-32", ModelConfig::Lstm(recurrent(32))),
        ("gru-32", ModelConfig::Gru(recurrent(32))),
        ("lstm-24", ModelConfig::Lstm(recurrent(24))),
        ("conv", ModelConfig::Conv(conv)),
        ("conv-lstm", ModelConfig::Lstm(front)),
    ];
    let has_shape = |kind| presets.iter().any(|(_, shape)| shape.kind() == kind);
    let mut others = ModelConfig::every();
    others.retain(|network| network.takes_controls() && !has_shape(network.kind()));
    presets.extend(others.into_iter().map(|network| (network.kind(), network)));
    presets
}

/// The presets' names, separated by commas.
pub fn preset_names() -> String {
    let names: Vec<&str> = presets().iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// The preset called `name`.
///
/// # Errors
/// There is none; the names there are.
pub fn preset(name: &str) -> anyhow::Result<Subject> {
    let Some((_, mut model)) = presets().into_iter().find(|(known, _)| *known == name) else {
        let names = preset_names();
        bail!("preset '{name}' is unknown; choose all, or any of {names}");
    };
    let (batch_size, window_len) = model.benchmark();
    // The whole window in one piece, nothing before it: the sequence alone is measured.
    if let Some(warm_up) = model.warm_up() {
        *warm_up = 0;
    }
    if let Some(truncate) = model.truncate() {
        *truncate = window_len;
    }
    Ok(Subject {
        name: name.to_string(),
        model,
        audio: AudioChannels::MONO,
        controls: 0,
        windows: WindowConfig {
            window_len,
            hop: window_len,
            per_epoch: None,
        },
        loss: LossConfig::default(),
        training: TrainingConfig {
            batch_size,
            ..TrainingConfig::default()
        },
        seed: 1,
    })
}

/// The network, windows, loss and recipe of a config file; its recordings are not read.
///
/// # Errors
/// The file cannot be read, or something in it is wrong.
pub fn from_config(path: &Path, overrides: &[String]) -> anyhow::Result<Subject> {
    let config: Config = config::load(path, overrides)?;
    Ok(Subject {
        name: config.name,
        audio: config.data.audio_channels(),
        controls: config.data.knobs().len(),
        model: config.model,
        windows: config.windows,
        loss: config.loss,
        training: config.training,
        seed: config.seed,
    })
}

impl Subject {
    /// With another batch size.
    #[must_use]
    pub fn with_batch(mut self, batch_size: usize) -> Self {
        self.training.batch_size = batch_size;
        self
    }

    /// With another window length. A recurrent network that was to take a window in one piece
    /// still does.
    #[must_use]
    pub fn with_window(mut self, window_len: usize) -> Self {
        let before = self.windows.window_len;
        if let Some(truncate) = self.model.truncate().filter(|t| **t == before) {
            *truncate = window_len;
        }
        self.windows = WindowConfig {
            window_len,
            hop: window_len,
            per_epoch: None,
        };
        self
    }

    /// With another width of the network.
    #[must_use]
    pub fn with_width(mut self, width: usize) -> Self {
        self.model.set_width(width);
        self
    }

    /// The same network at other batch sizes, window lengths and widths, one thing at a time.
    pub fn sweep(&self) -> Vec<Subject> {
        let named = |what: &str, value: usize, subject: Subject| Subject {
            name: format!("{} {what} {value}", self.name),
            ..subject
        };
        let (batch, window) = (self.training.batch_size, self.windows.window_len);
        let around = |middle: usize| {
            // Quarter to four times, and one odd number that no register tile divides.
            let mut values = vec![middle / 4, middle / 2, middle, middle * 2, middle * 4];
            values.push((middle / 2 + middle / 4) | 1);
            values.retain(|&value| value > 0);
            values.sort_unstable();
            values.dedup();
            values
        };
        let mut all = Vec::new();
        let batches = [vec![1, 2], around(batch)].concat();
        let mut batches: Vec<usize> = batches;
        batches.sort_unstable();
        batches.dedup();
        for value in batches {
            all.push(named("batch", value, self.clone().with_batch(value)));
        }
        for value in around(window) {
            all.push(named("window", value, self.clone().with_window(value)));
        }
        for value in around(self.model.width()) {
            all.push(named("channels", value, self.clone().with_width(value)));
        }
        all
    }
}
