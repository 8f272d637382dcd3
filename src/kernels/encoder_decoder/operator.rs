//! The encoder–decoder on tensors.

use burn::tensor::Tensor;

use super::filters::Filters;
use super::shape::{EncoderDecoder, FilterSlices, Middle};
use crate::kernels::bridge::{
    BackwardPass, Form, Gradient, Inputs, Operator, Output, form_of, list, run,
};
use crate::kernels::composed;
use crate::kernels::gpu::encoder_decoder as on_card;

/// Convolution 1 → channels, ReLU, the middle stage, transposed convolution channels → 1, on x
/// `[batch, 1, time]`, in one pass that never holds the channels of more than a block of time.
/// `padding` as in [`conv1d`](crate::kernels::conv1d), `crop` as in
/// [`conv_transpose1d`](crate::kernels::conv_transpose1d).
///
/// # Panics
/// x has more than one channel, the filters' channels differ, or nothing is left of the output.
pub fn encoder_decoder(
    x: Tensor<3>,
    filters: Filters,
    padding: [usize; 2],
    crop: [usize; 2],
) -> Tensor<3> {
    let [_, x_channels, len] = x.dims();
    let [channels, encoder_channels, encoder_kernel_size] = filters.encoder.dims();
    let [decoder_in, decoder_channels, decoder_kernel_size] = filters.decoder.dims();
    let shape = EncoderDecoder {
        channels,
        encoder_kernel_size,
        left: padding[0],
        right: padding[1],
        middle: match &filters.middle {
            None => Middle::Plain,
            Some(middle) if middle.rectified => Middle::ScaleShiftRelu,
            Some(_) => Middle::ScaleShift,
        },
        decoder_kernel_size,
        crop_left: crop[0],
        crop_right: crop[1],
    };
    assert_eq!(
        [x_channels, encoder_channels, decoder_channels, decoder_in],
        [1, 1, 1, channels],
        "encoder_decoder: x, encoder and decoder lead from one channel to {channels} and back"
    );
    assert!(
        shape.output_len(len) > 0,
        "encoder_decoder: nothing is left of {len} samples with padding {padding:?}, crop {crop:?}"
    );
    match form_of(&x, "encoder_decoder", Ok(())) {
        Form::Composed => composed::encoder_decoder(x, filters, padding, crop),
        Form::Card => on_card::encoder_decoder(shape, x, filters),
        Form::Host => on_host(shape, x, filters),
    }
}

fn on_host(shape: EncoderDecoder, x: Tensor<3>, filters: Filters) -> Tensor<3> {
    let operator = EncoderDecoderOperator {
        shape,
        encoder_bias: filters.encoder_bias.is_some(),
        decoder_bias: filters.decoder_bias.is_some(),
    };
    let (scale, shift) = filters
        .middle
        .map(|middle| (middle.scale, middle.shift))
        .unzip();
    run(
        operator,
        list(
            [x, filters.encoder, filters.decoder],
            [filters.encoder_bias, scale, shift, filters.decoder_bias],
        ),
    )
}

/// Inputs x, encoder, decoder, then as the flags say encoder bias, scale and shift, decoder bias.
#[derive(Debug)]
struct EncoderDecoderOperator {
    /// The shape; its middle says whether scale and shift are there.
    shape: EncoderDecoder,
    /// Whether there is an encoder bias.
    encoder_bias: bool,
    /// Whether there is a decoder bias.
    decoder_bias: bool,
}

impl EncoderDecoderOperator {
    /// Calls `work` with the weights.
    fn with_weights<R>(&self, inputs: &Inputs<'_>, work: impl FnOnce(&FilterSlices<'_>) -> R) -> R {
        let mut rest = inputs.values[3..].iter().map(|values| values.data);
        let zeros = vec![0.0; self.shape.channels];
        let mut next = |there: bool, otherwise| match there {
            true => rest.next().unwrap_or(otherwise),
            false => otherwise,
        };
        let middle = self.shape.middle != Middle::Plain;
        work(&FilterSlices {
            encoder: inputs.at(1),
            decoder: inputs.at(2),
            encoder_bias: next(self.encoder_bias, &zeros),
            scale: next(middle, &zeros),
            shift: next(middle, &zeros),
            decoder_bias: next(self.decoder_bias, &zeros)
                .first()
                .copied()
                .unwrap_or(0.0),
        })
    }
}

impl Operator for EncoderDecoderOperator {
    fn forward(&self, inputs: &Inputs<'_>, _keep: bool) -> Output {
        let (batch, x) = (inputs.batch(), inputs.x());
        let shape = [batch, 1, self.shape.output_len(inputs.len())];
        Output::without_memory(shape, |y| {
            self.with_weights(inputs, |weights| {
                self.shape.forward(inputs.isa, batch, x, weights, y);
            });
        })
    }

    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient> {
        let (batch, x) = (inputs.batch(), inputs.x());
        let got = self.with_weights(inputs, |weights| {
            self.shape
                .backward(inputs.isa, batch, x, weights, pass.dy, pass.wants(0))
        });
        let gradient = |values: Vec<f32>| Some(values.into());
        let mut gradients = vec![got.x, gradient(got.encoder), gradient(got.decoder)];
        if self.encoder_bias {
            gradients.push(gradient(got.encoder_bias));
        }
        if self.shape.middle != Middle::Plain {
            gradients.extend([got.scale, got.shift].map(gradient));
        }
        if self.decoder_bias {
            gradients.push(gradient(vec![got.decoder_bias]));
        }
        gradients
    }
}
