//! The weights of a network as the products read them, and what all tasks of a pass share. Knows no
//! time.

use super::shape::{ArrayOffsets, Layer, LayerArray, LayerOffsets, WaveNet};
use crate::kernels::products::combine::Packed;
use crate::simd::Isa;

/// The weights of a layer as the products read them.
pub struct LayerWeights {
    /// Convolution and mixer: taps (channel, k), then the condition's channels.
    pub conv: Packed,
    pub bias: Vec<f32>,
    pub one_by_one: Packed,
    pub one_by_one_bias: Vec<f32>,
    /// The 1×1 and its bias, negated: from the output of the layer back to its input.
    pub one_by_one_undo: Packed,
    pub one_by_one_bias_undo: Vec<f32>,
    /// From the output of the 1×1 to its input.
    pub one_by_one_back: Packed,
    /// From the convolution's output to its input: taps (output, k).
    pub conv_back: Packed,
    /// From the convolution's output to the condition.
    pub mixer_back: Packed,
}

pub struct ArrayWeights {
    pub rechannel: Packed,
    pub rechannel_back: Packed,
    pub layers: Vec<LayerWeights>,
    /// Times the head scale for the last array.
    pub head: Packed,
    pub head_bias: Vec<f32>,
    /// Taps (output, k).
    pub head_back: Packed,
    pub scale: f32,
}

/// One pass over a batch: what its tasks share.
pub struct Pass<'a> {
    pub net: &'a WaveNet,
    pub isa: Isa,
    pub offsets: Vec<ArrayOffsets>,
    pub weights: Vec<ArrayWeights>,
    pub count: usize,
    /// From the last layer's output, which nobody reads, to its activation: no taps.
    pub nothing: Packed,
}

impl<'a> Pass<'a> {
    pub fn new(net: &'a WaveNet, isa: Isa, weights: &[f32]) -> Pass<'a> {
        let problem = net.problem();
        assert!(problem.is_none(), "{}", problem.unwrap_or_default());
        let (offsets, count) = net.offsets();
        assert_eq!(weights.len(), count, "weights of a WaveNet");
        let arrays = net.arrays.len();
        let channels = net.arrays.last().map_or(0, |array| array.channels);
        let pack = |(at, (array, offsets)): (usize, (&LayerArray, &ArrayOffsets))| {
            let scale = if at + 1 == arrays {
                net.head_scale
            } else {
                1.0
            };
            ArrayWeights::new(net, array, offsets, weights, scale)
        };
        let weights = net
            .arrays
            .iter()
            .zip(&offsets)
            .enumerate()
            .map(pack)
            .collect();
        Pass {
            net,
            isa,
            offsets,
            weights,
            count,
            nothing: Packed::new(channels, 0, |_, _| 0.0),
        }
    }
}

impl ArrayWeights {
    fn new(
        net: &WaveNet,
        array: &LayerArray,
        at: &ArrayOffsets,
        weights: &[f32],
        scale: f32,
    ) -> ArrayWeights {
        let channels = array.channels;
        let (ins, kernel) = (at.in_channels, array.head_kernel_size);
        let rechannel = &weights[at.rechannel..];
        let head = &weights[at.head..];
        let layers = array.layers.iter().zip(&at.layers);
        ArrayWeights {
            rechannel: Packed::new(channels, ins, |m, j| rechannel[m * ins + j]),
            rechannel_back: Packed::new(ins, channels, |m, j| rechannel[j * ins + m]),
            layers: layers
                .map(|(layer, at)| LayerWeights::new(net, channels, layer, at, weights))
                .collect(),
            head: Packed::new(array.head_channels, channels * kernel, |m, j| {
                scale * head[m * channels * kernel + j]
            }),
            head_bias: match at.head_bias {
                Some(bias) => weights[bias..][..array.head_channels]
                    .iter()
                    .map(|bias| scale * bias)
                    .collect(),
                None => vec![0.0; array.head_channels],
            },
            head_back: Packed::new(channels, array.head_channels * kernel, |m, j| {
                let (o, k) = (j / kernel, j % kernel);
                scale * head[(o * channels + m) * kernel + k]
            }),
            scale,
        }
    }
}

impl LayerWeights {
    fn new(
        net: &WaveNet,
        channels: usize,
        layer: &Layer,
        at: &LayerOffsets,
        weights: &[f32],
    ) -> LayerWeights {
        let kernel = layer.kernel_size;
        let taps = channels * kernel;
        let (conv, mixer) = (&weights[at.conv..], &weights[at.mixer..]);
        let one = &weights[at.one_by_one..];
        let one_by_one_bias = weights[at.one_by_one_bias..][..channels].to_vec();
        LayerWeights {
            conv: Packed::new(at.width, taps + net.in_channels, |m, j| {
                if j < taps {
                    conv[m * taps + j]
                } else {
                    mixer[m * net.in_channels + j - taps]
                }
            }),
            bias: weights[at.bias..][..at.width].to_vec(),
            one_by_one: Packed::new(channels, channels, |m, j| one[m * channels + j]),
            one_by_one_undo: Packed::new(channels, channels, |m, j| -one[m * channels + j]),
            one_by_one_bias_undo: one_by_one_bias.iter().map(|bias| -bias).collect(),
            one_by_one_bias,
            one_by_one_back: Packed::new(channels, channels, |m, j| one[j * channels + m]),
            conv_back: Packed::new(channels, at.width * kernel, |m, j| {
                conv[(j / kernel) * taps + m * kernel + j % kernel]
            }),
            mixer_back: Packed::new(net.in_channels, at.width, |m, j| {
                mixer[j * net.in_channels + m]
            }),
        }
    }
}
