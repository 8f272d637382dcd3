//! Settings of the field's WaveNet: its presets, or arrays spelled out. Knows no other network.

use super::parts::{check_activation, check_drive};
use super::settings::{NetworkConfig, product, sum};
use crate::config::WindowConfig;
use crate::config::error::{ConfigError, check_range};
use crate::network::Function;
use serde::{Deserialize, Serialize};

/// Shapes that players of `.nam` files have fast paths for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaveNetPreset {
    /// 13,802 weights, two arrays of 16 and 8 channels.
    A1Standard,
    /// 6,554 weights, 12 and 6 channels.
    A1Lite,
    /// 3,026 weights, 8 and 4 channels.
    A1Feather,
    /// 842 weights, 4 and 2 channels.
    A1Nano,
    /// 12,146 weights, one array of 8 channels and 23 layers.
    A2Full,
    /// 1,871 weights, the same with 3 channels.
    A2Lite,
    /// A2 lite and A2 full in one: both learn from every step, players choose between them.
    A2,
}

/// `kind = "wavenet"`: a preset, or arrays spelled out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WaveNetConfig {
    /// One of the field's shapes.
    pub preset: Option<WaveNetPreset>,
    /// Factor of the output, never learned. Absent: the preset's, 0.02 with `arrays`; divided by
    /// the gain of `training.target_level_dbfs` where there is one.
    pub head_scale: Option<f32>,
    /// As [`RecurrentConfig::drive`](super::RecurrentConfig::drive).
    pub drive: f32,
    /// Layer arrays, instead of a preset.
    pub arrays: Vec<WaveNetArray>,
}

impl Default for WaveNetConfig {
    fn default() -> Self {
        Self {
            preset: None,
            head_scale: None,
            drive: 1.0,
            arrays: Vec::new(),
        }
    }
}

/// Layers of one width that feed one head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WaveNetArray {
    /// Width of the layers. Each array's head starts from the one before, so an array's
    /// `head_size` is the next one's `channels`.
    pub channels: usize,
    /// Taps of every layer.
    pub kernel_size: usize,
    /// Taps layer by layer, instead of `kernel_size`.
    pub kernel_sizes: Vec<usize>,
    /// Samples between taps; one layer for each entry.
    pub dilations: Vec<usize>,
    /// Of every layer.
    pub activation: Function,
    /// Twice as many convolution outputs, whose second half, through a sigmoid, gates the first.
    pub gated: bool,
    /// Outputs of the head; 1 in the last array.
    pub head_size: usize,
    /// Taps of the head.
    pub head_kernel_size: usize,
    /// Whether the head adds a constant.
    pub head_bias: bool,
}

impl Default for WaveNetArray {
    fn default() -> Self {
        Self {
            channels: 16,
            kernel_size: 3,
            kernel_sizes: Vec::new(),
            dilations: doubling(1, 512),
            activation: Function::Tanh,
            gated: false,
            head_size: 1,
            head_kernel_size: 1,
            head_bias: true,
        }
    }
}

fn doubling(first: usize, last: usize) -> Vec<usize> {
    let next = |d: &usize| (*d < last).then_some(d * 2);
    std::iter::successors(Some(first), next).collect()
}

impl WaveNetArray {
    /// Taps of each layer.
    pub fn layer_kernel_sizes(&self) -> Vec<usize> {
        if self.kernel_sizes.is_empty() {
            vec![self.kernel_size; self.dilations.len()]
        } else {
            self.kernel_sizes.clone()
        }
    }

    fn weights(&self) -> usize {
        let halves = if self.gated { 2 } else { 1 };
        let taps = sum(self.layer_kernel_sizes());
        let layers = product(&[halves, self.channels, self.channels, taps]);
        let head = product(&[self.channels, self.head_size, self.head_kernel_size]);
        sum([layers, head])
    }

    fn check(&self, key: &str) -> Result<(), ConfigError> {
        let at = |name: &str| format!("{key}.{name}");
        check_range(&at("channels"), self.channels, 1, 4096)?;
        check_range(&at("dilations (count)"), self.dilations.len(), 1, 1024)?;
        if !self.kernel_sizes.is_empty() && self.kernel_sizes.len() != self.dilations.len() {
            let allowed = format!("one per dilation: {}", self.dilations.len());
            let got = format!("{} entries", self.kernel_sizes.len());
            return Err(ConfigError::value(at("kernel_sizes"), got, allowed));
        }
        for taps in self.layer_kernel_sizes() {
            check_range(&at("kernel_size"), taps, 1, 65_536)?;
        }
        for &dilation in &self.dilations {
            check_range(&at("dilations"), dilation, 1, 1 << 20)?;
        }
        check_range(&at("head_size"), self.head_size, 1, 4096)?;
        check_range(&at("head_kernel_size"), self.head_kernel_size, 1, 65_536)?;
        check_activation(&at("activation"), self.activation)?;
        if self.activation == Function::PRelu && self.gated {
            // The field's file format has no learned slopes beside a gate.
            let allowed = "an activation without learned slopes beside gated = true";
            return Err(ConfigError::value(at("activation"), "p-relu", allowed));
        }
        Ok(())
    }
}

impl WaveNetPreset {
    /// As configs spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::A1Standard => "a1-standard",
            Self::A1Lite => "a1-lite",
            Self::A1Feather => "a1-feather",
            Self::A1Nano => "a1-nano",
            Self::A2Full => "a2-full",
            Self::A2Lite => "a2-lite",
            Self::A2 => "a2",
        }
    }

    /// The arrays and the head scale it stands for.
    pub fn expand(self) -> (Vec<WaveNetArray>, f32) {
        let short = || doubling(1, 64);
        let long = || [doubling(128, 512), doubling(1, 512)].concat();
        let a1 = |channels: [usize; 2], dilations: [Vec<usize>; 2]| {
            let [first, second] = dilations;
            let array = |channels, dilations, head_size, head_bias| WaveNetArray {
                channels,
                dilations,
                head_size,
                head_bias,
                ..WaveNetArray::default()
            };
            let arrays = vec![
                array(channels[0], first, channels[1], false),
                array(channels[1], second, 1, true),
            ];
            (arrays, 0.02)
        };
        match self {
            Self::A1Standard => a1([16, 8], [doubling(1, 512), doubling(1, 512)]),
            Self::A1Lite => a1([12, 6], [short(), long()]),
            Self::A1Feather => a1([8, 4], [short(), long()]),
            Self::A1Nano => a1([4, 2], [short(), long()]),
            // The full size of the two.
            Self::A2Full | Self::A2 => (vec![a2(8)], 0.01),
            Self::A2Lite => (vec![a2(3)], 0.01),
        }
    }
}

fn a2(channels: usize) -> WaveNetArray {
    const CYCLE: [usize; 7] = [1, 3, 7, 17, 41, 101, 239];
    WaveNetArray {
        channels,
        kernel_sizes: [&[6; 14][..], &[15; 2], &[6; 7]].concat(),
        dilations: [&CYCLE[..], &CYCLE, &[1, 13], &CYCLE].concat(),
        activation: Function::LeakyRelu { slope: 0.01 },
        head_kernel_size: 16,
        ..WaveNetArray::default()
    }
}

impl WaveNetConfig {
    /// Whether this is one capture in several sizes.
    pub fn is_slimmable(&self) -> bool {
        self.preset == Some(WaveNetPreset::A2)
    }

    /// The sizes of a slimmable network, smallest first: below which position of the size knob
    /// each is used, and its shape. A plain network has one.
    pub fn sizes(&self) -> Vec<(f64, Self)> {
        let size = |max_value, preset| {
            let preset = Some(preset);
            let config = Self {
                preset,
                head_scale: self.head_scale,
                arrays: Vec::new(),
                drive: self.drive,
            };
            (max_value, config)
        };
        match self.is_slimmable() {
            true => vec![
                size(0.5, WaveNetPreset::A2Lite),
                size(1.0, WaveNetPreset::A2Full),
            ],
            false => vec![(1.0, self.clone())],
        }
    }

    /// The arrays and the head scale, from the preset or as spelled out.
    pub fn resolve(&self) -> (Vec<WaveNetArray>, f32) {
        let (arrays, usual) = match self.preset {
            Some(preset) => preset.expand(),
            None => (self.arrays.clone(), 0.02),
        };
        (arrays, self.head_scale.unwrap_or(usual))
    }
}

impl NetworkConfig for WaveNetConfig {
    fn check(&self, _: &WindowConfig) -> Result<(), ConfigError> {
        let spelled_out = !self.arrays.is_empty();
        if self.preset.is_some() && spelled_out {
            let allowed = "either preset or arrays";
            return Err(ConfigError::value(
                "model.preset",
                "given with arrays",
                allowed,
            ));
        }
        if self.preset.is_none() && !spelled_out {
            let allowed = "a1-standard, a1-lite, a1-feather, a1-nano, a2-full, a2-lite or a2, or [[model.arrays]]";
            return Err(ConfigError::value("model.preset", "missing", allowed));
        }
        check_drive(self.drive)?;
        if let Some(scale) = self.head_scale {
            check_range("model.head_scale", f64::from(scale), 1e-6, 1e6)?;
        }
        for (index, array) in self.arrays.iter().enumerate() {
            let key = format!("model.arrays.{index}");
            array.check(&key)?;
            let next = self.arrays.get(index + 1).map_or(1, |next| next.channels);
            if array.head_size != next {
                let allowed = format!("{next}, the next array's channels (1 in the last array)");
                return Err(ConfigError::value(
                    format!("{key}.head_size"),
                    array.head_size,
                    allowed,
                ));
            }
        }
        Ok(())
    }

    fn weights(&self, _: &WindowConfig) -> usize {
        let (arrays, _) = self.resolve();
        sum(arrays.iter().map(WaveNetArray::weights))
    }

    fn takes_controls(&self) -> bool {
        true
    }

    fn width(&self) -> usize {
        let (arrays, _) = self.resolve();
        arrays.first().map_or(0, |array| array.channels)
    }

    /// The arrays keep their proportions.
    fn set_width(&mut self, width: usize) {
        let before = self.width().max(1);
        let scaled = |channels: usize| (channels * width / before).max(1);
        let (mut arrays, head_scale) = self.resolve();
        let last = arrays.len().saturating_sub(1);
        for (at, array) in arrays.iter_mut().enumerate() {
            array.channels = scaled(array.channels);
            if at < last {
                array.head_size = scaled(array.head_size);
            }
        }
        *self = Self {
            preset: None,
            head_scale: Some(head_scale),
            arrays,
            ..Self::default()
        };
    }

    fn output_scale(&self) -> Option<f32> {
        self.head_scale
    }

    fn take_output_scale(&mut self, scale: Option<f32>) {
        self.head_scale = self.head_scale.or(scale);
    }

    fn scale_output(&mut self, factor: f32) {
        let (_, usual) = self.resolve();
        self.head_scale.get_or_insert(usual * factor);
    }
}
