//! One optimiser step: forward, loss, backward, clipping, update.
//!
//! Knows nothing of epochs, logs or where the batch came from.

use super::optimiser::{Optimiser, Overflow};
use super::replicas::Replicas;
use crate::config::LossConfig;
use crate::models::{EffectModel, loss};
use burn::prelude::*;

/// The parts of a step, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The prediction and its loss.
    Forward,
    /// The gradients of all weights.
    Backward,
    /// Clipping, and the weights' update.
    Optimiser,
}

/// What a step leaves behind.
#[derive(Debug)]
pub struct Stepped {
    /// With its new weights.
    pub model: EffectModel,
    /// By the old weights, `[batch, wet, time]`.
    pub predicted: Tensor<3>,
    /// Of that prediction, `[1]`.
    pub loss: Tensor<1>,
    /// Whether the gradients, which were to be clipped, were beyond 32 bits, and the weights are the old
    /// ones: a memory that is at the edge of chaos multiplies them from sample to sample, and such a
    /// step would make NaN of all that was learned.
    pub overflowed: Overflow,
}

/// What a prediction is held against.
#[derive(Clone, Copy, Debug)]
pub struct Recipe<'a> {
    /// What is minimised.
    pub loss: &'a LossConfig,
    /// Factor on both sides before the loss.
    pub target_gain: f32,
}

/// Trains `model` on dry `[batch, dry + controls, input]` and wet `[batch, wet, window]`, both on an
/// autodiff device. `after` hears of every part that was asked for; on a GPU it may still run.
pub fn step(
    loss: &LossConfig,
    model: EffectModel,
    optimiser: &mut Optimiser,
    (dry, wet): (Tensor<3>, Tensor<3>),
    rate: f64,
    after: impl FnMut(Phase),
) -> Stepped {
    let recipe = Recipe {
        loss,
        target_gain: 1.0,
    };
    let predicted = model.forward_sizes(dry);
    let alone = &Replicas::default();
    let sides = (wet, predicted);
    update(recipe, (model, alone), optimiser, sides, rate, after)
}

/// The rest of a step, from the predictions on: of every size of the network, the full one last. The
/// replicas, which had their share in them, keep their old weights.
pub fn update(
    recipe: Recipe<'_>,
    (model, replicas): (EffectModel, &Replicas),
    optimiser: &mut Optimiser,
    (wet, predicted): (Tensor<3>, Vec<Tensor<3>>),
    rate: f64,
    mut after: impl FnMut(Phase),
) -> Stepped {
    let levelled = |side: Tensor<3>| {
        // To a loss each side of a stereo effect is a window of its own.
        let [batch, channels, len] = side.dims();
        let side = match channels {
            1 => side,
            _ => side.reshape([batch * channels, 1, len]),
        };
        match recipe.target_gain {
            1.0 => side,
            gain => side * gain,
        }
    };
    let full = predicted.last().cloned().unwrap_or_else(|| wet.clone());
    let sizes = predicted.into_iter().map(levelled).collect();
    let loss = loss::of_sizes(recipe.loss, levelled(wet), sizes);
    after(Phase::Forward);
    let grads = replicas.gradients(loss.clone(), &model);
    after(Phase::Backward);
    let (model, overflowed) = optimiser.step(rate, model, grads);
    after(Phase::Optimiser);
    Stepped {
        model,
        predicted: full.inner(),
        loss: loss.inner(),
        overflowed,
    }
}
