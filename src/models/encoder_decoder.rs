//! The seed's convolution networks: filters, a middle, filters back, one or several filter
//! sizes side by side.
//!
//! Convolution and transposed convolution are both "valid": every output sample is computed
//! from real input only, so windows have no edges. With kernels of K taps an output sample
//! depends on 2K − 1 input samples; `lookahead` says how many of these lie in its future.

use super::effect_network::{Build, EffectNetwork, Reach, Site};
use super::init::WeightInit;
use super::parts::numbers;
use super::work::Work;
use crate::config::{ConvConfig, ModelConfig, MultiscaleConfig};
use crate::kernels::{self, Filters, ScaleShift};
use crate::network::{self, Affine, Architecture, Branches, Control, Conv1d, Join, Layer, Split};
use burn::module::Param;
use burn::prelude::*;
use burn::tensor::activation::relu;

/// Branches of different filter sizes, outputs summed.
#[derive(Module, Debug)]
pub struct EncoderDecoder {
    branches: Vec<Branch>,
    lookahead: usize,
}

/// Convolution → ReLU → middle → transposed convolution.
#[derive(Module, Debug)]
pub struct Branch {
    /// `[channels, 1, kernel]`, correlated with the input.
    encoder: Param<Tensor<3>>,
    /// `[channels]`; tied filters, the seed's own, have none.
    encoder_bias: Option<Param<Tensor<1>>>,
    /// `[channels, 1, kernel]`, added up at the output; `None`: the encoder's.
    decoder: Option<Param<Tensor<3>>>,
    /// `[1]`; none in tied filters of older runs.
    output_bias: Option<Param<Tensor<1>>>,
    middle: Middle,
}

/// What happens between the rectified channels and the way back.
#[derive(Module, Debug)]
pub struct Middle {
    /// `[channels]`, per-channel factor, followed by ReLU.
    scale: Option<Param<Tensor<1>>>,
    /// `[channels, channels, 1]`, out × in, followed by ReLU.
    dense: Option<Param<Tensor<3>>>,
    /// `[channels]`, added after either.
    shift: Option<Param<Tensor<1>>>,
}

impl Middle {
    /// Nothing.
    pub fn none() -> Self {
        Self {
            scale: None,
            dense: None,
            shift: None,
        }
    }

    /// `relu(scale · x + shift)` per channel, at first the identity.
    pub fn scale_shift(channels: usize, init: &mut WeightInit) -> Self {
        Self {
            scale: Some(init.constant([channels], 1.0)),
            dense: None,
            shift: Some(init.constant([channels], 0.0)),
        }
    }

    /// `relu(W x + shift)` over the channels of one moment.
    pub fn dense(channels: usize, init: &mut WeightInit) -> Self {
        let bound = (6.0 / channels as f32).sqrt();
        Self {
            scale: None,
            dense: Some(init.uniform([channels, channels, 1], bound)),
            shift: Some(init.constant([channels], 0.0)),
        }
    }
}

impl Branch {
    /// Encoder weights uniform in ±√(3/K), which gives channels the variance of a white
    /// input; decoder weights so that the sum over channels and taps does too. Both come in
    /// pairs of opposite sign ([`WeightInit::mirrored`]).
    pub fn new(
        channels: usize,
        kernel: usize,
        tied: bool,
        middle: Middle,
        init: &mut WeightInit,
    ) -> Self {
        // A tied filter is met twice: its gain is squared.
        let inputs = if tied {
            kernel as f32 * (channels as f32).sqrt()
        } else {
            kernel as f32
        };
        let decoder_bound = (3.0 / (channels * kernel) as f32).sqrt();
        Self {
            encoder: init.mirrored([channels, 1, kernel], (3.0 / inputs).sqrt()),
            encoder_bias: (!tied).then(|| init.constant([channels], 0.0)),
            decoder: (!tied).then(|| init.mirrored([channels, 1, kernel], decoder_bound)),
            output_bias: Some(init.constant([1], 0.0)),
            middle,
        }
    }

    fn kernel_size(&self) -> usize {
        self.encoder.dims()[2]
    }

    /// `[batch, 1, n + 2(K − 1)]` → `[batch, 1, n]`.
    fn forward(&self, dry: Tensor<3>) -> Tensor<3> {
        let trimmed = self.kernel_size() - 1;
        let decoder = self.decoder.as_ref().unwrap_or(&self.encoder).val();
        let bias = |p: &Option<Param<Tensor<1>>>| p.as_ref().map(Param::val);
        let Middle {
            scale,
            dense,
            shift,
        } = &self.middle;
        if let Some(dense) = dense {
            let hidden =
                kernels::conv1d(dry, self.encoder.val(), bias(&self.encoder_bias), [0, 0], 1);
            let hidden = kernels::conv1d(relu(hidden), dense.val(), bias(shift), [0, 0], 1);
            let crop = [trimmed, trimmed];
            return kernels::conv_transpose1d(
                relu(hidden),
                decoder,
                bias(&self.output_bias),
                crop,
                1,
            );
        }
        let middle = bias(scale).zip(bias(shift));
        let filters = Filters {
            encoder: self.encoder.val(),
            encoder_bias: bias(&self.encoder_bias),
            middle: middle.map(|(scale, shift)| ScaleShift {
                scale,
                shift,
                rectified: true,
            }),
            decoder,
            decoder_bias: bias(&self.output_bias),
        };
        kernels::encoder_decoder(dry, filters, [0, 0], [trimmed, trimmed])
    }
}

impl Branch {
    /// Multiply-adds of a window of `len` output samples.
    fn work(&self, len: usize) -> Work {
        let [channels, _, taps] = self.encoder.dims();
        let hidden = len + taps - 1;
        let dense = self
            .middle
            .dense
            .as_ref()
            .map_or(0, |_| channels * channels);
        Work::first(channels * taps * hidden)
            + Work::inner(dense * hidden)
            + Work::inner(channels * taps * len)
    }

    /// The layers as a causal sequence.
    fn describe(&self) -> Vec<Layer> {
        let [channels, _, taps] = self.encoder.dims();
        let list = |p: &Option<Param<Tensor<1>>>| p.as_ref().map(numbers).unwrap_or_default();
        let relu = || Layer::Activation(network::Activation::Relu);
        let conv = |in_channels, out_channels, weight, bias| {
            Layer::Conv1d(Conv1d {
                in_channels,
                out_channels,
                kernel_size: taps,
                dilation: 1,
                groups: 1,
                weight,
                bias,
            })
        };
        let encoder = numbers(&self.encoder);
        let mut layers = vec![conv(1, channels, encoder, list(&self.encoder_bias)), relu()];
        let Middle {
            scale,
            dense,
            shift,
        } = &self.middle;
        if let Some(dense) = dense {
            let dense = Conv1d::dense(channels, channels, numbers(dense), list(shift));
            layers.extend([Layer::Conv1d(dense), relu()]);
        } else if let Some(scale) = scale {
            let (scale, shift) = (numbers(scale), list(shift));
            layers.extend([Layer::Affine(Affine { scale, shift }), relu()]);
        }
        // What is added up at y[t + k] is read from x[t − k]: the taps in the other order.
        let mut decoder = numbers(self.decoder.as_ref().unwrap_or(&self.encoder));
        decoder.chunks_exact_mut(taps).for_each(<[f32]>::reverse);
        layers.push(conv(channels, 1, decoder, list(&self.output_bias)));
        layers
    }
}

impl EncoderDecoder {
    /// At least one branch; `lookahead` at most 2(K − 1) of the largest kernel K.
    pub fn new(branches: Vec<Branch>, lookahead: usize) -> Self {
        Self {
            branches,
            lookahead,
        }
    }

    /// Tied filters as they were without a bias, whose constant in silence nothing took off.
    pub fn of_old(&self) -> Option<Self> {
        let mut old = self.clone();
        let tied = |branch: &Branch| branch.decoder.is_none();
        let tied = old.branches.iter_mut().filter(|branch| tied(branch));
        let biases: Vec<_> = tied
            .filter_map(|branch| branch.output_bias.take())
            .collect();
        (!biases.is_empty()).then_some(old)
    }

    /// 2K − 1 of the largest kernel.
    fn receptive_field(&self) -> usize {
        let largest = self.branches.iter().map(Branch::kernel_size).max();
        2 * largest.unwrap_or(1) - 1
    }
}

impl EffectNetwork for EncoderDecoder {
    /// `[batch, 1, context + n + lookahead]` → `[batch, 1, n]`.
    fn forward(&self, dry: Tensor<3>) -> Tensor<3> {
        let len = dry.dims()[2];
        let largest = self.receptive_field();
        let outputs = self.branches.iter().map(|branch| {
            // Smaller filters answer at the same moment as the largest: they hear the
            // latest part of its field.
            let unheard = largest - (2 * branch.kernel_size() - 1);
            branch.forward(dry.clone().slice([0..dry.dims()[0], 0..1, unheard..len]))
        });
        outputs
            .reduce(|sum, output| sum + output)
            .unwrap_or_else(|| dry.clone())
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Samples(self.receptive_field())
    }

    fn work(&self, len: usize) -> Work {
        let branches = self.branches.iter();
        branches.map(|branch| branch.work(len)).sum()
    }

    /// Causal: the look-ahead becomes latency.
    fn architecture(&self, _: u32, _: &[Control]) -> Architecture {
        let mut branches: Vec<Vec<Layer>> = self.branches.iter().map(Branch::describe).collect();
        let layers = match branches.len() {
            1 => branches.swap_remove(0),
            _ => vec![Layer::Branches(Branches {
                split: Split::Copy,
                branches,
                join: Join::Sum,
            })],
        };
        Architecture::Sequential(network::Sequential {
            input_channels: 1,
            layers,
        })
    }

    fn lookahead(&self) -> usize {
        self.lookahead
    }

    fn shift_output(&mut self, by: &[f32]) {
        let by = by.first().copied().unwrap_or(0.0);
        // Outputs are summed: one branch speaks for all.
        if let Some(branch) = self.branches.first_mut() {
            branch.output_bias = branch.output_bias.take().map(|b| b.map(|b| b + by));
        }
    }
}

impl<M: From<EncoderDecoder>> Build<M> for ConvConfig {
    fn build(&self, site: &mut Site<'_>) -> M {
        let (channels, taps, init) = (self.channels, self.kernel_size, &mut site.init);
        let tied = matches!(site.model, ModelConfig::ConvTied(_));
        let middle = match site.model {
            ModelConfig::ConvNoMiddle(_) => Middle::none(),
            ModelConfig::ConvDenseMiddle(_) => Middle::dense(channels, init),
            _ => Middle::scale_shift(channels, init),
        };
        let branch = Branch::new(channels, taps, tied, middle, init);
        let centred = if tied { taps - 1 } else { 0 };
        EncoderDecoder::new(vec![branch], self.lookahead.unwrap_or(centred)).into()
    }
}

impl<M: From<EncoderDecoder>> Build<M> for MultiscaleConfig {
    fn build(&self, site: &mut Site<'_>) -> M {
        let branch = |&taps: &usize| {
            let middle = Middle::scale_shift(self.channels, &mut site.init);
            Branch::new(self.channels, taps, false, middle, &mut site.init)
        };
        let branches = self.kernel_sizes.iter().map(branch).collect();
        EncoderDecoder::new(branches, self.lookahead.unwrap_or(0)).into()
    }
}
