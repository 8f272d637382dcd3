//! The long filter on tensors.

use burn::tensor::Tensor;

use super::pass::LongFilter;
use crate::kernels::bridge::{
    BackwardPass, Gradient, Inputs, Operator, Output, is_on_host, list, run,
};
use crate::kernels::composed;

/// x `[batch, 1, time]` through the filter with the impulse response `taps`, the newest tap first:
/// `[batch, 1, time − taps + 1]`.
///
/// # Panics
/// x has several channels, or is shorter than the filter.
pub fn long_filter(x: Tensor<3>, taps: Tensor<1>) -> Tensor<3> {
    let [_, channels, len] = x.dims();
    let [count] = taps.dims();
    assert_eq!(channels, 1, "long_filter: channels of x");
    assert!(
        (1..=len).contains(&count),
        "long_filter: {count} taps do not fit {len} samples"
    );
    if !is_on_host(&x, "long_filter") {
        return composed::long_filter(x, taps);
    }
    let shape = LongFilter { len, taps: count };
    run(LongFilterOperator(shape), list([x], [Some(taps)]))
}

/// Inputs x and taps.
#[derive(Debug)]
struct LongFilterOperator(LongFilter);

impl Operator for LongFilterOperator {
    fn forward(&self, inputs: &Inputs<'_>, _: bool) -> Output {
        let shape = [inputs.batch(), 1, self.0.output_len()];
        Output::without_memory(shape, |y| self.0.forward(inputs.x(), inputs.at(1), y))
    }

    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient> {
        let (x, taps) = (inputs.x(), inputs.at(1));
        vec![
            pass.gradient(0, x.len(), |dx| self.0.input_gradient(taps, pass.dy, dx)),
            pass.gradient(1, taps.len(), |dh| self.0.tap_gradient(x, pass.dy, dh)),
        ]
    }
}
