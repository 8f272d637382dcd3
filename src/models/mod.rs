//! Networks and tensor losses. A network turns a batch of dry windows into predicted wet
//! windows, and says how far around an output sample it listens.
//!
//! Knows no optimiser, no file and no recording. Tensors are `[batch, channel, time]`. There
//! are no backend type parameters: the device decides, at run time.

mod dense;
pub mod description;
mod encoder_decoder;
mod init;
pub mod loss;
pub mod predict;

pub use dense::DenseNetwork;
pub use encoder_decoder::{Branch, EncoderDecoder, Middle};
pub use init::WeightInit;

use crate::config::{ModelConfig, WindowConfig};
use burn::prelude::*;

/// One of the networks.
#[derive(Module, Debug)]
pub enum EffectModel {
    /// Fully connected over a window.
    Dense(DenseNetwork),
    /// Convolution and transposed convolution.
    EncoderDecoder(EncoderDecoder),
}

/// Builds the network of `config` with weights drawn from `seed`: the same on every device.
pub fn build(
    config: &ModelConfig,
    windows: &WindowConfig,
    seed: u64,
    device: &Device,
) -> EffectModel {
    let mut init = WeightInit::new(seed, device);
    match config {
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
    /// `[batch, 1, context + n + lookahead]` → `[batch, 1, n]`, with `n` any length of at
    /// least 1 (a dense network: exactly [`EffectModel::fixed_window`]).
    pub fn forward(&self, dry: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Dense(network) => network.forward(dry),
            Self::EncoderDecoder(network) => network.forward(dry),
        }
    }

    /// Input samples that one output sample depends on, 1 for a dense network, whose output
    /// depends on its whole window instead.
    pub fn receptive_field(&self) -> usize {
        match self {
            Self::Dense(_) => 1,
            Self::EncoderDecoder(network) => network.receptive_field(),
        }
    }

    /// How many of these lie in the future.
    pub fn lookahead(&self) -> usize {
        match self {
            Self::Dense(_) => 0,
            Self::EncoderDecoder(network) => network.lookahead(),
        }
    }

    /// How many of these lie in the past.
    pub fn context(&self) -> usize {
        self.receptive_field() - 1 - self.lookahead()
    }

    /// The only window length this network accepts; `None`: any.
    pub fn fixed_window(&self) -> Option<usize> {
        match self {
            Self::Dense(network) => Some(network.window_len()),
            Self::EncoderDecoder(_) => None,
        }
    }
}
