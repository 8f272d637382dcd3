//! The layer on tensors.

use burn::tensor::Tensor;

use super::shape::{Curve, ResidualLayer, ResidualSlices};
use super::tensors::ResidualWeights;
use crate::kernels::activation::Activation;
use crate::kernels::bridge::{
    BackwardPass, Form, Gradient, Inputs, Operator, Output, form_of, list, run,
};
use crate::kernels::composed;
use crate::kernels::gpu::residual as on_card;

/// y `[batch, out, time − (kernel − 1)·dilation]` of x `[batch, in, time]`; for the formula see the
/// [room](super). `activation` is φ where the weights have no slopes.
///
/// # Panics
/// The weights' shapes do not fit together or x, or x is not longer than the filter.
pub fn residual_layer(
    x: Tensor<3>,
    weights: ResidualWeights,
    dilation: usize,
    activation: Activation,
) -> Tensor<3> {
    let [_, in_channels, len] = x.dims();
    let [out_channels, _, kernel_size] = weights.conv.dims();
    let curve = match weights.slopes {
        Some(_) => Curve::Slopes,
        None => Curve::One(activation),
    };
    let shape = ResidualLayer {
        in_channels,
        out_channels,
        kernel_size,
        dilation,
        curve,
    };
    assert_eq!(
        (weights.conv.dims(), weights.shortcut.dims()),
        (
            [out_channels, in_channels, kernel_size],
            [out_channels, in_channels, 1]
        ),
        "residual_layer: shapes of the weights"
    );
    assert!(
        len > shape.context(),
        "residual_layer: {kernel_size} taps of dilation {dilation} do not fit {len} samples"
    );
    if weights.slopes.is_none() && !activation.is_fused() {
        return composed::residual_layer(x, weights, dilation, activation);
    }
    match form_of(&x, "residual_layer", Ok(())) {
        Form::Composed => composed::residual_layer(x, weights, dilation, activation),
        Form::Card => on_card::residual_layer(shape, x, weights),
        Form::Host => {
            let optional = [Some(weights.bias), weights.slopes];
            let inputs = list([x, weights.conv, weights.shortcut], optional);
            run(ResidualOperator(shape), inputs)
        }
    }
}

/// Inputs x, w, s, b and, where there are any, slopes.
#[derive(Debug)]
struct ResidualOperator(ResidualLayer);

fn weights<'a>(inputs: &Inputs<'a>) -> ResidualSlices<'a> {
    ResidualSlices {
        conv: inputs.at(1),
        shortcut: inputs.at(2),
        bias: inputs.at(3),
        slopes: inputs.get(4).unwrap_or_default(),
    }
}

impl Operator for ResidualOperator {
    fn forward(&self, inputs: &Inputs<'_>, keep: bool) -> Output {
        let (isa, batch, x) = (inputs.isa, inputs.batch(), inputs.x());
        let shape = [batch, self.0.out_channels, inputs.len() - self.0.context()];
        Output::written(shape, |y| {
            self.0.forward(isa, batch, x, &weights(inputs), y, keep)
        })
    }

    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient> {
        let got = self.0.backward(
            inputs.isa,
            inputs.batch(),
            inputs.x(),
            &weights(inputs),
            pass.kept,
            pass.dy,
            pass.wants(0),
        );
        let mut weights = vec![got.conv, got.shortcut, got.bias];
        if self.0.curve == Curve::Slopes {
            weights.push(got.slopes);
        }
        let weights = weights.into_iter().map(|values| Some(values.into()));
        std::iter::once(got.x).chain(weights).collect()
    }
}
