//! The fully connected layer of tensors.

use burn::tensor::Tensor;

use super::pass::Dense;
use crate::kernels::bridge::{BackwardPass, Gradient, Inputs, Operator, Output, is_fused, run};
use crate::kernels::composed;

/// x `[batch, 1, inputs]`, weight `[inputs, outputs]`, bias `[outputs]` give `[batch, 1, outputs]`. On a
/// card this is the tensor library's product, which is one launch there too.
///
/// # Panics
/// The shapes do not fit.
pub fn dense(x: Tensor<3>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<3> {
    let [batch, channels, inputs] = x.dims();
    let [rows, outputs] = weight.dims();
    assert_eq!(
        (channels, inputs),
        (1, rows),
        "dense: x is not [batch, 1, {rows}]"
    );
    assert_eq!(bias.dims(), [outputs], "dense: bias");
    if !is_fused(&x) {
        return composed::dense(x, weight, bias);
    }
    let operator = DenseOperator(Dense {
        batch,
        inputs,
        outputs,
    });
    let tensors = [
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    ];
    run(operator, tensors.into())
}

/// Inputs x, weight and bias.
#[derive(Debug)]
struct DenseOperator(Dense);

impl Operator for DenseOperator {
    fn forward(&self, inputs: &Inputs<'_>, _keep: bool) -> Output {
        let shape = [self.0.batch, 1, self.0.outputs];
        Output::without_memory(shape, |y| {
            let (weight, bias) = (inputs.at(1), inputs.at(2));
            self.0.forward(inputs.isa, inputs.x(), weight, bias, y);
        })
    }

    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient> {
        let (isa, dy) = (inputs.isa, pass.dy);
        let (x, weight) = (inputs.x(), inputs.at(1));
        vec![
            pass.gradient(0, x.len(), |dx| {
                self.0.input_gradient(isa, dy, weight, dx);
            }),
            pass.gradient(1, weight.len(), |dw| {
                self.0.weight_gradient(isa, x, dy, dw);
            }),
            pass.gradient(2, self.0.outputs, |db| self.0.bias_gradient(dy, db)),
        ]
    }
}
