//! What a prediction's figures are made of: its values where they lie, or, of one on a card, the sums,
//! so that what is read of a step is a few numbers, not the prediction.

use burn::tensor::Tensor;

use super::bridge::{ListWork, Values, is_on_card, run_on_card, run_on_list};
use super::gpu::error_sums::CardErrorSums;
use super::memory::Buffer;
use crate::simd::Isa;

/// Of every item of wet and predicted `[batch, channels, time]`, with e = wet − predicted: Σe, Σe², Σ|e|,
/// Σwet, Σwet², Σpredicted², Σwet·predicted, `[batch, 7]`; `None` where the prediction is not on a card.
///
/// # Panics
/// The shapes differ.
pub fn error_sums(wet: &Tensor<3>, predicted: &Tensor<3>) -> Option<Tensor<2>> {
    assert_eq!(wet.dims(), predicted.dims(), "error_sums: shapes");
    is_on_card(predicted).then(|| {
        let both = [wet, predicted].map(|side| side.clone().into_dispatch());
        let mut outputs = run_on_card(CardErrorSums, both.to_vec());
        Tensor::from_dispatch(outputs.swap_remove(0))
    })
}

/// Calls `look` with the values of both tensors, which are in host memory and without autodiff, row-major
/// and without a copy where they already lie so.
///
/// # Panics
/// They are elsewhere.
pub fn look_at(both: [Tensor<3>; 2], look: impl FnMut([&[f32]; 2])) {
    struct Look<F>(F);
    impl<F: FnMut([&[f32]; 2])> ListWork for Look<F> {
        fn run(&mut self, _: Isa, inputs: &[Values<'_>]) -> Vec<Buffer> {
            (self.0)([inputs[0].data, inputs[1].data]);
            Vec::new()
        }
    }
    run_on_list(&mut Look(look), both.map(Tensor::into_dispatch).into());
}
