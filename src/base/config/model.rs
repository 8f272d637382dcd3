//! Which network, and how large. Networks read their own table; [`crate::models`] builds them.

use super::data::check_range;
use super::memory::{ConvLstmConfig, RecurrentConfig, S4dConfig, WienerHammersteinConfig};
use super::networks::{TcnConfig, WaveNetConfig};
use super::{ConfigError, WindowConfig};
use serde::{Deserialize, Serialize};

/// The `[model]` table, told apart by `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ModelConfig {
    /// Window → hidden → hidden → window, no activation.
    Linear(DenseConfig),
    /// The same with ReLU between the layers.
    Nonlinear(DenseConfig),
    /// Convolution → ReLU → scale and shift per channel → ReLU → transposed convolution, own
    /// filters on each side.
    Conv(ConvConfig),
    /// The seed's own: both sides share one set of filters.
    ConvTied(ConvConfig),
    /// Convolution → ReLU → transposed convolution.
    ConvNoMiddle(ConvConfig),
    /// A fully connected layer over the channels in the middle.
    ConvDenseMiddle(ConvConfig),
    /// Several filter sizes side by side, outputs summed.
    ConvMultiscale(MultiscaleConfig),
    /// Stacks of dilated convolutions whose layers all feed one head: what players of `.nam`
    /// files run.
    #[serde(rename = "wavenet")]
    WaveNet(WaveNetConfig),
    /// Long short-term memory.
    Lstm(RecurrentConfig),
    /// Gated recurrent units.
    Gru(RecurrentConfig),
    /// Convolutions before an LSTM.
    ConvLstm(ConvLstmConfig),
    /// Dilated convolutions with a shortcut around each.
    Tcn(TcnConfig),
    /// Diagonal state-space layers.
    S4d(S4dConfig),
    /// Filters and clippers in a chain.
    WienerHammerstein(WienerHammersteinConfig),
}

/// Fully connected window networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DenseConfig {
    /// Width of both hidden layers; the seed used 1000.
    pub hidden_size: usize,
}

impl Default for DenseConfig {
    fn default() -> Self {
        Self { hidden_size: 1000 }
    }
}

/// Convolution and transposed convolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConvConfig {
    /// Filters on each side; the seed used 50.
    pub channels: usize,
    /// Taps of a filter; the seed used 50.
    pub kernel_size: usize,
    /// Future samples the network may hear, 0 (causal) to 2·(kernel_size − 1).
    /// Absent: 0, and kernel_size − 1 for `conv-tied`, whose response is then centred.
    pub lookahead: Option<usize>,
}

impl Default for ConvConfig {
    fn default() -> Self {
        Self {
            channels: 50,
            kernel_size: 50,
            lookahead: None,
        }
    }
}

/// Parallel convolution branches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MultiscaleConfig {
    /// Filters of each branch.
    pub channels: usize,
    /// Taps per branch; one branch for each entry.
    pub kernel_sizes: Vec<usize>,
    /// Future samples the network may hear, 0 (causal) to 2·(largest kernel − 1). Absent: 0.
    pub lookahead: Option<usize>,
}

impl Default for MultiscaleConfig {
    fn default() -> Self {
        Self {
            channels: 16,
            kernel_sizes: vec![16, 32, 64],
            lookahead: None,
        }
    }
}

impl ModelConfig {
    /// The `kind` this was read from.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Linear(_) => "linear",
            Self::Nonlinear(_) => "nonlinear",
            Self::Conv(_) => "conv",
            Self::ConvTied(_) => "conv-tied",
            Self::ConvNoMiddle(_) => "conv-no-middle",
            Self::ConvDenseMiddle(_) => "conv-dense-middle",
            Self::ConvMultiscale(_) => "conv-multiscale",
            Self::WaveNet(_) => "wavenet",
            Self::Lstm(_) => "lstm",
            Self::Gru(_) => "gru",
            Self::ConvLstm(_) => "conv-lstm",
            Self::Tcn(_) => "tcn",
            Self::S4d(_) => "s4d",
            Self::WienerHammerstein(_) => "wiener-hammerstein",
        }
    }

    /// Whether this network can be told where knobs stand.
    pub fn takes_controls(&self) -> bool {
        matches!(
            self,
            Self::WaveNet(_)
                | Self::Lstm(_)
                | Self::Gru(_)
                | Self::ConvLstm(_)
                | Self::Tcn(_)
                | Self::S4d(_)
                | Self::WienerHammerstein(_)
        )
    }

    /// Whether this network carries a state from one sample to the next.
    pub fn has_memory(&self) -> bool {
        matches!(
            self,
            Self::Lstm(_)
                | Self::Gru(_)
                | Self::ConvLstm(_)
                | Self::S4d(_)
                | Self::WienerHammerstein(_)
        )
    }

    /// Scales first predictions by `factor`, where the output has a factor that is not learned
    /// and the config leaves it open.
    pub fn scale_output(&mut self, factor: f32) {
        if let Self::WaveNet(wavenet) = self {
            let (_, usual) = wavenet.resolve();
            wavenet.head_scale.get_or_insert(usual * factor);
        }
    }

    /// Takes over the output's fixed factor of the network whose weights are to be loaded, where
    /// the config leaves it open.
    pub fn take_output_scale(&mut self, other: &Self) {
        if let (Self::WaveNet(wavenet), Self::WaveNet(other)) = (self, other) {
            wavenet.head_scale = wavenet.head_scale.or(other.head_scale);
        }
    }

    pub(super) fn check(&self, windows: &WindowConfig) -> Result<(), ConfigError> {
        match self {
            Self::Linear(dense) | Self::Nonlinear(dense) => {
                check_range("model.hidden_size", dense.hidden_size, 1, 65_536)?;
                if windows.window_len % 2 == 1 {
                    // Prediction cross-fades windows by halves.
                    let key = "windows.window_len";
                    return Err(ConfigError::value(
                        key,
                        windows.window_len,
                        "an even length",
                    ));
                }
                // The dense layers are window_len wide: beyond this, one layer alone
                // would not fit into memory.
                let weights = dense.hidden_size.saturating_mul(windows.window_len);
                check_range(
                    "windows.window_len × model.hidden_size",
                    weights,
                    1,
                    1 << 28,
                )
            }
            Self::Conv(conv)
            | Self::ConvTied(conv)
            | Self::ConvNoMiddle(conv)
            | Self::ConvDenseMiddle(conv) => {
                check_range("model.channels", conv.channels, 1, 4096)?;
                check_kernel("model.kernel_size", conv.kernel_size, conv.lookahead)
            }
            Self::ConvMultiscale(conv) => {
                check_range("model.channels", conv.channels, 1, 4096)?;
                check_range("model.kernel_sizes (count)", conv.kernel_sizes.len(), 1, 64)?;
                let largest = conv.kernel_sizes.iter().copied().max().unwrap_or(0);
                let smallest = conv.kernel_sizes.iter().copied().min().unwrap_or(0);
                check_range("model.kernel_sizes", smallest, 1, 65_536)?;
                check_kernel("model.kernel_sizes", largest, conv.lookahead)
            }
            Self::WaveNet(wavenet) => wavenet.check(),
            Self::Lstm(recurrent) | Self::Gru(recurrent) => recurrent.check(),
            Self::ConvLstm(network) => network.check(),
            Self::Tcn(tcn) => tcn.check(),
            Self::S4d(s4d) => s4d.check(),
            Self::WienerHammerstein(chain) => chain.check(),
        }
    }
}

fn check_kernel(key: &str, taps: usize, lookahead: Option<usize>) -> Result<(), ConfigError> {
    check_range(key, taps, 1, 65_536)?;
    check_range("model.lookahead", lookahead.unwrap_or(0), 0, 2 * (taps - 1))
}
