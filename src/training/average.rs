//! An exponential moving average of a network's weights (Polyak & Juditsky 1992): it lies
//! where the newest weights only jitter around, and so is usually the better network.

use crate::models::EffectModel;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;
use std::collections::VecDeque;

/// The average, on a device without gradients.
#[derive(Clone, Debug)]
pub struct Average {
    decay: f64,
    model: EffectModel,
}

impl Average {
    /// Starts at `model`'s weights (on a device without gradients).
    pub fn new(decay: f64, model: EffectModel) -> Self {
        Self { decay, model }
    }

    /// The network with averaged weights.
    pub fn model(&self) -> &EffectModel {
        &self.model
    }

    /// Puts these taps into the tail: they are those of the averaged network.
    pub fn set_tail(&mut self, taps: &[f32]) {
        self.model = self.model.clone().with_tail(taps);
    }

    /// average ← d·average + (1 − d)·weights, after `steps` steps (from 1) of `model`, itself on
    /// a device without gradients. d is the decay, at most (1 + steps)/(10 + steps): the first
    /// weights are soon forgotten.
    pub fn follow(&mut self, model: &EffectModel, steps: usize) {
        let steps = steps as f64;
        let decay = self.decay.min((1.0 + steps) / (10.0 + steps));
        let mut newest = Flatten::default();
        model.visit(&mut newest);
        let mut blend = Blend {
            newest: newest.0,
            decay,
        };
        self.model = self.model.clone().map(&mut blend);
    }
}

/// All parameters in order, flat.
#[derive(Default)]
struct Flatten(VecDeque<Tensor<1>>);

impl ModuleVisitor for Flatten {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push_back(param.val().flatten(0, D - 1));
    }
}

/// Moves parameters, visited in the same order, towards the newest.
struct Blend {
    newest: VecDeque<Tensor<1>>,
    decay: f64,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(newest) = self.newest.pop_front() else {
            return param;
        };
        let shape = param.dims();
        let share = newest.reshape(shape) * (1.0 - self.decay);
        param.map(|average| average * self.decay + share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ModelConfig, WindowConfig};
    use crate::models;

    fn weights(model: &EffectModel) -> Vec<f32> {
        let mut flat = Flatten::default();
        model.visit(&mut flat);
        let all = Tensor::cat(flat.0.into(), 0);
        all.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn the_average_is_its_recursion() {
        let config: ModelConfig = toml::from_str("kind = \"tcn\"\nlayers = 2").unwrap();
        let model = |seed| {
            let device = Device::flex();
            models::build(&config, &WindowConfig::default(), 1, seed, &device)
        };
        let mut average = Average::new(0.5, model(0));
        let mut expected = weights(&model(0));
        for step in 1..=20 {
            let newest = model(step as u64);
            average.follow(&newest, step);
            // (1 + n)/(10 + n) is below a half up to the eighth step.
            let decay = ((1.0 + step as f32) / (10.0 + step as f32)).min(0.5);
            for (e, w) in expected.iter_mut().zip(weights(&newest)) {
                *e = decay * *e + (1.0 - decay) * w;
            }
        }
        for (a, e) in weights(average.model()).iter().zip(&expected) {
            assert!((a - e).abs() < 1e-6, "{a} is not {e}");
        }
    }
}
