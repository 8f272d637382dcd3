//! The layers on tensors.

use burn::tensor::Tensor;

use super::stack::ResidualStack;
use super::tensors::{ResidualTensors, ResidualWeights};
use crate::kernels::activation::Activation;
use crate::kernels::bridge::{
    BackwardPass, Form, Gradient, Inputs, Operator, Output, form_of, run,
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
    let layer = ResidualTensors {
        weights,
        dilation,
        activation,
    };
    residual_layers(x, vec![layer])
}

/// The same through layers one behind another. On the host all of them are one operator.
///
/// # Panics
/// As [`residual_layer`].
pub fn residual_layers(x: Tensor<3>, layers: Vec<ResidualTensors>) -> Tensor<3> {
    if layers.is_empty() {
        return x;
    }
    let stack = ResidualStack::new(layers.iter().map(ResidualTensors::shape).collect());
    let ([_, channels, len], context) = (x.dims(), stack.context());
    assert_eq!(
        channels,
        stack.channels().0,
        "residual_layers: channels of x"
    );
    assert!(
        len > context,
        "residual_layers: a context of {context} does not fit {len} samples"
    );
    let fused = layers.iter().all(ResidualTensors::is_fused);
    match form_of(&x, "residual_layer", Ok(())) {
        Form::Host if fused => {
            let weights = layers.into_iter().flat_map(ResidualTensors::flat);
            let weights = Tensor::cat(weights.collect(), 0);
            let inputs = vec![x.into_dispatch(), weights.into_dispatch()];
            run(StackOperator(stack), inputs)
        }
        Form::Card if fused => {
            let alone = |x, layer: ResidualTensors| {
                on_card::residual_layer(layer.shape(), x, layer.weights)
            };
            layers.into_iter().fold(x, alone)
        }
        _ => {
            let alone = |x, layer: ResidualTensors| {
                composed::residual_layer(x, layer.weights, layer.dilation, layer.activation)
            };
            layers.into_iter().fold(x, alone)
        }
    }
}

/// Inputs x and the list of all weights.
#[derive(Debug)]
struct StackOperator(ResidualStack);

impl Operator for StackOperator {
    fn forward(&self, inputs: &Inputs<'_>, keep: bool) -> Output {
        let (isa, batch, x) = (inputs.isa, inputs.batch(), inputs.x());
        let len = inputs.len() - self.0.context();
        Output::written([batch, self.0.channels().1, len], |y| {
            self.0.forward(isa, batch, x, inputs.at(1), y, keep)
        })
    }

    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient> {
        let (dx, dw) = self.0.backward(
            inputs.isa,
            inputs.batch(),
            inputs.x(),
            inputs.at(1),
            pass.kept,
            pass.dy,
            pass.wants(0),
        );
        vec![dx, Some(dw.into())]
    }
}
