//! One layer after another.

use super::bounds::{MAX_CHANNELS, channels, size};
use super::error::DescriptionError;
use super::layer::Layer;
use super::part::{Cost, Part};
use serde::{Deserialize, Serialize};

/// One layer after another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequential {
    /// 1 (the audio), or 1 + the number of knobs when those enter as further channels.
    pub input_channels: usize,
    /// The layers.
    pub layers: Vec<Layer>,
}

impl Sequential {
    /// The name people know this kind of network by.
    pub fn family(&self) -> &'static str {
        let mut seen = Seen::default();
        seen.layers(&self.layers);
        if seen.modulated {
            "Modulated"
        } else if seen.lstm && seen.conv_over_time {
            "ConvLSTM"
        } else if seen.lstm {
            "LSTM"
        } else if seen.gru {
            "GRU"
        } else if seen.s4d && seen.activation && !seen.residual {
            "Wiener-Hammerstein"
        } else if seen.s4d {
            "S4D"
        } else if seen.residual && seen.conv_over_time {
            "TCN"
        } else if seen.activation {
            "ConvNet"
        } else {
            "Linear"
        }
    }
}

impl Part for Sequential {
    fn check(&self, in_channels: usize, controls: usize) -> Result<usize, DescriptionError> {
        size("input_channels", self.input_channels, MAX_CHANNELS)?;
        channels("network input", self.input_channels, in_channels)?;
        self.layers.check(in_channels, controls)
    }

    fn cost(&self) -> Option<Cost> {
        self.layers.cost()
    }

    fn context(&self) -> Option<usize> {
        self.layers.context()
    }

    fn shape(&self) -> String {
        self.layers.shape()
    }

    fn depth(&self, limit: usize) -> usize {
        self.layers.depth(limit)
    }
}

#[derive(Default)]
struct Seen {
    lstm: bool,
    gru: bool,
    s4d: bool,
    residual: bool,
    conv_over_time: bool,
    activation: bool,
    modulated: bool,
}

impl Seen {
    fn layers(&mut self, layers: &[Layer]) {
        for layer in layers {
            match layer {
                Layer::Lstm(_) => self.lstm = true,
                Layer::Gru(_) => self.gru = true,
                Layer::S4d(_) => self.s4d = true,
                Layer::Modulated(_) => self.modulated = true,
                Layer::Conv1d(conv) => self.conv_over_time |= conv.kernel_size > 1,
                Layer::Activation(_) | Layer::Glu => self.activation = true,
                Layer::Residual(residual) => {
                    self.residual = true;
                    self.layers(&residual.body);
                }
                Layer::Branches(branches) => branches.branches.iter().for_each(|b| self.layers(b)),
                // The others stand in networks of any family.
                _ => {}
            }
        }
    }
}
