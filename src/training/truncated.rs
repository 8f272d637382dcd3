//! Truncated back-propagation: the stretches of a batch of windows that optimiser steps are taken
//! on, the whole windows, or one piece after another with the network's memory carried on.
//!
//! A window's memory begins where silence leaves it, hears the warm-up, then keeps what it heard through all
//! pieces; only gradients end where a piece begins. So most steps start from a memory that a
//! whole passage has filled, for the cost of one warm-up. The state belongs to the batch: between
//! batches, and so between epochs, there is none, and a resumed run needs none.

use crate::models::{EffectModel, State};
use burn::prelude::*;

/// A batch under way.
#[derive(Debug)]
pub struct TruncatedBatch {
    /// `[batch, dry + controls, context + window + lookahead]`
    dry: Tensor<3>,
    /// `[batch, wet, window]`
    wet: Tensor<3>,
    step_len: Option<usize>,
    /// Output samples behind us.
    at: usize,
    state: State,
}

impl TruncatedBatch {
    /// Starts on dry `[batch, dry + controls, context + window + lookahead]` and wet `[batch, wet,
    /// window]`; pieces of `step_len` samples, which divides the window, for a network with
    /// memory, which starts from `start`.
    pub fn begin(
        model: &EffectModel,
        (dry, wet): (Tensor<3>, Tensor<3>),
        step_len: Option<usize>,
        start: State,
    ) -> Self {
        let warm_up = model.warm_up();
        let state = match step_len {
            Some(_) if warm_up > 0 => {
                let heard = dry.clone().narrow(2, 0, model.lookback() + warm_up);
                model.advance(heard, start).1.detach()
            }
            _ => start,
        };
        Self {
            dry,
            wet,
            step_len,
            at: 0,
            state,
        }
    }

    /// Wet and predicted `[batch, wet, n]` of the next stretch, the prediction by every size of the
    /// network, the full one last; `None` at the windows' end.
    pub fn advance(&mut self, model: &EffectModel) -> Option<(Tensor<3>, Vec<Tensor<3>>)> {
        let window = self.wet.dims()[2];
        if self.at >= window {
            return None;
        }
        let Some(step_len) = self.step_len else {
            self.at = window;
            let (dry, state) = (self.dry.clone(), std::mem::take(&mut self.state));
            let predicted = if state.is_empty() {
                model.forward_sizes(dry)
            } else {
                vec![model.forward_from(dry, state)]
            };
            return Some((self.wet.clone(), predicted));
        };
        let from = model.warm_up() + self.at;
        let piece = self
            .dry
            .clone()
            .narrow(2, from, model.lookback() + step_len);
        let (predicted, state) = model.advance(piece, std::mem::take(&mut self.state));
        self.state = state.detach();
        let wet = self.wet.clone().narrow(2, self.at, step_len);
        self.at += step_len;
        // Only networks of a single size have memory.
        Some((wet, vec![predicted]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FrontConfig, ModelConfig, RecurrentConfig, WindowConfig};
    use crate::models;

    /// As long as nothing is learned, pieces say what the whole window says.
    #[test]
    fn pieces_carry_the_memory_of_the_whole() {
        let device = Device::flex().autodiff();
        let mut networks = ModelConfig::every();
        networks.retain(|network| network.has_memory());
        networks.push(ModelConfig::Lstm(RecurrentConfig {
            front: Some(FrontConfig::default()),
            ..RecurrentConfig::default()
        }));
        for mut config in networks {
            let kind = config.kind();
            if let Some(warm_up) = config.warm_up() {
                *warm_up = 20;
            }
            let model = models::build(&config, &WindowConfig::default(), 0, 3, &device);
            let len = model.context() + 96;
            let sound: Vec<f32> = (0..2 * len).map(|i| (0.1 * i as f32).sin()).collect();
            let dry = Tensor::from_data(TensorData::new(sound, [2, 1, len]), &device);
            let wet = dry.clone().narrow(2, 0, 96);
            // Some state that is not silence's.
            let heard = dry.clone().narrow(2, 7, model.lookback() + 40);
            let start = model.advance(heard, State::default()).1.detach();
            let answers = |step_len| {
                let both = (dry.clone(), wet.clone());
                let mut batch = TruncatedBatch::begin(&model, both, step_len, start.clone());
                let mut sides: [Vec<Tensor<3>>; 2] = Default::default();
                while let Some((wet, predicted)) = batch.advance(&model) {
                    sides[0].push(wet);
                    sides[1].extend(predicted);
                }
                (sides[0].len(), sides.map(|side| Tensor::cat(side, 2)))
            };
            let (one, whole) = answers(None);
            let (several, pieces) = answers(Some(32));
            assert_eq!((one, several), (1, 3), "{kind}");
            for (a, b) in whole.into_iter().zip(pieces) {
                let apart = (a - b).abs().max().into_scalar::<f32>();
                assert!(apart < 1e-6, "{kind}: {apart}");
            }
        }
    }
}
