//! The sums that a prediction's figures are made of, where it lies on a card: what is read of a step is
//! then a few numbers, not the prediction.

use burn::tensor::Tensor;

use super::bridge::{is_on_card, run_on_card};
use super::gpu::error_sums::CardErrorSums;

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
