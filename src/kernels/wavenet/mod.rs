//! A whole WaveNet in one operator, forward and backward.
//!
//! An array of layers: x₀ = R·input (a 1×1 convolution), then for each layer
//! `z = conv(x) + b + M·condition`, `a = act(z)` (gated: act of the first half times the sigmoid
//! of the second), `head += a`, `x ← x + W·a + w`; at the end `H·head (+ h)`, a convolution, is
//! the head of the next array, whose input is x. The network's output is the last head times
//! `head_scale`; its input is every array's condition. All convolutions are "valid": each layer's
//! output is shorter than its input by its context, and everything is aligned at the end.
//!
//! How it is fast. An item of the batch is one task (with others where items are few). Time is cut
//! into segments short enough that what goes from layer to layer stays in the second-level cache:
//! forward, a segment goes through all layers before the next one; backward, from the last
//! segment to the first, through all layers in turn, each of which remembers as much of its
//! gradient as the segment before will ask for ([`geometry::Window`]). Within a segment, tiles stay
//! in the first-level cache from convolution to residual.
//!
//! What is kept. The forward pass keeps each layer's activation (the slope follows from it), for
//! these are what costs most to compute again. It does not keep the layers' inputs: the backward
//! pass has x + W·a + w from the layer behind, and takes W·a + w away again while a is near. For an
//! eighth more arithmetic there, that halves what goes to memory and comes back (the process takes
//! 237 MB for A1 standard at 16 × 8192 samples, and took 385 when inputs were kept too). Where a
//! layer's output has not begun yet, its input, one context long, is kept; and every twelfth input
//! is kept whole, which bounds the rounding: recovering x adds and takes away the same C + 1 terms,
//! each rounded once (twice where no fused multiply-add exists), so after twelve layers x is off by
//! at most 24 (C + 2) · 2⁻²⁴ of the largest partial sum (2.6e-5 for 16 channels; 1e-6 where
//! roundings are independent), and a weight's gradient likewise. Of the partial sum, not of x: a
//! layer whose W·a + w is a thousand times its x gives x back to three digits fewer.
//!
//! How it gets there. Memory is much slower than the arithmetic, but only while one waits for it:
//! activations are copied to where they are kept a line at a time beside the next tile's
//! multiply-adds, past the caches ([`super::rows::CopyRows`]), and fetched ahead of the backward
//! pass in the same way. Copying them at once cost 11 of 58 ms, beside the arithmetic 4.
//!
//! Deterministic like [`super::conv`]; the slow form is [`super::reference::wavenet`].

mod backward;
mod forward;
mod geometry;
mod pass;

use rayon::prelude::*;

use super::activation::Activation;
use super::buffers::Buffer;
use super::conv::add_parts;
use super::rows::Shared;
use crate::simd::Isa;
use geometry::{Cut, Task, input_multiply_adds, multiply_adds};
use pass::Pass;

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
pub(crate) struct ArrayOffsets {
    pub in_channels: usize,
    pub rechannel: usize,
    pub layers: Vec<LayerOffsets>,
    pub head: usize,
    pub head_bias: Option<usize>,
}

/// Where a layer's weights start in the flat list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerOffsets {
    /// Outputs of the convolution.
    pub width: usize,
    pub conv: usize,
    pub bias: usize,
    pub mixer: usize,
    pub one_by_one: usize,
    pub one_by_one_bias: usize,
}

impl WaveNet {
    /// Where everything starts in the flat list of weights, and the list's length.
    pub(crate) fn offsets(&self) -> (Vec<ArrayOffsets>, usize) {
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
    fn head_behind(&self, from: usize) -> usize {
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

    /// Multiply-adds of a forward pass over one item of `len` samples; a training step has three
    /// times as many (less the gradient of the input).
    pub fn multiply_adds(&self, len: usize) -> u64 {
        multiply_adds(self, len) as u64
    }

    /// Those of [`WaveNet::multiply_adds`] that read the network's input: the first convolution
    /// that enters an array, and the mixers.
    pub fn input_multiply_adds(&self, len: usize) -> u64 {
        input_multiply_adds(self, len) as u64
    }

    /// y `[batch, out_channels, output_len]` of x `[batch, in_channels, len]`. With `keep`, what
    /// the backward pass needs is returned, else an empty buffer.
    ///
    /// # Panics
    /// A slice's length does not fit, or [`WaveNet::problem`] has one.
    pub fn forward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &[f32],
        y: &mut [f32],
        keep: bool,
    ) -> Buffer {
        let pass = Pass::new(self, isa, weights);
        let cut = Cut::new(self, batch, x.len());
        assert_eq!(y.len(), batch * self.out_channels() * cut.out_len);
        let size = cut.geometry.size();
        let mut kept = Buffer::new(if keep { cut.tasks.len() * size } else { 0 });
        let y = Shared::new(y);
        let run = |task: &Task, memory: &mut [f32]| {
            let geometry = cut.geometry_of(task);
            let x = &x[task.item * self.in_channels * cut.len..][..self.in_channels * cut.len];
            let from = task.item * self.out_channels() * cut.out_len + task.from;
            // SAFETY: each task writes its own samples of its item.
            let y = unsafe { y.rows(from, cut.out_len, self.out_channels(), task.count) };
            pass.forward(geometry, &x[task.from..], cut.len, memory, y);
        };
        if keep {
            cut.tasks
                .par_iter()
                .zip(kept.par_chunks_exact_mut(size))
                .for_each(|(task, memory)| run(task, memory));
        } else {
            cut.tasks.par_iter().for_each(|task| run(task, &mut []));
        }
        kept
    }

    /// y as [`WaveNet::forward`] gives it, for those who want no gradient.
    ///
    /// # Panics
    /// As there.
    pub fn predict(&self, isa: Isa, batch: usize, x: &[f32], weights: &[f32], y: &mut [f32]) {
        self.forward(isa, batch, x, weights, y, false);
    }

    /// The gradients of the weights and, if `want_x`, of x, for dy.
    ///
    /// # Panics
    /// A slice's length does not fit, or `kept` is not this input's.
    #[allow(clippy::too_many_arguments)]
    pub fn backward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &[f32],
        kept: &[f32],
        dy: &[f32],
        want_x: bool,
    ) -> (Vec<f32>, Option<Vec<f32>>) {
        let pass = Pass::new(self, isa, weights);
        let cut = Cut::new(self, batch, x.len());
        let size = cut.geometry.size();
        assert_eq!(dy.len(), batch * self.out_channels() * cut.out_len);
        assert_eq!(kept.len(), cut.tasks.len() * size);
        let parts: Vec<(Vec<f32>, Vec<f32>)> = cut
            .tasks
            .par_iter()
            .zip(kept.par_chunks_exact(size))
            .map(|(task, memory)| {
                let geometry = cut.geometry_of(task);
                let (ins, outs) = (self.in_channels, self.out_channels());
                let x = &x[task.item * ins * cut.len + task.from..];
                let dy = &dy[task.item * outs * cut.out_len + task.from..];
                pass.backward(geometry, (x, cut.len), memory, (dy, cut.out_len), want_x)
            })
            .collect();
        let (parts, inputs): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let mut total = vec![0.0; weights.len()];
        add_parts(&parts, &mut total);
        let dx = want_x.then(|| {
            let mut dx = vec![0.0; x.len()];
            for (task, part) in cut.tasks.iter().zip(&inputs) {
                let len = part.len() / self.in_channels;
                for (channel, part) in part.chunks_exact(len).enumerate() {
                    let row = task.item * self.in_channels + channel;
                    let dx = &mut dx[row * cut.len + task.from..][..len];
                    dx.iter_mut().zip(part).for_each(|(dx, part)| *dx += part);
                }
            }
            dx
        });
        (total, dx)
    }
}
