//! The convolutions of [`super::conv`] and [`super::encoder_decoder`] as [`Operator`]s.

use super::buffers::Buffer;
use super::conv::Conv1d;
use super::encoder_decoder::{EncoderDecoder, Middle, Weights};
use super::operator::{Forward, Operator, Values};
use crate::simd::Isa;

/// Inputs x, weight and, where there are three, bias.
#[derive(Debug)]
pub(crate) struct Conv1dOperator(pub Conv1d);

impl Operator for Conv1dOperator {
    fn forward(&self, inputs: &[Values<'_>], _keep: bool) -> Forward {
        let (batch, len) = (inputs[0].shape[0], inputs[0].shape[2]);
        let shape = vec![batch, self.0.out_channels, self.0.output_len(len)];
        let mut data = vec![0.0; shape.iter().product()];
        let (x, weight) = (inputs[0].data, inputs[1].data);
        let bias = inputs.get(2).map(|bias| bias.data);
        self.0
            .forward(Isa::detect(), batch, x, weight, bias, &mut data);
        Forward::without_memory(data, shape)
    }

    fn backward(
        &self,
        inputs: &[Values<'_>],
        _kept: &Buffer,
        dy: &[f32],
        wanted: &[bool],
    ) -> Vec<Option<Vec<f32>>> {
        let isa = Isa::detect();
        let batch = inputs[0].shape[0];
        let (x, weight) = (inputs[0].data, inputs[1].data);
        let dx = wanted[0].then(|| {
            let mut dx = vec![0.0; x.len()];
            self.0.input_gradient(isa, batch, dy, weight, &mut dx);
            dx
        });
        let with_bias = wanted.get(2) == Some(&true);
        let mut db = vec![0.0; self.0.out_channels];
        let dw = (wanted[1] || with_bias).then(|| {
            let mut dw = vec![0.0; weight.len()];
            let bias = with_bias.then_some(db.as_mut_slice());
            self.0.weight_gradient(isa, batch, x, dy, &mut dw, bias);
            dw
        });
        vec![dx, dw, with_bias.then_some(db)]
    }
}

/// A transposed convolution: the convolution it is the input gradient of. Inputs x, weight
/// `[in_channels, out_channels, kernel_size]` and, where there are three, bias.
#[derive(Debug)]
pub(crate) struct ConvTranspose1dOperator(pub Conv1d);

impl ConvTranspose1dOperator {
    /// Samples of the output for `len` of the input; see [`super::conv_transpose1d`].
    pub fn output_len(&self, len: usize) -> usize {
        match len {
            0 => 0,
            _ => (len + self.0.context()).saturating_sub(self.0.left + self.0.right),
        }
    }
}

impl Operator for ConvTranspose1dOperator {
    fn forward(&self, inputs: &[Values<'_>], _keep: bool) -> Forward {
        let (batch, len) = (inputs[0].shape[0], inputs[0].shape[2]);
        let shape = vec![batch, self.0.in_channels, self.output_len(len)];
        let mut data = vec![0.0; shape.iter().product()];
        let (x, weight) = (inputs[0].data, inputs[1].data);
        let bias = inputs.get(2).map(|bias| bias.data);
        self.0
            .transposed(Isa::detect(), batch, x, weight, bias, &mut data);
        Forward::without_memory(data, shape)
    }

    fn backward(
        &self,
        inputs: &[Values<'_>],
        _kept: &Buffer,
        dy: &[f32],
        wanted: &[bool],
    ) -> Vec<Option<Vec<f32>>> {
        let isa = Isa::detect();
        let batch = inputs[0].shape[0];
        let (x, weight) = (inputs[0].data, inputs[1].data);
        let dx = wanted[0].then(|| {
            let mut dx = vec![0.0; x.len()];
            self.0.forward(isa, batch, dy, weight, None, &mut dx);
            dx
        });
        let dw = wanted[1].then(|| {
            let mut dw = vec![0.0; weight.len()];
            self.0.weight_gradient(isa, batch, dy, x, &mut dw, None);
            dw
        });
        let db = (wanted.get(2) == Some(&true)).then(|| {
            let mut db = vec![0.0; self.0.in_channels];
            super::conv::channel_sums(isa, batch, dy, dy.len() / (batch * db.len()), &mut db);
            db
        });
        vec![dx, dw, db]
    }
}

/// Inputs x, encoder, decoder, then as the flags say encoder bias, scale and shift, decoder bias.
#[derive(Debug)]
pub(crate) struct EncoderDecoderOperator {
    /// The shape; its middle says whether scale and shift are there.
    pub shape: EncoderDecoder,
    /// Whether there is an encoder bias.
    pub encoder_bias: bool,
    /// Whether there is a decoder bias.
    pub decoder_bias: bool,
}

impl EncoderDecoderOperator {
    /// Calls `work` with the weights.
    fn with_weights<R>(&self, inputs: &[Values<'_>], work: impl FnOnce(&Weights<'_>) -> R) -> R {
        let mut rest = inputs[3..].iter().map(|values| values.data);
        let zeros = vec![0.0; self.shape.channels];
        let mut next = |there: bool, otherwise| match there {
            true => rest.next().unwrap_or(otherwise),
            false => otherwise,
        };
        let middle = self.shape.middle != Middle::Plain;
        work(&Weights {
            encoder: inputs[1].data,
            decoder: inputs[2].data,
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
    fn forward(&self, inputs: &[Values<'_>], _keep: bool) -> Forward {
        let (batch, len) = (inputs[0].shape[0], inputs[0].shape[2]);
        let shape = vec![batch, 1, self.shape.output_len(len)];
        let mut data = vec![0.0; shape.iter().product()];
        self.with_weights(inputs, |weights| {
            self.shape
                .forward(Isa::detect(), batch, inputs[0].data, weights, &mut data);
        });
        Forward::without_memory(data, shape)
    }

    fn backward(
        &self,
        inputs: &[Values<'_>],
        _kept: &Buffer,
        dy: &[f32],
        wanted: &[bool],
    ) -> Vec<Option<Vec<f32>>> {
        let (batch, x) = (inputs[0].shape[0], inputs[0].data);
        let got = self.with_weights(inputs, |weights| {
            self.shape
                .backward(Isa::detect(), batch, x, weights, dy, wanted[0])
        });
        let mut gradients = vec![got.x, Some(got.encoder), Some(got.decoder)];
        if self.encoder_bias {
            gradients.push(Some(got.encoder_bias));
        }
        if self.shape.middle != Middle::Plain {
            gradients.extend([Some(got.scale), Some(got.shift)]);
        }
        if self.decoder_bias {
            gradients.push(Some(vec![got.decoder_bias]));
        }
        gradients
    }
}
