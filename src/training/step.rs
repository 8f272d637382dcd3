//! One optimiser step on one batch: forward, loss, backward, clipping, update.
//!
//! Knows nothing of epochs, logs or where the batch came from.

use super::optimiser;
use crate::config::{LossConfig, TrainingConfig};
use crate::models::{EffectModel, loss};
use burn::optim::{GradientsParams, ModuleOptimizer};
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
    /// By the old weights, `[batch, 1, time]`.
    pub predicted: Tensor<3>,
    /// Of that prediction, `[1]`.
    pub loss: Tensor<1>,
}

/// Trains `model` on dry `[batch, 1 + controls, input]` and wet `[batch, 1, window]`, both on an
/// autodiff device. `after` hears of every part that was asked for; on a GPU it may still run.
pub fn step(
    (loss_config, training): (&LossConfig, &TrainingConfig),
    model: EffectModel,
    optimiser: &mut ModuleOptimizer,
    (dry, wet): (Tensor<3>, Tensor<3>),
    rate: f64,
    mut after: impl FnMut(Phase),
) -> Stepped {
    let (predicted, loss) = loss::of_sizes(loss_config, wet, model.forward_sizes(dry));
    after(Phase::Forward);
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    after(Phase::Backward);
    let grads = match training.clip_norm {
        Some(largest) => optimiser::clip_global_norm(grads, &model, largest),
        None => grads,
    };
    let model = optimiser.step(rate, model, grads);
    after(Phase::Optimiser);
    Stepped {
        model,
        predicted: predicted.inner(),
        loss: loss.inner(),
    }
}
