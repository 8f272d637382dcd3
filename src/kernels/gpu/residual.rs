//! A residual layer on a card: a launch forward; back one for the input's gradient and two for those
//! of all weights. What enters the activation is kept, its gradient is made where it is needed.

use burn::tensor::{Shape, Tensor};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{CHANNELS, THREADS, blocks, buffer, cube};
use super::math::{Curve, curve, slope, value};
use super::sums::{Pieces, add_parts};
use crate::kernels::bridge::{CardOperator, CardPass, empty, list, output_on_card};
use crate::kernels::residual::{self, ResidualLayer, ResidualWeights};

/// The layer of tensors on a card.
pub(in crate::kernels) fn residual_layer(
    shape: ResidualLayer,
    x: Tensor<3>,
    weights: ResidualWeights,
) -> Tensor<3> {
    let optional = [Some(weights.bias), weights.slopes];
    let inputs = list([x, weights.conv, weights.shortcut], optional);
    output_on_card(CardResidual(shape), inputs)
}

/// Inputs x, w, s, b and, where there are any, slopes; outputs y and what enters the activation.
#[derive(Debug)]
struct CardResidual(ResidualLayer);

/// What the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Form {
    curve: Curve,
    has_slopes: bool,
}

impl CardResidual {
    fn form(&self) -> (Form, f32) {
        let (curve, leak, has_slopes) = match self.0.curve {
            residual::Curve::One(function) => {
                let (curve, leak) = curve(function);
                (curve, leak, false)
            }
            residual::Curve::Slopes => (Curve::Leaky, 0.0, true),
        };
        (Form { curve, has_slopes }, leak)
    }
}

/// The slopes, or anything where there are none.
fn slopes(inputs: &[CubeTensor]) -> &CubeTensor {
    inputs.get(4).unwrap_or(&inputs[3])
}

impl CardOperator for CardResidual {
    fn outputs(&self, inputs: &[Shape], _keep: bool) -> Vec<Shape> {
        let (batch, len) = (inputs[0][0], inputs[0][2] - self.0.context());
        let y = Shape::new([batch, self.0.out_channels, len]);
        vec![y.clone(), y]
    }

    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        let ResidualLayer {
            in_channels,
            out_channels,
            kernel_size,
            dilation,
            ..
        } = self.0;
        let [x, conv, shortcut, bias] = [0, 1, 2, 3].map(|at| &inputs[at]);
        let [batch, _, len] = x.meta.shape().dims();
        let out_len = len - self.0.context();
        let (form, leak) = self.form();
        // SAFETY: a thread per sample of a block of channels, guarded; x is longer by the taps.
        unsafe {
            layer_kernel::launch_unchecked(
                &x.client,
                blocks(out_len, out_channels, batch),
                cube(),
                buffer(x),
                buffer(conv),
                buffer(shortcut),
                buffer(bias),
                buffer(slopes(inputs)),
                buffer(&outputs[0]),
                buffer(&outputs[1]),
                in_channels,
                out_channels,
                len,
                out_len,
                kernel_size,
                dilation,
                leak,
                out_channels.min(CHANNELS),
                form,
            );
        }
    }

    fn needs_outputs(&self) -> bool {
        true
    }

    fn backward(&self, pass: &CardPass<'_>, gradients: &[Option<CubeTensor>]) {
        if let Some(dx) = &gradients[0] {
            self.input(pass, dx);
        }
        if gradients[1..].iter().any(Option::is_some) {
            self.weights(pass, &gradients[1..]);
        }
    }
}

impl CardResidual {
    fn input(&self, pass: &CardPass<'_>, dx: &CubeTensor) {
        let layer = &self.0;
        let [batch, _, len] = dx.meta.shape().dims();
        let (form, leak) = self.form();
        // SAFETY: a thread per sample of a block of channels, guarded; so are the ends of dy.
        unsafe {
            input_kernel::launch_unchecked(
                &dx.client,
                blocks(len, layer.in_channels, batch),
                cube(),
                buffer(pass.dy),
                buffer(&pass.outputs[1]),
                buffer(&pass.inputs[1]),
                buffer(&pass.inputs[2]),
                buffer(slopes(pass.inputs)),
                buffer(dx),
                layer.in_channels,
                layer.out_channels,
                len,
                len - layer.context(),
                layer.kernel_size,
                layer.dilation,
                leak,
                layer.in_channels.min(CHANNELS),
                form,
            );
        }
    }

    fn weights(&self, pass: &CardPass<'_>, gradients: &[Option<CubeTensor>]) {
        let layer = &self.0;
        let (ins, outs) = (layer.in_channels, layer.out_channels);
        let x = &pass.inputs[0];
        let [batch, _, len] = x.meta.shape().dims();
        let out_len = len - layer.context();
        let (form, leak) = self.form();
        // In the order of the inputs.
        let mut lens = vec![outs * ins * layer.kernel_size, outs * ins, outs];
        if form.has_slopes {
            lens.push(outs);
        }
        let numbers: usize = lens.iter().sum();
        let pieces = Pieces::of(batch * out_len, numbers);
        let partial = empty(x, [pieces.count, numbers]);
        // SAFETY: a thread per number and piece, those beyond end at once.
        unsafe {
            weights_kernel::launch_unchecked(
                &x.client,
                pieces.cubes(numbers),
                cube(),
                buffer(x),
                buffer(pass.dy),
                buffer(&pass.outputs[1]),
                buffer(slopes(pass.inputs)),
                buffer(&partial),
                ins,
                outs,
                len,
                out_len,
                layer.kernel_size,
                layer.dilation,
                numbers,
                pieces.steps,
                pieces.len,
                leak,
                form,
            );
        }
        let to: Vec<(Option<&CubeTensor>, usize)> =
            gradients.iter().map(Option::as_ref).zip(lens).collect();
        add_parts(&partial, &to);
    }
}

/// The activation's slope where z enters it.
#[cube]
fn slope_at(z: f32, leak: f32, #[comptime] form: Form) -> f32 {
    if comptime!(form.has_slopes) {
        // A learned slope may be negative, so that its sign says nothing of z's.
        select(z > 0.0f32, 1.0f32, leak)
    } else {
        slope(value(z, leak, form.curve), leak, form.curve)
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn layer_kernel(
    x: &[f32],
    conv: &[f32],
    shortcut: &[f32],
    bias: &[f32],
    slopes: &[f32],
    y: &mut [f32],
    entering: &mut [f32],
    ins: usize,
    outs: usize,
    len: usize,
    out_len: usize,
    taps: usize,
    dilation: usize,
    leak: f32,
    #[comptime] channels: usize,
    #[comptime] form: Form,
) {
    let t = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let channel = CUBE_POS_Y as usize * CHANNELS;
    let item = CUBE_POS_Z as usize;
    if t < out_len {
        let mut z = Array::<f32>::new(channels);
        let mut straight = Array::<f32>::new(channels);
        #[unroll]
        for m in 0..channels {
            if channel + m < outs {
                z[m] = bias[channel + m];
            }
        }
        for n in 0..ins {
            let row = (item * ins + n) * len + t;
            for k in 0..taps {
                let heard = x[row + k * dilation];
                #[unroll]
                for m in 0..channels {
                    if channel + m < outs {
                        z[m] += conv[((channel + m) * ins + n) * taps + k] * heard;
                    }
                }
            }
            let newest = x[row + len - out_len];
            #[unroll]
            for m in 0..channels {
                if channel + m < outs {
                    straight[m] += shortcut[(channel + m) * ins + n] * newest;
                }
            }
        }
        #[unroll]
        for m in 0..channels {
            if channel + m < outs {
                let mut slope = leak;
                if comptime!(form.has_slopes) {
                    slope = slopes[channel + m];
                }
                let at = (item * outs + channel + m) * out_len + t;
                entering[at] = z[m];
                y[at] = value(z[m], slope, form.curve) + straight[m];
            }
        }
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn input_kernel(
    dy: &[f32],
    entering: &[f32],
    conv: &[f32],
    shortcut: &[f32],
    slopes: &[f32],
    dx: &mut [f32],
    ins: usize,
    outs: usize,
    len: usize,
    out_len: usize,
    taps: usize,
    dilation: usize,
    leak: f32,
    #[comptime] channels: usize,
    #[comptime] form: Form,
) {
    let t = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let channel = CUBE_POS_Y as usize * CHANNELS;
    let item = CUBE_POS_Z as usize;
    if t < len {
        let mut sums = Array::<f32>::new(channels);
        let context = len - out_len;
        for m in 0..outs {
            let row = (item * outs + m) * out_len;
            let mut slope = leak;
            if comptime!(form.has_slopes) {
                slope = slopes[m];
            }
            for k in 0..taps {
                let shift = k * dilation;
                if t >= shift && t - shift < out_len {
                    let at = row + t - shift;
                    let d = dy[at] * slope_at(entering[at], slope, form);
                    #[unroll]
                    for n in 0..channels {
                        if channel + n < ins {
                            sums[n] += conv[(m * ins + channel + n) * taps + k] * d;
                        }
                    }
                }
            }
            if t >= context {
                let d = dy[row + t - context];
                #[unroll]
                for n in 0..channels {
                    if channel + n < ins {
                        sums[n] += shortcut[m * ins + channel + n] * d;
                    }
                }
            }
        }
        #[unroll]
        for n in 0..channels {
            if channel + n < ins {
                dx[(item * ins + channel + n) * len + t] = sums[n];
            }
        }
    }
}

/// Of every number of the weights, in the order of the inputs, the sum over a piece of all items'
/// time.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn weights_kernel(
    x: &[f32],
    dy: &[f32],
    entering: &[f32],
    slopes: &[f32],
    partial: &mut [f32],
    ins: usize,
    outs: usize,
    len: usize,
    out_len: usize,
    taps: usize,
    dilation: usize,
    numbers: usize,
    steps: usize,
    piece: usize,
    leak: f32,
    #[comptime] form: Form,
) {
    let at = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let convs = outs * ins * taps;
    let shortcuts = outs * ins;
    if at < numbers {
        let is_conv = at < convs;
        let is_shortcut = !is_conv && at < convs + shortcuts;
        let is_bias = !is_conv && !is_shortcut && at < convs + shortcuts + outs;
        let mut out = at / (ins * taps);
        let mut channel = at / taps % ins;
        let mut shift = at % taps * dilation;
        if is_shortcut {
            out = (at - convs) / ins;
            channel = (at - convs) % ins;
            shift = len - out_len;
        } else if !is_conv {
            out = (at - convs - shortcuts) % outs;
            channel = 0;
            shift = 0;
        }
        let mut slope = leak;
        if comptime!(form.has_slopes) {
            slope = slopes[out];
        }
        let begin = CUBE_POS_Y as usize * piece;
        let end = min(begin + piece, steps);
        let mut sum = 0.0f32;
        let mut item = begin / out_len;
        let mut t = begin % out_len;
        for _ in begin..end {
            let place = (item * outs + out) * out_len + t;
            let d = dy[place];
            let z = entering[place];
            let heard = x[(item * ins + channel) * len + t + shift];
            if is_conv {
                sum += d * slope_at(z, slope, form) * heard;
            } else if is_shortcut {
                sum += d * heard;
            } else if is_bias {
                sum += d * slope_at(z, slope, form);
            } else {
                sum += d * min(z, 0.0f32);
            }
            t += 1;
            if t == out_len {
                t = 0;
                item += 1;
            }
        }
        partial[CUBE_POS_Y as usize * numbers + at] = sum;
    }
}
