//! The encoder–decoder on a card: two launches forward, and three back where nobody asks for the
//! input's gradient. What enters the first rectifier is kept; all else of the hidden signal is made
//! where it is needed.

use burn::tensor::{Shape, Tensor};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{CHANNELS, THREADS, blocks, buffer, cube};
use super::sums::{Pieces, add_parts};
use crate::kernels::bridge::{CardOperator, CardPass, empty, list, output_on_card};
use crate::kernels::encoder_decoder::{EncoderDecoder, Filters, Middle};

/// The network of tensors on a card.
pub(in crate::kernels) fn encoder_decoder(
    shape: EncoderDecoder,
    x: Tensor<3>,
    filters: Filters,
) -> Tensor<3> {
    let operator = CardEncoderDecoder {
        shape,
        encoder_bias: filters.encoder_bias.is_some(),
        decoder_bias: filters.decoder_bias.is_some(),
    };
    let (scale, shift) = filters
        .middle
        .map(|middle| (middle.scale, middle.shift))
        .unzip();
    let optional = [filters.encoder_bias, scale, shift, filters.decoder_bias];
    output_on_card(
        operator,
        list([x, filters.encoder, filters.decoder], optional),
    )
}

/// Inputs x, encoder, decoder, then as the flags say encoder bias, scale and shift, decoder bias;
/// outputs y and what enters the first rectifier.
#[derive(Debug)]
struct CardEncoderDecoder {
    shape: EncoderDecoder,
    encoder_bias: bool,
    decoder_bias: bool,
}

/// What the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Form {
    middle: Middle,
    encoder_bias: bool,
    decoder_bias: bool,
}

/// The inputs by name; what is absent is the encoder, which nobody reads there.
struct Weights<'a, T> {
    encoder_bias: Option<&'a T>,
    scale: Option<&'a T>,
    shift: Option<&'a T>,
    decoder_bias: Option<&'a T>,
}

impl CardEncoderDecoder {
    fn form(&self) -> Form {
        Form {
            middle: self.shape.middle,
            encoder_bias: self.encoder_bias,
            decoder_bias: self.decoder_bias,
        }
    }

    /// Of a list in the order of the inputs.
    fn named<'a, T>(&self, list: &'a [T]) -> Weights<'a, T> {
        let mut rest = list[3..].iter();
        let mut next = |there: bool| if there { rest.next() } else { None };
        let has_middle = self.shape.middle != Middle::Plain;
        Weights {
            encoder_bias: next(self.encoder_bias),
            scale: next(has_middle),
            shift: next(has_middle),
            decoder_bias: next(self.decoder_bias),
        }
    }
}

impl CardOperator for CardEncoderDecoder {
    fn outputs(&self, inputs: &[Shape], _keep: bool) -> Vec<Shape> {
        let (batch, len) = (inputs[0][0], inputs[0][2]);
        let hidden = [batch, self.shape.channels, self.shape.hidden_len(len)];
        let y = [batch, 1, self.shape.output_len(len)];
        vec![Shape::new(y), Shape::new(hidden)]
    }

    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        let shape = &self.shape;
        let [x, encoder, decoder] = [0, 1, 2].map(|at| &inputs[at]);
        let named = self.named(inputs);
        let [batch, _, len] = x.meta.shape().dims();
        let (hidden_len, out_len) = (shape.hidden_len(len), shape.output_len(len));
        // SAFETY: a thread per sample of a block of channels, guarded, as is what lies outside of x.
        unsafe {
            hidden_kernel::launch_unchecked(
                &x.client,
                blocks(hidden_len, shape.channels, batch),
                cube(),
                buffer(x),
                buffer(encoder),
                buffer(named.encoder_bias.unwrap_or(encoder)),
                buffer(&outputs[1]),
                shape.channels,
                len as i32,
                hidden_len,
                shape.encoder_kernel_size,
                shape.left as i32,
                shape.channels.min(CHANNELS),
                self.form(),
            );
        }
        // SAFETY: a thread per sample of y, guarded, as is what lies outside of the hidden signal.
        unsafe {
            output_kernel::launch_unchecked(
                &x.client,
                CubeCount::Static(out_len.div_ceil(THREADS) as u32, batch as u32, 1),
                cube(),
                buffer(&outputs[1]),
                buffer(decoder),
                buffer(named.scale.unwrap_or(encoder)),
                buffer(named.shift.unwrap_or(encoder)),
                buffer(named.decoder_bias.unwrap_or(encoder)),
                buffer(&outputs[0]),
                shape.channels,
                hidden_len as i32,
                out_len,
                shape.decoder_kernel_size,
                shape.crop_left as i32,
                self.form(),
            );
        }
    }

    fn needs_outputs(&self) -> bool {
        true
    }

    fn backward(&self, pass: &CardPass<'_>, gradients: &[Option<CubeTensor>]) {
        let along = self.hidden(pass);
        if let Some(dx) = &gradients[0] {
            self.input(pass, &along, dx);
        }
        self.weights(pass, &along, gradients);
    }
}

impl CardEncoderDecoder {
    /// The gradient of scale·r + shift, or of r where the middle is plain.
    fn hidden(&self, pass: &CardPass<'_>) -> CubeTensor {
        let shape = &self.shape;
        let (encoder, z) = (&pass.inputs[1], &pass.outputs[1]);
        let named = self.named(pass.inputs);
        let [batch, _, hidden_len] = z.meta.shape().dims();
        let [_, _, out_len] = pass.dy.meta.shape().dims();
        let along = empty(z, z.meta.shape().clone());
        // SAFETY: a thread per sample of a block of channels, guarded, as is what lies outside of dy.
        unsafe {
            along_kernel::launch_unchecked(
                &z.client,
                blocks(hidden_len, shape.channels, batch),
                cube(),
                buffer(pass.dy),
                buffer(z),
                buffer(&pass.inputs[2]),
                buffer(named.scale.unwrap_or(encoder)),
                buffer(named.shift.unwrap_or(encoder)),
                buffer(&along),
                shape.channels,
                hidden_len,
                out_len as i32,
                shape.decoder_kernel_size,
                shape.crop_left as i32,
                shape.channels.min(CHANNELS),
                self.form(),
            );
        }
        along
    }

    fn input(&self, pass: &CardPass<'_>, along: &CubeTensor, dx: &CubeTensor) {
        let shape = &self.shape;
        let (encoder, z) = (&pass.inputs[1], &pass.outputs[1]);
        let [batch, _, hidden_len] = z.meta.shape().dims();
        let [_, _, len] = dx.meta.shape().dims();
        // SAFETY: a thread per sample of x, guarded, as is what lies outside of the hidden signal.
        unsafe {
            input_kernel::launch_unchecked(
                &z.client,
                CubeCount::Static(len.div_ceil(THREADS) as u32, batch as u32, 1),
                cube(),
                buffer(along),
                buffer(z),
                buffer(encoder),
                buffer(self.named(pass.inputs).scale.unwrap_or(encoder)),
                buffer(dx),
                shape.channels,
                hidden_len as i32,
                len,
                shape.encoder_kernel_size,
                shape.left as i32,
                self.form(),
            );
        }
    }

    fn weights(&self, pass: &CardPass<'_>, along: &CubeTensor, gradients: &[Option<CubeTensor>]) {
        let shape = &self.shape;
        let (x, encoder, z) = (&pass.inputs[0], &pass.inputs[1], &pass.outputs[1]);
        let named = self.named(pass.inputs);
        let to = self.named(gradients);
        let wanted = |gradient: Option<&'_ Option<CubeTensor>>| gradient.cloned().flatten();
        let [batch, channels, hidden_len] = z.meta.shape().dims();
        let [_, _, len] = x.meta.shape().dims();
        let [_, _, out_len] = pass.dy.meta.shape().dims();
        let to = [
            (gradients[1].clone(), channels * shape.encoder_kernel_size),
            (gradients[2].clone(), channels * shape.decoder_kernel_size),
            (wanted(to.encoder_bias), channels),
            (wanted(to.scale), channels),
            (wanted(to.shift), channels),
            (wanted(to.decoder_bias), 1),
        ];
        let numbers = to.iter().map(|(_, len)| len).sum();
        let pieces = Pieces::of(batch * hidden_len, numbers);
        let partial = empty(x, [pieces.count, numbers]);
        // SAFETY: a thread per number and piece, those beyond end at once; what lies outside of x
        // and dy is guarded.
        unsafe {
            weights_kernel::launch_unchecked(
                &x.client,
                pieces.cubes(numbers),
                cube(),
                buffer(x),
                buffer(pass.dy),
                buffer(z),
                buffer(along),
                buffer(named.scale.unwrap_or(encoder)),
                buffer(named.shift.unwrap_or(encoder)),
                buffer(&partial),
                channels,
                len as i32,
                hidden_len,
                out_len as i32,
                shape.encoder_kernel_size,
                shape.decoder_kernel_size,
                shape.left as i32,
                shape.crop_left as i32,
                numbers,
                pieces.steps,
                pieces.len,
                batch * out_len,
                (batch * out_len).div_ceil(pieces.count),
                self.form(),
            );
        }
        let to: Vec<(Option<&CubeTensor>, usize)> =
            to.iter().map(|(to, len)| (to.as_ref(), *len)).collect();
        add_parts(&partial, &to);
    }
}

/// What the decoder hears where z enters the first rectifier.
#[cube]
fn heard(z: f32, scale: &[f32], shift: &[f32], channel: usize, #[comptime] form: Form) -> f32 {
    let r = max(z, 0.0f32);
    if comptime!(form.middle == Middle::Plain) {
        r
    } else {
        let h = scale[channel] * r + shift[channel];
        if comptime!(form.middle == Middle::ScaleShiftRelu) {
            max(h, 0.0f32)
        } else {
            h
        }
    }
}

/// The gradient of z, for that of what the middle makes.
#[cube]
fn entering(along: f32, z: f32, scale: &[f32], channel: usize, #[comptime] form: Form) -> f32 {
    let mut d = along;
    if comptime!(form.middle != Middle::Plain) {
        d *= scale[channel];
    }
    select(z > 0.0f32, d, 0.0f32)
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn hidden_kernel(
    x: &[f32],
    encoder: &[f32],
    bias: &[f32],
    z: &mut [f32],
    all_channels: usize,
    len: i32,
    hidden_len: usize,
    taps: usize,
    left: i32,
    #[comptime] channels: usize,
    #[comptime] form: Form,
) {
    let t = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let channel = CUBE_POS_Y as usize * CHANNELS;
    let item = CUBE_POS_Z as usize;
    if t < hidden_len {
        let mut sums = Array::<f32>::new(channels);
        if comptime!(form.encoder_bias) {
            #[unroll]
            for m in 0..channels {
                if channel + m < all_channels {
                    sums[m] = bias[channel + m];
                }
            }
        }
        let row = item * len as usize;
        for k in 0..taps {
            let at = (t + k) as i32 - left;
            if at >= 0 && at < len {
                let value = x[row + at as usize];
                #[unroll]
                for m in 0..channels {
                    if channel + m < all_channels {
                        sums[m] += encoder[(channel + m) * taps + k] * value;
                    }
                }
            }
        }
        #[unroll]
        for m in 0..channels {
            if channel + m < all_channels {
                z[(item * all_channels + channel + m) * hidden_len + t] = sums[m];
            }
        }
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn output_kernel(
    z: &[f32],
    decoder: &[f32],
    scale: &[f32],
    shift: &[f32],
    bias: &[f32],
    y: &mut [f32],
    channels: usize,
    hidden_len: i32,
    out_len: usize,
    taps: usize,
    crop: i32,
    #[comptime] form: Form,
) {
    let t = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let item = CUBE_POS_Y as usize;
    if t < out_len {
        let mut sum = 0.0f32;
        if comptime!(form.decoder_bias) {
            sum = bias[0];
        }
        for c in 0..channels {
            let row = (item * channels + c) * hidden_len as usize;
            for k in 0..taps {
                let at = t as i32 + crop - k as i32;
                if at >= 0 && at < hidden_len {
                    let h = heard(z[row + at as usize], scale, shift, c, form);
                    sum += decoder[c * taps + k] * h;
                }
            }
        }
        y[item * out_len + t] = sum;
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn along_kernel(
    dy: &[f32],
    z: &[f32],
    decoder: &[f32],
    scale: &[f32],
    shift: &[f32],
    along: &mut [f32],
    all_channels: usize,
    hidden_len: usize,
    out_len: i32,
    taps: usize,
    crop: i32,
    #[comptime] channels: usize,
    #[comptime] form: Form,
) {
    let t = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let channel = CUBE_POS_Y as usize * CHANNELS;
    let item = CUBE_POS_Z as usize;
    if t < hidden_len {
        let mut sums = Array::<f32>::new(channels);
        let row = item * out_len as usize;
        for k in 0..taps {
            let at = (t + k) as i32 - crop;
            if at >= 0 && at < out_len {
                let d = dy[row + at as usize];
                #[unroll]
                for m in 0..channels {
                    if channel + m < all_channels {
                        sums[m] += decoder[(channel + m) * taps + k] * d;
                    }
                }
            }
        }
        #[unroll]
        for m in 0..channels {
            if channel + m < all_channels {
                let at = (item * all_channels + channel + m) * hidden_len + t;
                let mut d = sums[m];
                if comptime!(form.middle == Middle::ScaleShiftRelu) {
                    let h = heard(z[at], scale, shift, channel + m, form);
                    d = select(h > 0.0f32, d, 0.0f32);
                }
                along[at] = d;
            }
        }
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn input_kernel(
    along: &[f32],
    z: &[f32],
    encoder: &[f32],
    scale: &[f32],
    dx: &mut [f32],
    channels: usize,
    hidden_len: i32,
    len: usize,
    taps: usize,
    left: i32,
    #[comptime] form: Form,
) {
    let t = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let item = CUBE_POS_Y as usize;
    if t < len {
        let mut sum = 0.0f32;
        for c in 0..channels {
            let row = (item * channels + c) * hidden_len as usize;
            for k in 0..taps {
                let at = t as i32 + left - k as i32;
                if at >= 0 && at < hidden_len {
                    let place = row + at as usize;
                    let d = entering(along[place], z[place], scale, c, form);
                    sum += encoder[c * taps + k] * d;
                }
            }
        }
        dx[item * len + t] = sum;
    }
}

/// Of every number of the weights the sum over a piece of all items' time: encoder, decoder, encoder
/// bias, scale, shift, decoder bias.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn weights_kernel(
    x: &[f32],
    dy: &[f32],
    z: &[f32],
    along: &[f32],
    scale: &[f32],
    shift: &[f32],
    partial: &mut [f32],
    channels: usize,
    len: i32,
    hidden_len: usize,
    out_len: i32,
    encoder_taps: usize,
    decoder_taps: usize,
    left: i32,
    crop: i32,
    numbers: usize,
    steps: usize,
    piece: usize,
    out_steps: usize,
    out_piece: usize,
    #[comptime] form: Form,
) {
    let at = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let part = CUBE_POS_Y as usize;
    let encoders = channels * encoder_taps;
    let filters = encoders + channels * decoder_taps;
    if at < numbers {
        let mut sum = 0.0f32;
        if at == numbers - 1 {
            let begin = part * out_piece;
            let end = min(begin + out_piece, out_steps);
            let mut t = begin;
            while t < end {
                sum += dy[t];
                t += 1;
            }
        } else {
            let is_encoder = at < encoders;
            let is_decoder = !is_encoder && at < filters;
            let mut channel = at / encoder_taps;
            let mut shifted = (at % encoder_taps) as i32 - left;
            let mut kind = 0usize;
            if is_decoder {
                channel = (at - encoders) / decoder_taps;
                shifted = ((at - encoders) % decoder_taps) as i32 - crop;
            } else if !is_encoder {
                channel = (at - filters) % channels;
                shifted = 0i32;
                kind = (at - filters) / channels;
            }
            let begin = part * piece;
            let end = min(begin + piece, steps);
            let mut item = begin / hidden_len;
            let mut t = begin % hidden_len;
            for _ in begin..end {
                let place = (item * channels + channel) * hidden_len + t;
                let from = t as i32 + shifted;
                if is_encoder {
                    if from >= 0 && from < len {
                        let d = entering(along[place], z[place], scale, channel, form);
                        sum += d * x[item * len as usize + from as usize];
                    }
                } else if is_decoder {
                    if from >= 0 && from < out_len {
                        let h = heard(z[place], scale, shift, channel, form);
                        sum += h * dy[item * out_len as usize + from as usize];
                    }
                } else if kind == 0 {
                    sum += entering(along[place], z[place], scale, channel, form);
                } else if kind == 1 {
                    sum += along[place] * max(z[place], 0.0f32);
                } else {
                    sum += along[place];
                }
                t += 1;
                if t == hidden_len {
                    t = 0;
                    item += 1;
                }
            }
        }
        partial[part * numbers + at] = sum;
    }
}
