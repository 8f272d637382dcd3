//! The spectral distance of tensors.

use burn::tensor::Tensor;

use super::shape::SpectralDistance;
use crate::kernels::bridge::{
    BackwardPass, Gradient, Inputs, Operator, Output, is_on_host, list, run,
};
use crate::kernels::composed;

/// The distance of wet and predicted `[batch, channel, time]` in short-time magnitudes, `[1]`; for
/// its formula see the [room](super). No gradient passes to the wet side.
///
/// # Panics
/// The shapes differ, or time is shorter than half of the longest FFT and one sample (with
/// pre-emphasis two).
pub fn spectral_distance(
    wet: Tensor<3>,
    predicted: Tensor<3>,
    pre_emphasis: Option<f64>,
) -> Tensor<1> {
    assert_eq!(
        wet.dims(),
        predicted.dims(),
        "spectral_distance: shapes of wet and predicted"
    );
    if !is_on_host(&predicted, "spectral_distance") {
        return composed::spectral_distance(wet, predicted, pre_emphasis);
    }
    let operator = SpectralOperator(SpectralDistance {
        pre_emphasis: pre_emphasis.map(|coefficient| coefficient as f32),
    });
    run::<3>(operator, list([predicted, wet.detach()], [])).reshape([1])
}

/// Inputs predicted, wet.
#[derive(Debug)]
struct SpectralOperator(SpectralDistance);

impl Operator for SpectralOperator {
    fn forward(&self, inputs: &Inputs<'_>, keep: bool) -> Output {
        let rows = inputs.batch() * inputs.channels();
        let (wet, predicted) = (inputs.at(1), inputs.x());
        let (distance, kept) = self.0.forward(inputs.isa, rows, wet, predicted, keep);
        Output {
            data: vec![distance],
            shape: [1, 1, 1],
            kept,
        }
    }

    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient> {
        let rows = inputs.batch() * inputs.channels();
        let gradient = || {
            self.0
                .backward(inputs.isa, rows, inputs.len(), pass.kept, pass.dy[0])
        };
        vec![pass.wants(0).then(gradient), None]
    }
}
