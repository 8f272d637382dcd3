//! The spectral distance of tensors.

use burn::tensor::Tensor;

use super::shape::SpectralDistance;
use crate::kernels::bridge::{
    BackwardPass, Form, Gradient, Inputs, Operator, Output, form_of, list, run, shared_memory,
};
use crate::kernels::composed;
use crate::kernels::gpu::spectral as on_card;

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
    let distance = SpectralDistance {
        pre_emphasis: pre_emphasis.map(|coefficient| coefficient as f32),
    };
    let wet = wet.detach();
    match form_of(&predicted, "spectral_distance", fits_a_card(&predicted)) {
        Form::Composed => composed::spectral_distance(wet, predicted, pre_emphasis),
        Form::Card => on_card::spectral_distance(distance, wet, predicted),
        Form::Host => run::<3>(SpectralOperator(distance), list([predicted, wet], [])).reshape([1]),
    }
}

fn fits_a_card(side: &Tensor<3>) -> Result<(), String> {
    match shared_memory(side) {
        enough if enough >= on_card::SHARED_MEMORY => Ok(()),
        less => Err(format!(" in {less} bytes of shared memory")),
    }
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
            data: vec![distance].into(),
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
        vec![pass.wants(0).then(|| gradient().into()), None]
    }
}
