//! Networks and tensor losses. A network turns a batch of dry windows into predicted wet
//! windows, and says how far around an output sample it listens.
//!
//! Knows no optimiser, no file and no recording. Tensors are `[batch, channel, time]`. There
//! are no backend type parameters: the device decides, at run time.

mod dense;
mod encoder_decoder;
mod filter_bank;
mod import;
mod init;
pub mod loss;
mod named;
mod parts;
pub mod predict;
mod recurrent;
mod s4d;
mod slimmable;
mod state;
mod tcn;
mod wavenet;
mod wiener_hammerstein;
mod work;

pub use dense::DenseNetwork;
pub use encoder_decoder::{Branch, EncoderDecoder, Middle};
pub use import::{Imported, import};
pub use init::WeightInit;
pub use recurrent::{RecurrentNetwork, Unit};
pub use s4d::S4dNetwork;
pub use slimmable::SlimmableNetwork;
pub use state::State;
pub use tcn::Tcn;
pub use wavenet::WaveNet;
pub use wiener_hammerstein::WienerHammerstein;
pub use work::Work;

use crate::config::{ModelConfig, WindowConfig};
use crate::network::{Architecture, Control, Network};
use burn::prelude::*;

/// One of the networks.
#[derive(Module, Debug)]
pub enum EffectModel {
    /// Fully connected over a window.
    Dense(DenseNetwork),
    /// Convolution and transposed convolution.
    EncoderDecoder(EncoderDecoder),
    /// Stacks of dilated convolutions that feed one head.
    WaveNet(WaveNet),
    /// LSTM or GRU, with or without convolutions in front.
    Recurrent(RecurrentNetwork),
    /// Dilated convolutions with shortcuts.
    Tcn(Tcn),
    /// Diagonal state-space layers.
    S4d(S4dNetwork),
    /// Filters and clippers in a chain.
    WienerHammerstein(WienerHammerstein),
    /// WaveNets of several sizes that learn together.
    Slimmable(SlimmableNetwork),
}

/// Builds the network of `config` for that many knobs, with weights drawn from `seed`: the same
/// on every device. Networks that take no knobs ([`ModelConfig::takes_controls`]) ignore them.
pub fn build(
    config: &ModelConfig,
    windows: &WindowConfig,
    controls: usize,
    seed: u64,
    device: &Device,
) -> EffectModel {
    let mut init = WeightInit::new(seed, device);
    let inputs = 1 + controls;
    match config {
        ModelConfig::WaveNet(config) if config.is_slimmable() => {
            EffectModel::Slimmable(SlimmableNetwork::new(config, inputs, &mut init))
        }
        ModelConfig::WaveNet(config) => {
            EffectModel::WaveNet(WaveNet::new(config, inputs, &mut init))
        }
        ModelConfig::Lstm(config) => {
            EffectModel::Recurrent(RecurrentNetwork::new(Unit::Lstm, config, inputs, &mut init))
        }
        ModelConfig::Gru(config) => {
            EffectModel::Recurrent(RecurrentNetwork::new(Unit::Gru, config, inputs, &mut init))
        }
        ModelConfig::ConvLstm(config) => EffectModel::Recurrent(
            RecurrentNetwork::behind_convolutions(config, inputs, &mut init),
        ),
        ModelConfig::Tcn(config) => EffectModel::Tcn(Tcn::new(config, inputs, &mut init)),
        ModelConfig::S4d(config) => EffectModel::S4d(S4dNetwork::new(config, inputs, &mut init)),
        ModelConfig::WienerHammerstein(config) => {
            EffectModel::WienerHammerstein(WienerHammerstein::new(config, inputs, &mut init))
        }
        ModelConfig::Linear(dense) | ModelConfig::Nonlinear(dense) => {
            EffectModel::Dense(DenseNetwork::new(
                windows.window_len,
                dense.hidden_size,
                matches!(config, ModelConfig::Nonlinear(_)),
                &mut init,
            ))
        }
        ModelConfig::Conv(conv)
        | ModelConfig::ConvTied(conv)
        | ModelConfig::ConvNoMiddle(conv)
        | ModelConfig::ConvDenseMiddle(conv) => {
            let tied = matches!(config, ModelConfig::ConvTied(_));
            let middle = match config {
                ModelConfig::ConvNoMiddle(_) => Middle::none(),
                ModelConfig::ConvDenseMiddle(_) => Middle::dense(conv.channels, &mut init),
                _ => Middle::scale_shift(conv.channels, &mut init),
            };
            let branch = Branch::new(conv.channels, conv.kernel_size, tied, middle, &mut init);
            let centred = if tied { conv.kernel_size - 1 } else { 0 };
            let lookahead = conv.lookahead.unwrap_or(centred);
            EffectModel::EncoderDecoder(EncoderDecoder::new(vec![branch], lookahead))
        }
        ModelConfig::ConvMultiscale(conv) => {
            let mut branch = |kernel_size: &usize| {
                let middle = Middle::scale_shift(conv.channels, &mut init);
                Branch::new(conv.channels, *kernel_size, false, middle, &mut init)
            };
            let branches = conv.kernel_sizes.iter().map(&mut branch).collect();
            EffectModel::EncoderDecoder(EncoderDecoder::new(branches, conv.lookahead.unwrap_or(0)))
        }
    }
}

impl EffectModel {
    /// Predicted windows for dry windows.
    ///
    /// `[batch, 1 + controls, context + n + lookahead]` → `[batch, 1, n]`, with `n` any length of
    /// at least 1 (a dense network: exactly [`EffectModel::fixed_window`]).
    pub fn forward(&self, dry: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Dense(network) => network.forward(dry),
            Self::EncoderDecoder(network) => network.forward(dry),
            Self::WaveNet(network) => network.forward(dry),
            Self::Slimmable(network) => network.forward(dry),
            Self::Recurrent(network) => network.forward(dry),
            Self::Tcn(network) => network.forward(dry),
            Self::S4d(network) => network.forward(dry),
            Self::WienerHammerstein(network) => network.forward(dry),
        }
    }

    /// What training compares with the wet windows: the prediction of every size of a slimmable
    /// network, smallest first, else the one prediction; each as [`EffectModel::forward`].
    pub fn forward_sizes(&self, dry: Tensor<3>) -> Vec<Tensor<3>> {
        match self {
            Self::Slimmable(network) => network.forward_sizes(dry),
            _ => vec![self.forward(dry)],
        }
    }

    /// The sizes of a slimmable network as networks of their own, smallest first; else itself.
    pub fn sizes(&self) -> Vec<Self> {
        match self {
            Self::Slimmable(network) => network
                .sizes()
                .map(|(_, size)| Self::WaveNet(size.clone()))
                .collect(),
            _ => vec![self.clone()],
        }
    }

    /// As [`EffectModel::forward`] from where `state` stands: `[batch, 1 + controls, lookback +
    /// n + lookahead]` → `[batch, 1, n]`, and where it stands afterwards. Only networks with
    /// memory have a state; for the others lookback is the context.
    pub fn advance(&self, dry: Tensor<3>, state: State) -> (Tensor<3>, State) {
        match self {
            Self::Recurrent(network) => network.advance(dry, state),
            Self::S4d(network) => network.advance(dry, state),
            Self::WienerHammerstein(network) => network.advance(dry, state),
            _ => (self.forward(dry), state),
        }
    }

    /// Input samples that one output sample depends on: 1 for a dense network, whose output
    /// depends on its whole window instead; `None` for networks that never quite forget.
    pub fn receptive_field(&self) -> Option<usize> {
        match self {
            Self::Dense(_) => Some(1),
            Self::EncoderDecoder(network) => Some(network.receptive_field()),
            Self::WaveNet(network) => Some(network.receptive_field()),
            Self::Slimmable(network) => Some(network.receptive_field()),
            Self::Tcn(network) => Some(network.receptive_field()),
            Self::Recurrent(_) | Self::S4d(_) | Self::WienerHammerstein(_) => None,
        }
    }

    /// How many of these lie in the future.
    pub fn lookahead(&self) -> usize {
        match self {
            Self::EncoderDecoder(network) => network.lookahead(),
            _ => 0,
        }
    }

    /// Past samples that an answer needs beside the memory's state.
    pub fn lookback(&self) -> usize {
        match (self, self.receptive_field()) {
            (Self::Recurrent(network), _) => network.lookback(),
            (_, Some(field)) => field - 1 - self.lookahead(),
            (_, None) => 0,
        }
    }

    /// Past samples that a window needs before its first output: what the network looks back
    /// over, and what its memory is filled with first.
    pub fn context(&self) -> usize {
        self.lookback() + self.warm_up()
    }

    /// Samples that only fill the memory.
    pub fn warm_up(&self) -> usize {
        match self {
            Self::Recurrent(network) => network.warm_up(),
            Self::S4d(network) => network.warm_up(),
            Self::WienerHammerstein(network) => network.warm_up(),
            _ => 0,
        }
    }

    /// The only window length this network accepts; `None`: any.
    pub fn fixed_window(&self) -> Option<usize> {
        match self {
            Self::Dense(network) => Some(network.window_len()),
            _ => None,
        }
    }

    /// Multiply-adds of one training window of `window_len` output samples.
    pub fn work(&self, window_len: usize) -> Work {
        match self {
            Self::Dense(network) => network.work(),
            Self::EncoderDecoder(network) => network.work(window_len),
            Self::WaveNet(network) => network.work(window_len),
            Self::Slimmable(network) => network.work(window_len),
            Self::Recurrent(network) => network.work(window_len),
            Self::Tcn(network) => network.work(window_len),
            Self::S4d(network) => network.work(window_len),
            Self::WienerHammerstein(network) => network.work(window_len),
        }
    }

    /// The network as numbers: what the engine plays and the file formats write.
    pub fn describe(&self, sample_rate: u32, controls: Vec<Control>) -> Network {
        let architecture = match self {
            Self::Dense(network) => Architecture::Window(network.describe()),
            Self::EncoderDecoder(network) => Architecture::Sequential(network.describe()),
            Self::WaveNet(network) => Architecture::WaveNet(network.describe()),
            Self::Slimmable(network) => {
                Architecture::Slimmable(network.describe(sample_rate, &controls))
            }
            Self::Recurrent(network) => Architecture::Sequential(network.describe()),
            Self::Tcn(network) => Architecture::Sequential(network.describe()),
            Self::S4d(network) => Architecture::Sequential(network.describe()),
            Self::WienerHammerstein(network) => Architecture::Sequential(network.describe()),
        };
        Network {
            controls,
            delay_samples: self.lookahead(),
            ..Network::new(architecture, sample_rate)
        }
    }
}
