//! What is trained while the clock runs: the presets, a config's network, and the steps of a
//! sweep.

use crate::config::{
    self, Config, ConvConfig, ConvLstmConfig, LossConfig, ModelConfig, RecurrentConfig, S4dConfig,
    TcnConfig, TrainingConfig, WaveNetArray, WaveNetConfig, WaveNetPreset, WienerHammersteinConfig,
    WindowConfig,
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

/// Every preset, in the order of the table.
pub const PRESETS: [&str; 10] = [
    "a1-standard",
    "a2-full",
    "lstm-32",
    "gru-32",
    "lstm-24",
    "conv",
    "conv-lstm",
    "tcn",
    "s4d",
    "wiener-hammerstein",
];

/// The preset called `name`.
///
/// # Errors
/// There is none; the names there are.
pub fn preset(name: &str) -> anyhow::Result<Subject> {
    let wavenet = |preset| {
        ModelConfig::WaveNet(WaveNetConfig {
            preset: Some(preset),
            ..WaveNetConfig::default()
        })
    };
    // The whole window in one piece, nothing before it: the sequence alone is measured.
    let recurrent = |hidden_size| RecurrentConfig {
        hidden_size,
        warm_up: 0,
        truncate: 2048,
        ..RecurrentConfig::default()
    };
    let (model, batch_size, window_len) = match name {
        "a1-standard" => (wavenet(WaveNetPreset::A1Standard), 16, 8192),
        "a2-full" => (wavenet(WaveNetPreset::A2Full), 16, 8192),
        "lstm-32" => (ModelConfig::Lstm(recurrent(32)), 40, 2048),
        "gru-32" => (ModelConfig::Gru(recurrent(32)), 40, 2048),
        "lstm-24" => (ModelConfig::Lstm(recurrent(24)), 40, 2048),
        "conv" => {
            let conv = ConvConfig {
                channels: 50,
                kernel_size: 51,
                lookahead: None,
            };
            (ModelConfig::Conv(conv), 50, 22_050)
        }
        "conv-lstm" => {
            let network = ConvLstmConfig {
                warm_up: 0,
                truncate: 2048,
                ..ConvLstmConfig::default()
            };
            (ModelConfig::ConvLstm(network), 40, 2048)
        }
        "tcn" => (ModelConfig::Tcn(TcnConfig::default()), 16, 8192),
        "s4d" => {
            let network = S4dConfig {
                warm_up: 0,
                ..S4dConfig::default()
            };
            (ModelConfig::S4d(network), 16, 8192)
        }
        "wiener-hammerstein" => {
            let network = WienerHammersteinConfig {
                warm_up: 0,
                ..WienerHammersteinConfig::default()
            };
            (ModelConfig::WienerHammerstein(network), 16, 8192)
        }
        _ => bail!(
            "preset '{name}' is unknown; choose all, or any of {}",
            PRESETS.join(", ")
        ),
    };
    Ok(Subject {
        name: name.to_string(),
        model,
        controls: 0,
        windows: WindowConfig {
            window_len,
            hop: window_len,
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
        let follow = |truncate: &mut usize| {
            if *truncate == before {
                *truncate = window_len;
            }
        };
        match &mut self.model {
            ModelConfig::Lstm(network) | ModelConfig::Gru(network) => follow(&mut network.truncate),
            ModelConfig::ConvLstm(network) => follow(&mut network.truncate),
            _ => {}
        }
        self.windows = WindowConfig {
            window_len,
            hop: window_len,
        };
        self
    }

    /// The width of the network: channels of the first layers, units of a recurrent one.
    pub fn width(&self) -> usize {
        match &self.model {
            ModelConfig::WaveNet(network) => {
                let (arrays, _) = network.resolve();
                arrays.first().map_or(0, |array| array.channels)
            }
            ModelConfig::Lstm(network) | ModelConfig::Gru(network) => network.hidden_size,
            ModelConfig::ConvLstm(network) => network.hidden_size,
            ModelConfig::Tcn(network) => network.channels,
            ModelConfig::S4d(network) => network.channels,
            ModelConfig::WienerHammerstein(network) => network.poles,
            ModelConfig::Linear(network) | ModelConfig::Nonlinear(network) => network.hidden_size,
            ModelConfig::ConvMultiscale(network) => network.channels,
            ModelConfig::Conv(network)
            | ModelConfig::ConvTied(network)
            | ModelConfig::ConvNoMiddle(network)
            | ModelConfig::ConvDenseMiddle(network) => network.channels,
        }
    }

    /// With another width; the arrays of a WaveNet keep their proportions.
    #[must_use]
    pub fn with_width(mut self, width: usize) -> Self {
        let before = self.width().max(1);
        let scaled = |channels: usize| (channels * width / before).max(1);
        match &mut self.model {
            ModelConfig::WaveNet(network) => {
                let (arrays, head_scale) = network.resolve();
                let last = arrays.len().saturating_sub(1);
                let scale = |(at, array): (usize, WaveNetArray)| WaveNetArray {
                    channels: scaled(array.channels),
                    head_size: match at == last {
                        true => array.head_size,
                        false => scaled(array.head_size),
                    },
                    ..array
                };
                *network = WaveNetConfig {
                    preset: None,
                    head_scale: Some(head_scale),
                    arrays: arrays.into_iter().enumerate().map(scale).collect(),
                    ..WaveNetConfig::default()
                };
            }
            ModelConfig::Lstm(network) | ModelConfig::Gru(network) => network.hidden_size = width,
            ModelConfig::ConvLstm(network) => network.hidden_size = width,
            ModelConfig::Tcn(network) => network.channels = width,
            ModelConfig::S4d(network) => network.channels = width,
            ModelConfig::WienerHammerstein(network) => network.poles = width,
            ModelConfig::Linear(network) | ModelConfig::Nonlinear(network) => {
                network.hidden_size = width;
            }
            ModelConfig::ConvMultiscale(network) => network.channels = width,
            ModelConfig::Conv(network)
            | ModelConfig::ConvTied(network)
            | ModelConfig::ConvNoMiddle(network)
            | ModelConfig::ConvDenseMiddle(network) => network.channels = width,
        }
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
        for value in around(self.width()) {
            all.push(named("channels", value, self.clone().with_width(value)));
        }
        all
    }
}
