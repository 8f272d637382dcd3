//! The step on a card.

use burn::backend::DispatchTensor;
use burn::tensor::Tensor;

use super::step::Descent;
use crate::kernels::bridge::{is_on_card, run_on_card};
use crate::kernels::gpu::descent::CardDescent;

/// A tensor of weights, of any rank and without autodiff.
#[derive(Debug)]
pub struct Weight {
    /// The weights.
    pub weights: DispatchTensor,
    /// Shaped like them.
    pub gradient: DispatchTensor,
    /// How many they are.
    pub len: usize,
    /// By how much they decay.
    pub decay: f32,
}

/// What a step leaves.
#[derive(Debug)]
pub struct Descended {
    /// The new weights, in order.
    pub weights: Vec<DispatchTensor>,
    /// The new moments.
    pub moments: [Tensor<1>; 2],
    /// Sums of the gradients' squares, where they were clipped.
    pub squares: Tensor<1>,
}

/// Whether [`descend`] can be had for weights on this tensor's device.
pub fn can_descend<const D: usize>(weights: &Tensor<D>) -> bool {
    is_on_card(weights)
}

/// One step of `list`, at least one tensor; the moments are as long as all weights together.
///
/// # Panics
/// A tensor is not on a card.
pub fn descend(step: Descent, list: Vec<Weight>, moments: [Tensor<1>; 2]) -> Descended {
    let operator = CardDescent {
        step,
        lens: list.iter().map(|weight| weight.len).collect(),
        decays: list.iter().map(|weight| weight.decay).collect(),
    };
    let (weights, gradients): (Vec<_>, Vec<_>) = list
        .into_iter()
        .map(|weight| (weight.weights, weight.gradient))
        .unzip();
    let count = weights.len();
    let moments = moments.map(Tensor::into_dispatch);
    let inputs = weights.into_iter().chain(gradients).chain(moments);
    let mut weights = run_on_card(operator, inputs.collect());
    let mut others = weights
        .split_off(count)
        .into_iter()
        .map(Tensor::from_dispatch);
    let mut next = || others.next().expect("an output for each place");
    Descended {
        moments: [next(), next()],
        squares: next(),
        weights,
    }
}
