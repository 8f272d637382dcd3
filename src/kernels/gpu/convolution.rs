//! Convolutions on a card, ordinary and transposed: both, and the gradients of what enters them, are
//! the same sum over channels and taps, running forward or backward in time.
//!
//! A thread makes a few output channels of one sample, so that what it reads of x serves all of
//! them. The gradient of a weight is a sum over time, cut into pieces that are added in order.

use burn::tensor::{Shape, Tensor};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{CHANNELS, THREADS, blocks, buffer, cube};
use super::sums::{Pieces, add_parts};
use crate::kernels::bridge::{CardOperator, CardPass, empty, list, output_on_card};
use crate::kernels::convolution::Conv1d;

/// The convolution of tensors on a card.
pub(in crate::kernels) fn conv1d(
    conv: Conv1d,
    x: Tensor<3>,
    weight: Tensor<3>,
    bias: Option<Tensor<1>>,
) -> Tensor<3> {
    output_on_card(CardConv1d(conv), list([x, weight], [bias]))
}

/// The transposed convolution that is the input gradient of `conv`, to `len` samples.
pub(in crate::kernels) fn conv_transpose1d(
    conv: Conv1d,
    len: usize,
    x: Tensor<3>,
    weight: Tensor<3>,
    bias: Option<Tensor<1>>,
) -> Tensor<3> {
    output_on_card(CardConvTranspose1d(conv, len), list([x, weight], [bias]))
}

/// Inputs x, weight and, where there are three, bias.
#[derive(Debug)]
struct CardConv1d(Conv1d);

/// The input gradient of a convolution, and the samples it gives; inputs likewise.
#[derive(Debug)]
struct CardConvTranspose1d(Conv1d, usize);

/// y[m, t] = b[m] + Σ w[n, m, k]·x[n, t + first + k·step], zeros around x.
struct Sum<'a> {
    x: &'a CubeTensor,
    weight: &'a CubeTensor,
    bias: Option<&'a CubeTensor>,
    y: &'a CubeTensor,
    /// How far apart in the weights neighbouring m and n lie.
    strides: [usize; 2],
    first: i64,
    step: i64,
}

impl<'a> Sum<'a> {
    /// The convolution itself.
    fn forward(
        conv: &Conv1d,
        (x, weight): (&'a CubeTensor, &'a CubeTensor),
        bias: Option<&'a CubeTensor>,
        y: &'a CubeTensor,
    ) -> Self {
        Self {
            x,
            weight,
            bias,
            y,
            strides: [conv.in_channels * conv.kernel_size, conv.kernel_size],
            first: -(conv.left as i64),
            step: conv.dilation as i64,
        }
    }

    /// The gradient of its input, which is the transposed convolution.
    fn back(
        conv: &Conv1d,
        (x, weight): (&'a CubeTensor, &'a CubeTensor),
        bias: Option<&'a CubeTensor>,
        y: &'a CubeTensor,
    ) -> Self {
        Self {
            x,
            weight,
            bias,
            y,
            strides: [conv.kernel_size, conv.in_channels * conv.kernel_size],
            first: conv.left as i64,
            step: -(conv.dilation as i64),
        }
    }

    fn launch(&self) {
        let [batch, from, len] = self.x.meta.shape().dims();
        let [_, to, out_len] = self.y.meta.shape().dims();
        let [_, _, taps] = self.weight.meta.shape().dims();
        let bias = self.bias.unwrap_or(self.weight);
        // SAFETY: a thread per sample of a block of channels; the kernel guards what lies beyond
        // the last sample, the last channel, and both ends of x.
        unsafe {
            sum_kernel::launch_unchecked(
                &self.x.client,
                blocks(out_len, to, batch),
                cube(),
                buffer(self.x),
                buffer(self.weight),
                buffer(bias),
                buffer(self.y),
                from,
                to,
                len as i32,
                out_len,
                self.strides[0],
                self.strides[1],
                taps,
                self.first as i32,
                self.step as i32,
                to.min(CHANNELS),
                self.bias.is_some(),
            );
        }
    }
}

/// dw[o, i, k] = Σ dy[o, t]·x[i, t − left + k·dilation], and db[o] = Σ dy[o, t].
struct Products<'a> {
    conv: &'a Conv1d,
    x: &'a CubeTensor,
    dy: &'a CubeTensor,
    dw: Option<&'a CubeTensor>,
    db: Option<&'a CubeTensor>,
}

impl Products<'_> {
    fn launch(&self) {
        let Conv1d {
            in_channels,
            out_channels,
            kernel_size,
            ..
        } = *self.conv;
        let [batch, _, len] = self.x.meta.shape().dims();
        let [_, _, out_len] = self.dy.meta.shape().dims();
        let weights = out_channels * in_channels * kernel_size;
        let numbers = weights + out_channels;
        let pieces = Pieces::of(batch * out_len, numbers);
        let x = self.x;
        let partial = empty(x, [pieces.count, numbers]);
        // SAFETY: a thread per number and piece, those beyond end at once; what lies outside of x
        // is guarded.
        unsafe {
            product_kernel::launch_unchecked(
                &x.client,
                pieces.cubes(numbers),
                cube(),
                buffer(x),
                buffer(self.dy),
                buffer(&partial),
                in_channels,
                out_channels,
                kernel_size,
                len as i32,
                out_len,
                pieces.steps,
                pieces.len,
                self.conv.left as i32,
                self.conv.dilation as i32,
            );
        }
        add_parts(&partial, &[(self.dw, weights), (self.db, out_channels)]);
    }
}

impl CardOperator for CardConv1d {
    fn outputs(&self, inputs: &[Shape], _keep: bool) -> Vec<Shape> {
        let (batch, len) = (inputs[0][0], self.0.output_len(inputs[0][2]));
        vec![Shape::new([batch, self.0.out_channels, len])]
    }

    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        Sum::forward(
            &self.0,
            (&inputs[0], &inputs[1]),
            inputs.get(2),
            &outputs[0],
        )
        .launch();
    }

    fn backward(&self, pass: &CardPass<'_>, gradients: &[Option<CubeTensor>]) {
        let conv = &self.0;
        if let Some(dx) = &gradients[0] {
            Sum::back(conv, (pass.dy, &pass.inputs[1]), None, dx).launch();
        }
        let [dw, db] = [1, 2].map(|at| gradients.get(at).and_then(Option::as_ref));
        if dw.is_some() || db.is_some() {
            Products {
                conv,
                x: &pass.inputs[0],
                dy: pass.dy,
                dw,
                db,
            }
            .launch();
        }
    }
}

impl CardOperator for CardConvTranspose1d {
    fn outputs(&self, inputs: &[Shape], _keep: bool) -> Vec<Shape> {
        vec![Shape::new([inputs[0][0], self.0.in_channels, self.1])]
    }

    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        Sum::back(
            &self.0,
            (&inputs[0], &inputs[1]),
            inputs.get(2),
            &outputs[0],
        )
        .launch();
    }

    fn backward(&self, pass: &CardPass<'_>, gradients: &[Option<CubeTensor>]) {
        let conv = &self.0;
        if let Some(dx) = &gradients[0] {
            Sum::forward(conv, (pass.dy, &pass.inputs[1]), None, dx).launch();
        }
        if let Some(dw) = &gradients[1] {
            Products {
                conv,
                x: pass.dy,
                dy: &pass.inputs[0],
                dw: Some(dw),
                db: None,
            }
            .launch();
        }
        if let Some(Some(db)) = gradients.get(2) {
            channel_sums(pass.dy, db);
        }
    }
}

/// Of each channel the sum over items and time.
fn channel_sums(of: &CubeTensor, to: &CubeTensor) {
    let [_, channels, _] = of.meta.shape().dims();
    let conv = Conv1d {
        in_channels: 0,
        out_channels: channels,
        kernel_size: 1,
        dilation: 1,
        left: 0,
        right: 0,
    };
    Products {
        conv: &conv,
        x: of,
        dy: of,
        dw: None,
        db: Some(to),
    }
    .launch();
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn sum_kernel(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    y: &mut [f32],
    from: usize,
    to: usize,
    len: i32,
    out_len: usize,
    stride_to: usize,
    stride_from: usize,
    taps: usize,
    first: i32,
    step: i32,
    #[comptime] channels: usize,
    #[comptime] with_bias: bool,
) {
    let t = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let channel = CUBE_POS_Y as usize * CHANNELS;
    let item = CUBE_POS_Z as usize;
    if t < out_len {
        let mut sums = Array::<f32>::new(channels);
        if with_bias {
            #[unroll]
            for m in 0..channels {
                if channel + m < to {
                    sums[m] = bias[channel + m];
                }
            }
        }
        for n in 0..from {
            let row = (item * from + n) * len as usize;
            let weights = channel * stride_to + n * stride_from;
            let mut at = t as i32 + first;
            for k in 0..taps {
                if at >= 0 && at < len {
                    let value = x[row + at as usize];
                    #[unroll]
                    for m in 0..channels {
                        if channel + m < to {
                            sums[m] += weight[weights + m * stride_to + k] * value;
                        }
                    }
                }
                at += step;
            }
        }
        #[unroll]
        for m in 0..channels {
            if channel + m < to {
                y[(item * to + channel + m) * out_len + t] = sums[m];
            }
        }
    }
}

/// Of every weight, and behind them of every output channel, the sum over a piece of all items'
/// time: `[piece, weights + channels]`.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn product_kernel(
    x: &[f32],
    dy: &[f32],
    partial: &mut [f32],
    ins: usize,
    outs: usize,
    taps: usize,
    len: i32,
    out_len: usize,
    steps: usize,
    piece: usize,
    left: i32,
    dilation: i32,
) {
    let at = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let weights = outs * ins * taps;
    if at < weights + outs {
        let is_weight = at < weights;
        let out = if is_weight {
            at / (ins * taps)
        } else {
            at - weights
        };
        let channel = at / taps % ins;
        let shift = (at % taps) as i32 * dilation - left;
        let begin = CUBE_POS_Y as usize * piece;
        let end = min(begin + piece, steps);
        let mut sum = 0.0f32;
        let mut item = begin / out_len;
        let mut t = begin % out_len;
        for _ in begin..end {
            let d = dy[(item * outs + out) * out_len + t];
            if is_weight {
                let from = t as i32 + shift;
                if from >= 0 && from < len {
                    sum += d * x[(item * ins + channel) * len as usize + from as usize];
                }
            } else {
                sum += d;
            }
            t += 1;
            if t == out_len {
                t = 0;
                item += 1;
            }
        }
        partial[CUBE_POS_Y as usize * (weights + outs) + at] = sum;
    }
}
