//! The mean of a tensor's numbers.

use burn::tensor::Tensor;

use super::bridge::{is_on_card, output_on_card};
use super::gpu::mean::CardMean;

/// The mean of all numbers, `[1]`.
pub fn mean(of: Tensor<3>) -> Tensor<1> {
    match is_on_card(&of) {
        true => output_on_card(CardMean, vec![of.into_dispatch()]),
        false => of.mean(),
    }
}
