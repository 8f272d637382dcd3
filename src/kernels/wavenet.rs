//! A whole WaveNet in one operator, forward and backward.
//!
//! An array of layers: x₀ = R·input (a 1×1 convolution), then for each layer
//! `z = conv(x) + b + M·condition`, `a = act(z)` (gated: act of the first half times the sigmoid
//! of the second), `head += a`, `x ← x + W·a + w`; at the end `H·head (+ h)`, a convolution, is
//! the head of the next array, whose input is x. The network's output is the last head times
//! `head_scale`; its input is every array's condition. All convolutions are "valid": each layer's
//! output is shorter than its input by its context, and everything is aligned at the end.
//!
//! How it is fast. A training item's signals fit the second-level cache, so an item is one task
//! and goes through all layers before the next; within a layer, time is cut into tiles that stay
//! in the first-level cache from convolution to residual, and in the backward pass from the
//! residual's gradient to the input's. The forward pass keeps each layer's input and activation
//! (the slope follows from the activation): reading them again costs a fifth of computing them
//! again. Nothing is padded or copied but the condition, which lies beside the layers' inputs so
//! that the mixer is one more tap of the convolution.
//!
//! Deterministic like [`super::conv`]; the slow form is [`super::reference::wavenet`].

use rayon::prelude::*;

use super::activation::{Activate, Activation, Deactivate, Gate, Ungate};
use super::buffers::Buffer;
use super::conv::add_parts;
use super::rows::{
    Combine, Packed, RowProducts, RowSums, Rows, RowsMut, Shared, Start, fold, sums_len,
};
use super::scratch;
use crate::simd::Isa;

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
        let geometry = Geometry::new(self, self.output_len(len));
        let (offsets, _) = self.offsets();
        let mut total = 0;
        let Some(last) = self.arrays.last() else {
            return 0;
        };
        for ((array, offsets), at) in self.arrays.iter().zip(&offsets).zip(&geometry.arrays) {
            let channels = array.channels;
            total += channels * offsets.in_channels * at.inputs[0].len;
            for ((layer, offsets), a) in array.layers.iter().zip(&offsets.layers).zip(&at.acts) {
                let conv = offsets.width * (channels * layer.kernel_size + self.in_channels);
                total += (conv + channels * channels) * a.len;
            }
            if std::ptr::eq(array, last) {
                // Nobody reads the output of the last layer.
                total -= channels * channels * at.acts.last().map_or(0, |a| a.len);
            }
            total += array.head_channels * channels * array.head_kernel_size * at.head_out_len;
        }
        total as u64
    }

    /// Those of [`WaveNet::multiply_adds`] that read the network's input: the first convolution
    /// that enters an array, and the mixers.
    pub fn input_multiply_adds(&self, len: usize) -> u64 {
        let geometry = Geometry::new(self, self.output_len(len));
        let (offsets, _) = self.offsets();
        let mixers = geometry.arrays.iter().zip(&offsets).map(|(at, offsets)| {
            let layers = at.acts.iter().zip(&offsets.layers);
            layers
                .map(|(act, layer)| layer.width * act.len)
                .sum::<usize>()
        });
        let entering = self.arrays.first().map_or(0, |array| array.channels);
        (self.in_channels * (mixers.sum::<usize>() + entering * len)) as u64
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
        let size = cut.geometry.size;
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
            cut.tasks
                .par_iter()
                .for_each(|task| scratch::with(size, |memory| run(task, memory)));
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
        let size = cut.geometry.size;
        assert_eq!(dy.len(), batch * self.out_channels() * cut.out_len);
        assert_eq!(kept.len(), cut.tasks.len() * size);
        let parts: Vec<(Vec<f32>, Vec<f32>)> = cut
            .tasks
            .par_iter()
            .zip(kept.par_chunks_exact(size))
            .map(|(task, memory)| {
                let geometry = cut.geometry_of(task);
                let outs = self.out_channels();
                let dy = &dy[task.item * outs * cut.out_len + task.from..];
                pass.backward(geometry, memory, dy, cut.out_len, want_x)
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

/// Samples `from..from + count` of one item's output.
struct Task {
    item: usize,
    from: usize,
    count: usize,
}

/// How a batch is cut into tasks: by items and, where these are few and long, by stretches of
/// output, each of which computes its own context.
struct Cut {
    len: usize,
    out_len: usize,
    tasks: Vec<Task>,
    /// Of the longest task.
    geometry: Geometry,
    /// Of the last task of an item, where that is shorter.
    last: Option<Geometry>,
}

impl Cut {
    fn new(net: &WaveNet, batch: usize, x_len: usize) -> Cut {
        const TASKS: usize = 16;
        let len = x_len / (batch * net.in_channels).max(1);
        assert_eq!(x_len, batch * net.in_channels * len);
        let out_len = net.output_len(len);
        // A stretch as long as its context doubles the work: allow a quarter more.
        let parts = TASKS
            .div_ceil(batch.max(1))
            .min(out_len / (4 * net.receptive_field()))
            .max(1);
        let stretch = out_len.div_ceil(parts).max(1);
        let tasks = (0..batch)
            .flat_map(|item| {
                (0..out_len).step_by(stretch).map(move |from| Task {
                    item,
                    from,
                    count: stretch.min(out_len - from),
                })
            })
            .collect();
        let last = out_len % stretch;
        Cut {
            len,
            out_len,
            tasks,
            geometry: Geometry::new(net, stretch),
            last: (last > 0).then(|| Geometry::new(net, last)),
        }
    }

    fn geometry_of(&self, task: &Task) -> &Geometry {
        match &self.last {
            Some(last) if task.count == last.out_len => last,
            _ => &self.geometry,
        }
    }
}

/// A signal of several rows in a task's memory.
#[derive(Debug, Clone, Copy)]
struct Signal {
    offset: usize,
    stride: usize,
    len: usize,
}

impl Signal {
    fn rows<'a>(&self, memory: &'a [f32], from: usize) -> Rows<'a> {
        Rows::new(&memory[self.offset + from..], self.stride)
    }

    fn rows_mut<'a>(
        &self,
        memory: &'a mut [f32],
        from: usize,
        rows: usize,
        len: usize,
    ) -> RowsMut<'a> {
        RowsMut::new(&mut memory[self.offset + from..], self.stride, rows, len)
    }

    /// Without its first rows.
    fn below(&self, rows: usize) -> Signal {
        Signal {
            offset: self.offset + rows * self.stride,
            ..*self
        }
    }
}

/// The distance between rows of `len` samples: whole cache lines, and an odd number of them
/// modulo a page, since rows a multiple of 4 KiB apart would fight over the same few lines of the
/// first-level cache.
fn row_stride(len: usize) -> usize {
    const LINE: usize = 16;
    const PAGE: usize = 64;
    let lines = len.div_ceil(LINE);
    LINE * (lines + (PAGE + 7 - lines % PAGE) % PAGE)
}

/// Lengths and places of all signals of a task.
#[derive(Debug)]
struct Geometry {
    out_len: usize,
    in_len: usize,
    condition: Signal,
    arrays: Vec<ArrayGeometry>,
    /// Where the activations start; the layers' inputs lie before.
    acts: usize,
    /// Floats of memory in all.
    size: usize,
}

#[derive(Debug)]
struct ArrayGeometry {
    /// Input of each layer, and the array's output.
    inputs: Vec<Signal>,
    /// Activations of each layer, offsets counted from [`Geometry::acts`].
    acts: Vec<Signal>,
    /// Sum of the activations, from there too.
    head: Signal,
    /// Samples of the head convolution's output.
    head_out_len: usize,
}

impl Geometry {
    fn new(net: &WaveNet, out_len: usize) -> Geometry {
        let in_len = out_len + net.receptive_field() - 1;
        let (mut inputs_end, mut acts_end) = (0, 0);
        let place = |end: &mut usize, rows: usize, len: usize| {
            let signal = Signal {
                offset: *end,
                stride: row_stride(len),
                len,
            };
            *end += rows * signal.stride;
            signal
        };
        let condition = place(&mut inputs_end, net.in_channels, in_len);
        let mut len = in_len;
        let mut arrays = Vec::with_capacity(net.arrays.len());
        for (at, array) in net.arrays.iter().enumerate() {
            let mut inputs = vec![place(&mut inputs_end, array.channels, len)];
            let mut acts = Vec::with_capacity(array.layers.len());
            for layer in &array.layers {
                len -= layer.context();
                let width = if layer.gated { 2 } else { 1 } * array.channels;
                acts.push(place(&mut acts_end, width, len));
                inputs.push(place(&mut inputs_end, array.channels, len));
            }
            let head_out_len = out_len
                + match at + 1 < net.arrays.len() {
                    true => net.head_behind(at + 1),
                    false => 0,
                };
            let head_len = head_out_len + array.head_kernel_size - 1;
            let head = place(&mut acts_end, array.channels, head_len);
            arrays.push(ArrayGeometry {
                inputs,
                acts,
                head,
                head_out_len,
            });
        }
        Geometry {
            out_len,
            in_len,
            condition,
            arrays,
            acts: inputs_end,
            size: inputs_end + acts_end,
        }
    }
}

/// The weights of a layer as the products read them.
struct LayerWeights {
    /// Convolution and mixer: taps (channel, k), then the condition's channels.
    conv: Packed,
    bias: Vec<f32>,
    one_by_one: Packed,
    one_by_one_bias: Vec<f32>,
    /// From the output of the 1×1 to its input.
    one_by_one_back: Packed,
    /// From the convolution's output to its input: taps (output, k).
    conv_back: Packed,
    /// From the convolution's output to the condition.
    mixer_back: Packed,
}

struct ArrayWeights {
    rechannel: Packed,
    rechannel_back: Packed,
    layers: Vec<LayerWeights>,
    /// Times the head scale for the last array.
    head: Packed,
    head_bias: Vec<f32>,
    /// Taps (output, k).
    head_back: Packed,
    scale: f32,
}

/// One pass over a batch: what its tasks share.
struct Pass<'a> {
    net: &'a WaveNet,
    isa: Isa,
    offsets: Vec<ArrayOffsets>,
    weights: Vec<ArrayWeights>,
    count: usize,
}

/// Samples per tile: what lives between convolution and residual stays in the first-level cache.
const TILE: usize = 96;
/// Samples per block of weight gradients: long enough that adding a block's sums to the running
/// ones is little beside it.
const BLOCK: usize = 480;

/// Pieces of 0..len of at most `most` samples that do not straddle any of `cuts`.
fn pieces(len: usize, most: usize, cuts: [usize; 2]) -> impl Iterator<Item = (usize, usize)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        if from >= len {
            return None;
        }
        let mut to = (from + most).min(len);
        for cut in cuts {
            if from < cut && cut < to {
                to = cut;
            }
        }
        let piece = (from, to - from);
        from = to;
        Some(piece)
    })
}

impl<'a> Pass<'a> {
    fn new(net: &'a WaveNet, isa: Isa, weights: &[f32]) -> Pass<'a> {
        let problem = net.problem();
        assert!(problem.is_none(), "{}", problem.unwrap_or_default());
        let (offsets, count) = net.offsets();
        assert_eq!(weights.len(), count, "weights of a WaveNet");
        let arrays = net.arrays.len();
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
            one_by_one_bias: weights[at.one_by_one_bias..][..channels].to_vec(),
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

/// Where the taps of a layer's convolution and mixer start in a task's memory.
fn conv_taps(
    geometry: &Geometry,
    net: &WaveNet,
    layer: &Layer,
    channels: usize,
    input: &Signal,
) -> Vec<usize> {
    let out_len = input.len - layer.context();
    let condition = &geometry.condition;
    let conv = (0..channels).flat_map(|i| {
        (0..layer.kernel_size).map(move |k| input.offset + i * input.stride + k * layer.dilation)
    });
    let mixer = (0..net.in_channels)
        .map(|d| condition.offset + d * condition.stride + geometry.in_len - out_len);
    conv.chain(mixer).collect()
}

/// Row starts of `rows` rows.
fn row_taps(rows: usize, offset: usize, stride: usize) -> Vec<usize> {
    (0..rows).map(|row| offset + row * stride).collect()
}

impl Pass<'_> {
    /// The network over one task. `memory` is filled with what the backward pass reads.
    fn forward(
        &self,
        geometry: &Geometry,
        x: &[f32],
        x_stride: usize,
        memory: &mut [f32],
        mut y: RowsMut<'_>,
    ) {
        let (inputs, acts) = memory[..geometry.size].split_at_mut(geometry.acts);
        let condition = &geometry.condition;
        for d in 0..self.net.in_channels {
            inputs[condition.offset + d * condition.stride..][..geometry.in_len]
                .copy_from_slice(&x[d * x_stride..][..geometry.in_len]);
        }
        let mut input = *condition;
        for (at, array) in geometry.arrays.iter().enumerate() {
            let weights = &self.weights[at];
            let channels = self.net.arrays[at].channels;
            let first = array.inputs[0];
            let (before, after) = inputs.split_at_mut(first.offset);
            Combine {
                weights: &weights.rechannel,
                input: before,
                taps: &row_taps(self.offsets[at].in_channels, input.offset, input.stride),
                start: Start::Zero,
                output: RowsMut::new(after, first.stride, channels, first.len),
            }
            .run(self.isa);
            if at == 0 {
                acts[array.head.offset..][..channels * array.head.stride].fill(0.0);
            }
            for layer in 0..array.acts.len() {
                self.forward_layer(geometry, at, layer, inputs, acts);
            }
            let (before, after) =
                acts.split_at_mut(array.head.offset + channels * array.head.stride);
            let kernel = self.net.arrays[at].head_kernel_size;
            let head = &array.head;
            let taps: Vec<usize> = (0..channels)
                .flat_map(|i| (0..kernel).map(move |k| head.offset + i * head.stride + k))
                .collect();
            let output = match geometry.arrays.get(at + 1) {
                None => y.reborrow(),
                Some(next) => {
                    let to = &mut after[next.head.offset - before.len()..];
                    let outs = self.net.arrays[at].head_channels;
                    RowsMut::new(to, next.head.stride, outs, array.head_out_len)
                }
            };
            Combine {
                weights: &weights.head,
                input: before,
                taps: &taps,
                start: Start::Bias(&weights.head_bias),
                output,
            }
            .run(self.isa);
            input = array.inputs[array.acts.len()];
        }
    }

    /// One layer, tile by tile.
    fn forward_layer(
        &self,
        geometry: &Geometry,
        at: usize,
        index: usize,
        inputs: &mut [f32],
        acts: &mut [f32],
    ) {
        let array = &geometry.arrays[at];
        let layer = &self.net.arrays[at].layers[index];
        let channels = self.net.arrays[at].channels;
        let weights = &self.weights[at].layers[index];
        let (input, output, act) = (
            array.inputs[index],
            array.inputs[index + 1],
            array.acts[index],
        );
        let taps = conv_taps(geometry, self.net, layer, channels, &input);
        let (before, after) = inputs.split_at_mut(output.offset);
        let (acts, head) = acts.split_at_mut(array.head.offset);
        let last = at + 1 == geometry.arrays.len() && index + 1 == array.acts.len();
        let head_from = act.len - array.head.len;
        scratch::with(channels * TILE, |product| {
            for (t, count) in pieces(act.len, TILE, [head_from, 0]) {
                Combine {
                    weights: &weights.conv,
                    input: &before[t..],
                    taps: &taps,
                    start: Start::Bias(&weights.bias),
                    output: act.rows_mut(acts, t, weights.conv.rows(), count),
                }
                .run(self.isa);
                let head = (t >= head_from).then(|| {
                    RowsMut::new(
                        &mut head[t - head_from..],
                        array.head.stride,
                        channels,
                        count,
                    )
                });
                self.activate(layer, channels, acts, &act, t, count, product, head);
                if last {
                    continue;
                }
                let (input_a, taps_a) = match layer.gated {
                    true => (&*product, row_taps(channels, 0, TILE)),
                    false => (&acts[t..], row_taps(channels, act.offset, act.stride)),
                };
                Combine {
                    weights: &weights.one_by_one,
                    input: input_a,
                    taps: &taps_a,
                    start: Start::RowsAndBias(
                        input.rows(before, layer.context() + t),
                        &weights.one_by_one_bias,
                    ),
                    output: RowsMut::new(&mut after[t..], output.stride, channels, count),
                }
                .run(self.isa);
            }
        });
    }

    /// z → a in place, `head += a`; where gated, the product into `product` and onto the head.
    #[allow(clippy::too_many_arguments)]
    fn activate(
        &self,
        layer: &Layer,
        channels: usize,
        acts: &mut [f32],
        act: &Signal,
        t: usize,
        count: usize,
        product: &mut [f32],
        head: Option<RowsMut<'_>>,
    ) {
        let activate = |activation, values, head| {
            Activate {
                activation,
                rows: channels,
                values,
                head,
            }
            .run(self.isa);
        };
        if !layer.gated {
            return activate(
                layer.activation,
                act.rows_mut(acts, t, channels, count),
                head,
            );
        }
        let (signal, gate) = act.rows_mut(acts, t, 2 * channels, count).split(channels);
        activate(layer.activation, signal, None);
        activate(Activation::Sigmoid, gate, None);
        Gate {
            rows: channels,
            values: act.rows(acts, t),
            gates: act.below(channels).rows(acts, t),
            product: RowsMut::new(product, TILE, channels, count),
            head,
        }
        .run(self.isa);
    }
}

/// Working memory of a backward task.
struct Work<'a> {
    /// Gradient of a layer's output, then of its input, and the other of the two.
    dx: [&'a mut [f32]; 2],
    /// Gradient of the convolution's output with a context of zeros before and behind.
    dz: &'a mut [f32],
    /// Gradient of the heads: the current array's sum, and its convolution's output with
    /// `head_kernel_size − 1` zeros before and behind.
    dhead: &'a mut [f32],
    dhead_out: &'a mut [f32],
    /// A block's gated product.
    product: &'a mut [f32],
    /// Running sums of weight gradients.
    sums: &'a mut [f32],
    /// Their totals.
    products: &'a mut [f32],
}

impl Pass<'_> {
    /// The gradients of the weights and, if wanted, of the input (else empty), of one task.
    fn backward(
        &self,
        geometry: &Geometry,
        memory: &[f32],
        dy: &[f32],
        dy_stride: usize,
        want_x: bool,
    ) -> (Vec<f32>, Vec<f32>) {
        let mut gradients = vec![0.0; self.count];
        let mut dx = vec![
            0.0;
            if want_x {
                self.net.in_channels * geometry.in_len
            } else {
                0
            }
        ];
        let sizes = self.work_sizes(geometry);
        scratch::with(sizes.iter().sum(), |work| {
            let mut rest = work;
            let mut take = |size| {
                let (this, after) = std::mem::take(&mut rest).split_at_mut(size);
                rest = after;
                this
            };
            let mut work = Work {
                dx: [take(sizes[0]), take(sizes[1])],
                dz: take(sizes[2]),
                dhead: take(sizes[3]),
                dhead_out: take(sizes[4]),
                product: take(sizes[5]),
                sums: take(sizes[6]),
                products: take(sizes[7]),
            };
            let (inputs, acts) = memory[..geometry.size].split_at(geometry.acts);
            for at in (0..geometry.arrays.len()).rev() {
                self.dhead_out(geometry, at, dy, dy_stride, &mut work);
                self.backward_head(geometry, at, acts, &mut work, &mut gradients);
                for index in (0..geometry.arrays[at].acts.len()).rev() {
                    self.backward_layer(
                        geometry,
                        at,
                        index,
                        inputs,
                        acts,
                        &mut work,
                        &mut gradients,
                        &mut dx,
                    );
                }
                self.backward_rechannel(geometry, at, inputs, &mut work, &mut gradients, &mut dx);
            }
        });
        (gradients, dx)
    }

    fn work_sizes(&self, geometry: &Geometry) -> [usize; 8] {
        let largest =
            |size: &dyn Fn(usize) -> usize| (0..self.net.arrays.len()).map(size).max().unwrap_or(0);
        let layer_sizes = |size: &dyn Fn(&Layer, usize, usize) -> usize| {
            largest(&|at| {
                let array = &self.net.arrays[at];
                let layers = array.layers.iter().zip(&self.offsets[at].layers);
                layers
                    .zip(&geometry.arrays[at].acts)
                    .map(|((layer, offsets), act)| size(layer, offsets.width, act.len))
                    .max()
                    .unwrap_or(0)
            })
        };
        let channels = largest(&|at| {
            self.net.arrays[at]
                .channels
                .max(self.offsets[at].in_channels)
        });
        let dx = channels * row_stride(geometry.in_len);
        let dz = layer_sizes(&|layer, width, len| width * row_stride(len + 2 * layer.context()));
        let dhead = largest(&|at| self.net.arrays[at].channels * geometry.arrays[at].head.stride);
        let dhead_out = largest(&|at| {
            let array = &self.net.arrays[at];
            array.head_channels
                * row_stride(geometry.arrays[at].head.len + array.head_kernel_size - 1)
        });
        let products = largest(&|at| {
            let array = &self.net.arrays[at];
            let most = array
                .layers
                .iter()
                .zip(&self.offsets[at].layers)
                .map(|(layer, offsets)| {
                    offsets.width * (array.channels * layer.kernel_size + self.net.in_channels)
                });
            most.max()
                .unwrap_or(0)
                .max(array.channels * self.offsets[at].in_channels)
                .max(array.head_channels * array.channels * array.head_kernel_size)
        });
        let one_by_one = largest(&|at| self.net.arrays[at].channels.pow(2));
        [
            dx,
            dx,
            dz,
            dhead,
            dhead_out,
            channels * BLOCK,
            sums_len(1, products + one_by_one),
            scratch::padded(products),
        ]
    }

    /// The gradient of the head convolution's output: that of y, or of the next array's head.
    fn dhead_out(
        &self,
        geometry: &Geometry,
        at: usize,
        dy: &[f32],
        dy_stride: usize,
        work: &mut Work<'_>,
    ) {
        let array = &geometry.arrays[at];
        let margin = self.net.arrays[at].head_kernel_size - 1;
        let stride = row_stride(array.head.len + margin);
        let len = array.head_out_len;
        for o in 0..self.net.arrays[at].head_channels {
            let to = &mut work.dhead_out[o * stride..][..margin + len + margin];
            let from = match geometry.arrays.get(at + 1) {
                None => &dy[o * dy_stride..][..len],
                Some(next) => &work.dhead[o * next.head.stride..][..len],
            };
            to[..margin].fill(0.0);
            to[margin..margin + len].copy_from_slice(from);
            to[margin + len..].fill(0.0);
        }
    }

    /// The head convolution: its weights' gradients, and that of the activations' sum.
    fn backward_head(
        &self,
        geometry: &Geometry,
        at: usize,
        acts: &[f32],
        work: &mut Work<'_>,
        gradients: &mut [f32],
    ) {
        let array = &geometry.arrays[at];
        let shape = &self.net.arrays[at];
        let (channels, kernel, outs) =
            (shape.channels, shape.head_kernel_size, shape.head_channels);
        let margin = kernel - 1;
        let stride = row_stride(array.head.len + margin);
        let head = &array.head;
        let taps: Vec<usize> = (0..channels)
            .flat_map(|i| (0..kernel).map(move |k| head.offset + i * head.stride + k))
            .collect();
        let weights = &self.weights[at];
        let to = &mut gradients[self.offsets[at].head..][..outs * taps.len()];
        self.products(
            work.sums,
            &work.dhead_out[margin..],
            stride,
            outs,
            acts,
            &taps,
            array.head_out_len,
            to,
        );
        to.iter_mut()
            .for_each(|gradient| *gradient *= weights.scale);
        if let Some(bias) = self.offsets[at].head_bias {
            let to = &mut gradients[bias..][..outs];
            RowSums {
                rows: Rows::new(&work.dhead_out[margin..], stride),
                len: array.head_out_len,
                sums: to,
            }
            .run(self.isa);
            to.iter_mut()
                .for_each(|gradient| *gradient *= weights.scale);
        }
        let taps: Vec<usize> = (0..outs)
            .flat_map(|o| (0..kernel).map(move |k| o * stride + margin - k))
            .collect();
        Combine {
            weights: &weights.head_back,
            input: work.dhead_out,
            taps: &taps,
            start: Start::Zero,
            output: RowsMut::new(work.dhead, head.stride, channels, head.len),
        }
        .run(self.isa);
    }

    /// Products of all the time of gradient rows and input taps, into `to`.
    #[allow(clippy::too_many_arguments)]
    fn products(
        &self,
        sums: &mut [f32],
        gradient: &[f32],
        stride: usize,
        rows: usize,
        input: &[f32],
        taps: &[usize],
        len: usize,
        to: &mut [f32],
    ) {
        let sums = &mut sums[..sums_len(rows, taps.len())];
        sums.fill(0.0);
        for (t, count) in pieces(len, BLOCK, [0, 0]) {
            RowProducts {
                gradient: Rows::new(&gradient[t..], stride),
                rows,
                input: &input[t..],
                taps,
                len: count,
                sums,
            }
            .run(self.isa);
        }
        fold(self.isa, sums, to);
    }

    /// One layer: `work.dx[0]` holds the gradient of its output (unless it is the last layer of
    /// all, whose output nobody reads), then of its input.
    #[allow(clippy::too_many_arguments)]
    fn backward_layer(
        &self,
        geometry: &Geometry,
        at: usize,
        index: usize,
        inputs: &[f32],
        acts: &[f32],
        work: &mut Work<'_>,
        gradients: &mut [f32],
        dx: &mut [f32],
    ) {
        let array = &geometry.arrays[at];
        let layer = &self.net.arrays[at].layers[index];
        let channels = self.net.arrays[at].channels;
        let offsets = &self.offsets[at].layers[index];
        let weights = &self.weights[at].layers[index];
        let (input, act) = (array.inputs[index], array.acts[index]);
        let last = at + 1 == geometry.arrays.len() && index + 1 == array.acts.len();
        let context = layer.context();
        let width = offsets.width;
        let dx_stride = row_stride(geometry.in_len);
        let dz_stride = row_stride(act.len + 2 * context);
        let conv_taps = conv_taps(geometry, self.net, layer, channels, &input);
        let back = Back {
            out_taps: if last {
                Vec::new()
            } else {
                row_taps(channels, 0, dx_stride)
            },
            no_weights: Packed::new(channels, 0, |_, _| 0.0),
            dz_taps: (0..width)
                .flat_map(|o| {
                    (0..layer.kernel_size)
                        .map(move |k| o * dz_stride + context - k * layer.dilation)
                })
                .collect(),
            act,
            context,
            dx_stride,
            dz_stride,
            head: array.head,
            last,
        };
        for row in work.dz.chunks_exact_mut(dz_stride).take(width) {
            row[..context].fill(0.0);
            row[context + act.len..][..context].fill(0.0);
        }
        let (conv_sums, one_sums) = work.sums.split_at_mut(sums_len(width, conv_taps.len()));
        let one_sums = &mut one_sums[..sums_len(channels, channels)];
        conv_sums.fill(0.0);
        one_sums.fill(0.0);
        let (mut bias, mut one_bias) = (vec![0.0; width], vec![0.0; channels]);
        let [dout, din] = &mut work.dx;
        for (t, count) in pieces(act.len, BLOCK, [0, 0]) {
            for (from, tile) in pieces(count, TILE, [0, 0]) {
                for (piece, len) in pieces(tile, TILE, back.cuts(t + from)) {
                    let t = t + from + piece;
                    self.dz_tile(
                        &back, layer, channels, weights, acts, dout, work.dhead, work.dz, t, len,
                    );
                    self.dx_tile(&back, channels, weights, dout, work.dz, din, t, len);
                }
            }
            let dz = Rows::new(&work.dz[context + t..], dz_stride);
            RowProducts {
                gradient: dz,
                rows: width,
                input: &inputs[t..],
                taps: &conv_taps,
                len: count,
                sums: conv_sums,
            }
            .run(self.isa);
            RowSums {
                rows: dz,
                len: count,
                sums: &mut bias,
            }
            .run(self.isa);
            if last {
                continue;
            }
            let (a, taps) = match layer.gated {
                true => {
                    Gate {
                        rows: channels,
                        values: act.rows(acts, t),
                        gates: act.below(channels).rows(acts, t),
                        product: RowsMut::new(work.product, BLOCK, channels, count),
                        head: None,
                    }
                    .run(self.isa);
                    (&*work.product, row_taps(channels, 0, BLOCK))
                }
                false => (&acts[t..], row_taps(channels, act.offset, act.stride)),
            };
            let dout = Rows::new(&dout[t..], dx_stride);
            RowProducts {
                gradient: dout,
                rows: channels,
                input: a,
                taps: &taps,
                len: count,
                sums: one_sums,
            }
            .run(self.isa);
            RowSums {
                rows: dout,
                len: count,
                sums: &mut one_bias,
            }
            .run(self.isa);
        }
        for (t, len) in pieces(context, TILE, [context.saturating_sub(act.len), 0]) {
            self.dx_tile(
                &back,
                channels,
                weights,
                dout,
                work.dz,
                din,
                act.len + t,
                len,
            );
        }
        if !dx.is_empty() {
            let from = geometry.in_len - act.len;
            Combine {
                weights: &weights.mixer_back,
                input: &work.dz[context..],
                taps: &row_taps(width, 0, dz_stride),
                start: Start::Itself,
                output: RowsMut::new(
                    &mut dx[from..],
                    geometry.in_len,
                    self.net.in_channels,
                    act.len,
                ),
            }
            .run(self.isa);
        }
        let taps = conv_taps.len();
        let products = &mut work.products[..width * taps];
        products.fill(0.0);
        fold(self.isa, conv_sums, products);
        let conv = channels * layer.kernel_size;
        for (m, row) in products.chunks_exact(taps).enumerate() {
            gradients[offsets.conv + m * conv..][..conv].copy_from_slice(&row[..conv]);
            let mixer = taps - conv;
            gradients[offsets.mixer + m * mixer..][..mixer].copy_from_slice(&row[conv..]);
        }
        gradients[offsets.bias..][..width].copy_from_slice(&bias);
        fold(
            self.isa,
            one_sums,
            &mut gradients[offsets.one_by_one..][..channels * channels],
        );
        gradients[offsets.one_by_one_bias..][..channels].copy_from_slice(&one_bias);
        work.dx.swap(0, 1);
    }

    /// The gradient of the convolution's output for samples t..t + len, into `dz`.
    #[allow(clippy::too_many_arguments)]
    fn dz_tile(
        &self,
        back: &Back,
        layer: &Layer,
        channels: usize,
        weights: &LayerWeights,
        acts: &[f32],
        dout: &[f32],
        dhead: &[f32],
        dz: &mut [f32],
        t: usize,
        len: usize,
    ) {
        let head_from = back.act.len - back.head.len;
        let width = weights.conv.rows();
        let mut dz = RowsMut::new(&mut dz[back.context + t..], back.dz_stride, width, len);
        Combine {
            weights: if back.last {
                &back.no_weights
            } else {
                &weights.one_by_one_back
            },
            input: &dout[t..],
            taps: &back.out_taps,
            start: match t >= head_from {
                true => Start::Rows(Rows::new(&dhead[t - head_from..], back.head.stride)),
                false => Start::Zero,
            },
            output: dz.reborrow().first(channels),
        }
        .run(self.isa);
        let values = back.act.rows(acts, t);
        if !layer.gated {
            return Deactivate {
                activation: layer.activation,
                values,
                rows: channels,
                gradient: dz,
            }
            .run(self.isa);
        }
        let gates = back.act.below(channels).rows(acts, t);
        Ungate {
            rows: channels,
            values,
            gates,
            gradient: dz.reborrow(),
        }
        .run(self.isa);
        let (signal, gate) = dz.split(channels);
        for (activation, values, gradient) in [
            (layer.activation, values, signal),
            (Activation::Sigmoid, gates, gate),
        ] {
            Deactivate {
                activation,
                values,
                rows: channels,
                gradient,
            }
            .run(self.isa);
        }
    }

    /// The gradient of the layer's input for samples t..t + len, once `dz` is there up to them.
    #[allow(clippy::too_many_arguments)]
    fn dx_tile(
        &self,
        back: &Back,
        channels: usize,
        weights: &LayerWeights,
        dout: &[f32],
        dz: &[f32],
        din: &mut [f32],
        t: usize,
        len: usize,
    ) {
        Combine {
            weights: &weights.conv_back,
            input: &dz[t..],
            taps: &back.dz_taps,
            start: match t >= back.context && !back.last {
                true => Start::Rows(Rows::new(&dout[t - back.context..], back.dx_stride)),
                false => Start::Zero,
            },
            output: RowsMut::new(&mut din[t..], back.dx_stride, channels, len),
        }
        .run(self.isa);
    }

    /// The convolution that enters an array: its weights' gradients, and that of its input.
    fn backward_rechannel(
        &self,
        geometry: &Geometry,
        at: usize,
        inputs: &[f32],
        work: &mut Work<'_>,
        gradients: &mut [f32],
        dx: &mut [f32],
    ) {
        let channels = self.net.arrays[at].channels;
        let ins = self.offsets[at].in_channels;
        let stride = row_stride(geometry.in_len);
        let input = match at {
            0 => geometry.condition,
            _ => geometry.arrays[at - 1].inputs[geometry.arrays[at - 1].acts.len()],
        };
        let taps = row_taps(ins, input.offset, input.stride);
        let to = &mut gradients[self.offsets[at].rechannel..][..channels * ins];
        self.products(
            work.sums, work.dx[0], stride, channels, inputs, &taps, input.len, to,
        );
        let [dfirst, dinput] = &mut work.dx;
        let (start, output) = match at {
            0 if dx.is_empty() => return,
            0 => (Start::Itself, RowsMut::new(dx, input.len, ins, input.len)),
            _ => (Start::Zero, RowsMut::new(dinput, stride, ins, input.len)),
        };
        Combine {
            weights: &self.weights[at].rechannel_back,
            input: dfirst,
            taps: &row_taps(channels, 0, stride),
            start,
            output,
        }
        .run(self.isa);
        work.dx.swap(0, 1);
    }
}

/// What the tiles of one layer's backward pass share.
struct Back {
    /// Rows of the gradient of the layer's output; none where nobody reads that.
    out_taps: Vec<usize>,
    /// What is combined of none.
    no_weights: Packed,
    /// Where the taps (output, k) of the gradient of z start.
    dz_taps: Vec<usize>,
    act: Signal,
    context: usize,
    dx_stride: usize,
    dz_stride: usize,
    head: Signal,
    last: bool,
}

impl Back {
    /// Where, counted from t, the head begins and the residual begins.
    fn cuts(&self, t: usize) -> [usize; 2] {
        let head_from = self.act.len - self.head.len;
        [head_from.saturating_sub(t), self.context.saturating_sub(t)]
    }
}
