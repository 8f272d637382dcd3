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
    /// A further factor where wet is nothing but a constant: silence holds no energy, so that its errors
    /// would weigh nothing beside those of any sound.
    pub silence_gain: f32,
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
        silence_gain: 1.0,
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
    let wet = levelled(wet);
    let weights = match recipe.silence_gain {
        1.0 => None,
        gain => Some(silence_weights(&wet, gain)),
    };
    let weighed = |side: Tensor<3>| match &weights {
        None => side,
        Some(weights) => side * weights.clone(),
    };
    let sizes = predicted.into_iter().map(|size| weighed(levelled(size)));
    let loss = loss::of_sizes(recipe.loss, weighed(wet), sizes.collect());
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

/// Of each window of `wet` `[windows, 1, time]` `gain` where it is constant, 1 elsewhere:
/// `[windows, 1, 1]`.
fn silence_weights(wet: &Tensor<3>, gain: f32) -> Tensor<3> {
    let lowest = wet.clone().min_dim(2);
    let constant = wet.clone().max_dim(2).equal(lowest);
    constant.float() * (gain - 1.0) + 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_silence_weighs_more() {
        let device = Device::flex();
        let wet = Tensor::<3>::from_data(
            [[[0.5f32, 0.5, 0.5]], [[0.5, 0.5, 0.4]], [[0.0; 3]]],
            &device,
        );
        let weights = silence_weights(&wet, 10.0);
        assert_eq!(weights.dims(), [3, 1, 1]);
        assert_eq!(
            weights.into_data().try_to_vec::<f32>().unwrap(),
            [10.0, 1.0, 10.0]
        );
    }
}
