//! A step of an optimiser over a list of weights on a card.

use burn::backend::DispatchTensor;
use burn::tensor::Tensor;

use super::bridge::{is_on_card, run_on_card};
use super::gpu::descent::{CardDescent, Kind};

/// A step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Descent {
    /// How far it goes.
    pub rate: f32,
    /// What gradients lead to.
    pub way: Way,
    /// All gradients are scaled so that their common norm is at most this; where it is no finite
    /// number, nothing moves.
    pub largest: Option<f32>,
}

/// What gradients lead to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Way {
    /// w ← w − rate·(g + decay·w).
    Plain,
    /// By moments (Kingma & Ba 2015).
    Adam {
        /// The steps, this one included.
        time: i32,
        /// Added to the root of the second moment.
        epsilon: f32,
        /// Decay falls on the weights, not on their gradients (Loshchilov & Hutter 2019).
        decoupled: bool,
    },
}

impl Way {
    pub(super) fn kind(self) -> Kind {
        match self {
            Way::Plain => Kind::Plain,
            Way::Adam {
                decoupled: false, ..
            } => Kind::Adam,
            Way::Adam { .. } => Kind::AdamW,
        }
    }
}

/// Numbers of a step by moments: m ← keep₁·m + (1 − keep₁)·g, v ← keep₂·v + (1 − keep₂)·g²,
/// w ← w − rate·factor·m/(√v + ε).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scales {
    pub keep_first: f32,
    pub keep_second: f32,
    pub factor: f32,
    pub epsilon: f32,
}

impl Descent {
    /// The moments begin at 0, which `factor` makes up for.
    pub(super) fn scales(&self) -> Scales {
        let Way::Adam { time, epsilon, .. } = self.way else {
            return Scales::default();
        };
        let (keep_first, keep_second) = (0.9f32, 0.999f32);
        let root = (1.0 - keep_second.powi(time)).sqrt();
        Scales {
            keep_first,
            keep_second,
            factor: root / (1.0 - keep_first.powi(time)),
            epsilon: epsilon * root,
        }
    }
}

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
