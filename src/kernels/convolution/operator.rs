//! Convolutions of tensors.

use burn::tensor::Tensor;

use super::conv1d::{Conv1d, channel_sums};
use crate::kernels::bridge::{
    BackwardPass, Form, Gradient, Inputs, Operator, Output, form_of, list, run,
};
use crate::kernels::composed;
use crate::kernels::gpu::convolution as on_card;
use crate::kernels::memory::Buffer;

/// Convolution, stride 1: x `[batch, in, time]`, weight `[out, in, kernel]` (tap 0 the oldest),
/// bias `[out]`; `padding` zeros before and after x. Gives `[batch, out, time + left + right −
/// (kernel − 1)·dilation]`; `[(kernel − 1)·dilation, 0]` is causal, `[0, 0]` "valid".
///
/// # Panics
/// Channels do not match, or the filter is longer than the padded input.
pub fn conv1d(
    x: Tensor<3>,
    weight: Tensor<3>,
    bias: Option<Tensor<1>>,
    padding: [usize; 2],
    dilation: usize,
) -> Tensor<3> {
    let [_, in_channels, len] = x.dims();
    let [out_channels, weight_channels, kernel_size] = weight.dims();
    let shape = Conv1d {
        in_channels,
        out_channels,
        kernel_size,
        dilation,
        left: padding[0],
        right: padding[1],
    };
    assert_eq!(
        weight_channels, in_channels,
        "conv1d: the weight has {weight_channels} input channels, x has {in_channels}"
    );
    assert!(
        shape.output_len(len) > 0,
        "conv1d: {kernel_size} taps of dilation {dilation} do not fit {len} samples with padding {padding:?}"
    );
    match form_of(&x, "conv1d", Ok(())) {
        Form::Host => run(Conv1dOperator(shape), list([x, weight], [bias])),
        Form::Card => on_card::conv1d(shape, x, weight, bias),
        Form::Composed => composed::conv1d(x, weight, bias, padding, dilation),
    }
}

/// Transposed convolution, stride 1: x `[batch, in, time]`, weight `[in, out, kernel]`, bias
/// `[out]`: x[t] is added to y[t + k·dilation] with the weight of tap k, then `crop` samples are
/// dropped at start and end. Gives `[batch, out, time + (kernel − 1)·dilation − crop]`;
/// `[0, (kernel − 1)·dilation]` is causal.
///
/// # Panics
/// Channels do not match, or nothing is left of the output.
pub fn conv_transpose1d(
    x: Tensor<3>,
    weight: Tensor<3>,
    bias: Option<Tensor<1>>,
    crop: [usize; 2],
    dilation: usize,
) -> Tensor<3> {
    let [_, in_channels, len] = x.dims();
    let [weight_channels, out_channels, kernel_size] = weight.dims();
    let operator = ConvTranspose1dOperator(Conv1d {
        in_channels: out_channels,
        out_channels: in_channels,
        kernel_size,
        dilation,
        left: crop[0],
        right: crop[1],
    });
    assert_eq!(
        weight_channels, in_channels,
        "conv_transpose1d: the weight has {weight_channels} input channels, x has {in_channels}"
    );
    assert!(
        operator.output_len(len) > 0,
        "conv_transpose1d: crop {crop:?} leaves nothing of {len} samples and {kernel_size} taps"
    );
    match form_of(&x, "conv_transpose1d", Ok(())) {
        Form::Host => run(operator, list([x, weight], [bias])),
        Form::Card => {
            let len = operator.output_len(len);
            on_card::conv_transpose1d(operator.0, len, x, weight, bias)
        }
        Form::Composed => composed::conv_transpose1d(x, weight, bias, crop, dilation),
    }
}

/// Inputs x, weight and, where there are three, bias.
#[derive(Debug)]
struct Conv1dOperator(Conv1d);

impl Operator for Conv1dOperator {
    fn forward(&self, inputs: &Inputs<'_>, _keep: bool) -> Output {
        let (batch, weight, bias) = (inputs.batch(), inputs.at(1), inputs.get(2));
        let shape = [batch, self.0.out_channels, self.0.output_len(inputs.len())];
        Output::without_memory(shape, |y| {
            self.0
                .forward(inputs.isa, batch, inputs.x(), weight, bias, y)
        })
    }

    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient> {
        let (isa, batch, x, dy) = (inputs.isa, inputs.batch(), inputs.x(), pass.dy);
        let weight = inputs.at(1);
        let dx = pass.gradient(0, x.len(), |dx| {
            self.0.input_gradient(isa, batch, dy, weight, dx);
        });
        let with_bias = pass.wants(2);
        let mut db = vec![0.0; self.0.out_channels];
        let dw = (pass.wants(1) || with_bias).then(|| {
            let mut dw = Buffer::new(weight.len());
            let bias = with_bias.then_some(db.as_mut_slice());
            self.0.weight_gradient(isa, batch, x, dy, &mut dw, bias);
            dw
        });
        vec![dx, dw, with_bias.then(|| db.into())]
    }
}

/// A transposed convolution: the convolution it is the input gradient of. Inputs x, weight
/// `[in_channels, out_channels, kernel_size]` and, where there are three, bias.
#[derive(Debug)]
struct ConvTranspose1dOperator(Conv1d);

impl ConvTranspose1dOperator {
    /// Samples of the output for `len` of the input; see [`conv_transpose1d`].
    fn output_len(&self, len: usize) -> usize {
        match len {
            0 => 0,
            _ => (len + self.0.context()).saturating_sub(self.0.left + self.0.right),
        }
    }
}

impl Operator for ConvTranspose1dOperator {
    fn forward(&self, inputs: &Inputs<'_>, _keep: bool) -> Output {
        let (batch, weight, bias) = (inputs.batch(), inputs.at(1), inputs.get(2));
        let shape = [batch, self.0.in_channels, self.output_len(inputs.len())];
        Output::without_memory(shape, |y| {
            self.0
                .transposed(inputs.isa, batch, inputs.x(), weight, bias, y)
        })
    }

    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient> {
        let (isa, batch, x, dy) = (inputs.isa, inputs.batch(), inputs.x(), pass.dy);
        let weight = inputs.at(1);
        let dx = pass.gradient(0, x.len(), |dx| {
            self.0.forward(isa, batch, dy, weight, None, dx);
        });
        let dw = pass.gradient(1, weight.len(), |dw| {
            self.0.weight_gradient(isa, batch, dy, x, dw, None);
        });
        let db = pass.gradient(2, self.0.in_channels, |db| {
            channel_sums(isa, batch, dy, dy.len() / (batch * db.len()), db);
        });
        vec![dx, dw, db]
    }
}
