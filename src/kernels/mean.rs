//! Means of a tensor's numbers, `[1]`.

use burn::tensor::Tensor;

use super::bridge::{is_on_card, output_on_card};
use super::gpu::mean::CardMean;

/// The mean of all numbers.
pub fn mean(of: Tensor<3>) -> Tensor<1> {
    match is_on_card(&of) {
        true => output_on_card(CardMean::Plain, vec![of.into_dispatch()]),
        false => of.mean(),
    }
}

/// The mean of their squares.
pub fn mean_square(of: Tensor<3>) -> Tensor<1> {
    match is_on_card(&of) {
        true => output_on_card(CardMean::Square, vec![of.into_dispatch()]),
        false => of.square().mean(),
    }
}

/// The mean square of what two tensors of one shape differ by.
///
/// # Panics
/// Their shapes differ.
pub fn mean_square_difference(of: Tensor<3>, from: Tensor<3>) -> Tensor<1> {
    assert_eq!(of.dims(), from.dims(), "mean_square_difference: shapes");
    match is_on_card(&of) {
        true => {
            let both = vec![of.into_dispatch(), from.into_dispatch()];
            output_on_card(CardMean::SquareDifference, both)
        }
        false => (of - from).square().mean(),
    }
}
