//! The shape of a WaveNet: its layers, the order of its weights, and how far it looks back.

use crate::kernels::activation::Activation;

/// One layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layer {
    /// Taps of the convolution.
    pub kernel_size: usize,
    /// Samples between taps.
    pub dilation: usize,
    /// The activation (of the first half, where gated).
    pub activation: Activation,
    /// Whether the convolution has twice as many outputs, the second half gating the first.
    pub gated: bool,
}

impl Layer {
    /// Samples by which its output is shorter than its input.
    pub fn context(&self) -> usize {
        (self.kernel_size - 1) * self.dilation
    }
}

/// An array of layers of equal width.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerArray {
    /// Width of the layers.
    pub channels: usize,
    /// The layers.
    pub layers: Vec<Layer>,
    /// Outputs of the head convolution; the next array's `channels`.
    pub head_channels: usize,
    /// Taps of the head convolution.
    pub head_kernel_size: usize,
    /// Whether the head convolution has a bias.
    pub head_bias: bool,
}

/// A network.
#[derive(Debug, Clone, PartialEq)]
pub struct WaveNet {
    /// Channels of the input, which is also the condition.
    pub in_channels: usize,
    /// The arrays, at least one, each with at least one layer.
    pub arrays: Vec<LayerArray>,
    /// Factor of the output; not trained.
    pub head_scale: f32,
}

/// Where an array's weights start in the flat list.
#[derive(Debug, Clone)]
pub struct ArrayOffsets {
    /// Inputs of the rechannel.
    pub in_channels: usize,
    /// The 1×1 convolution that the array begins with.
    pub rechannel: usize,
    /// The layers.
    pub layers: Vec<LayerOffsets>,
    /// The head convolution.
    pub head: usize,
    /// Its bias.
    pub head_bias: Option<usize>,
}

/// Where a layer's weights start in the flat list.
#[derive(Debug, Clone, Copy)]
pub struct LayerOffsets {
    /// Outputs of the convolution.
    pub width: usize,
    /// The convolution.
    pub conv: usize,
    /// Its bias.
    pub bias: usize,
    /// What the condition adds to it.
    pub mixer: usize,
    /// From the activation to the layer's output.
    pub one_by_one: usize,
    /// Its bias.
    pub one_by_one_bias: usize,
}

impl WaveNet {
    /// Where everything starts in the flat list of weights, and the list's length.
    pub fn offsets(&self) -> (Vec<ArrayOffsets>, usize) {
        let mut next = 0;
        let mut take = |count| {
            next += count;
            next - count
        };
        let mut in_channels = self.in_channels;
        let mut arrays = Vec::with_capacity(self.arrays.len());
        for array in &self.arrays {
            let channels = array.channels;
            let rechannel = take(channels * in_channels);
            let layer = |layer: &Layer| {
                let width = if layer.gated { 2 * channels } else { channels };
                LayerOffsets {
                    width,
                    conv: take(width * channels * layer.kernel_size),
                    bias: take(width),
                    mixer: take(width * self.in_channels),
                    one_by_one: take(channels * channels),
                    one_by_one_bias: take(channels),
                }
            };
            let layers = array.layers.iter().map(layer).collect();
            let head = take(array.head_channels * channels * array.head_kernel_size);
            let head_bias = array.head_bias.then(|| take(array.head_channels));
            arrays.push(ArrayOffsets {
                in_channels,
                rechannel,
                layers,
                head,
                head_bias,
            });
            in_channels = channels;
        }
        (arrays, next)
    }

    /// Weights in the flat list. Their order is that of a `.nam` file without its last number
    /// (`head_scale`): for each array rechannel `[channels, in]`; for each layer convolution
    /// `[width, channels, kernel]` (tap 0 the oldest) and bias, mixer `[width, in_channels]`,
    /// 1×1 `[channels, channels]` and bias; head `[head_channels, channels, head_kernel]` and bias.
    pub fn weights(&self) -> usize {
        self.offsets().1
    }

    /// Samples of input that one sample of output depends on.
    pub fn receptive_field(&self) -> usize {
        let mut behind = 0;
        for (at, array) in self.arrays.iter().enumerate().rev() {
            // From this array's head backwards, and from the arrays after it through x.
            let head = array.head_kernel_size - 1;
            let own: usize = array.layers.iter().map(Layer::context).sum();
            behind = if at + 1 == self.arrays.len() {
                own + head
            } else {
                own + behind.max(head + self.head_behind(at + 1))
            };
        }
        behind + 1
    }

    /// Samples before the output's first that the head entering array `from` must have.
    pub(super) fn head_behind(&self, from: usize) -> usize {
        self.arrays[from..]
            .iter()
            .map(|array| array.head_kernel_size - 1)
            .sum()
    }

    /// Channels of the output.
    pub fn out_channels(&self) -> usize {
        self.arrays.last().map_or(0, |array| array.head_channels)
    }

    /// Samples of output for `len` of input.
    pub fn output_len(&self, len: usize) -> usize {
        (len + 1).saturating_sub(self.receptive_field())
    }

    /// What does not fit together, if anything.
    pub fn problem(&self) -> Option<String> {
        if self.arrays.is_empty() || self.arrays.iter().any(|array| array.layers.is_empty()) {
            return Some("a WaveNet needs at least one array of at least one layer".to_string());
        }
        for pair in self.arrays.windows(2) {
            if pair[0].head_channels != pair[1].channels {
                return Some(format!(
                    "an array's head_channels ({}) must equal the next array's channels ({})",
                    pair[0].head_channels, pair[1].channels
                ));
            }
        }
        for layer in self.arrays.iter().flat_map(|array| &array.layers) {
            if layer.kernel_size == 0 || layer.dilation == 0 {
                return Some("kernel_size and dilation must be at least 1".to_string());
            }
        }
        None
    }
}
