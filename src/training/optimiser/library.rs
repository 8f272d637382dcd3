//! The library's optimiser of a config.

use crate::config::{self, TrainingConfig};
use crate::models::parameters;
use burn::module::{Module, ParamGroup, ParamId};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamConfig, AdamWConfig, ModuleOptimizer, Optimizer, SgdConfig};

/// Kingma & Ba's ε; burn's own default is 1e-5, which quiet recordings would feel.
pub(super) const ADAM_EPSILON: f32 = 1e-8;

/// burn's optimiser of `config` for `model`.
pub(super) fn library<M: Module>(config: &TrainingConfig, model: &M) -> ModuleOptimizer {
    let kernels = parameters(model)
        .into_iter()
        .filter(|p| p.shape.len() >= 2)
        .map(|p| p.id)
        .collect();
    let decay = config.weight_decay as f32;
    let l2 = Some(WeightDecayConfig::new(decay));
    match config.optimiser {
        config::Optimiser::Adam => {
            let adam = AdamConfig::new().with_epsilon(ADAM_EPSILON);
            let decayed = adam.clone().with_weight_decay(l2);
            grouped(adam.build(), decayed.build(), kernels)
        }
        config::Optimiser::AdamW => {
            let adam = AdamWConfig::new().with_epsilon(ADAM_EPSILON);
            let free = adam.clone().with_weight_decay(0.0);
            grouped(free.build(), adam.with_weight_decay(decay).build(), kernels)
        }
        config::Optimiser::Sgd => {
            let decayed = SgdConfig::new().with_weight_decay(l2);
            grouped(SgdConfig::new().build(), decayed.build(), kernels)
        }
    }
}

fn grouped<O: Optimizer>(free: O, decayed: O, kernels: Vec<ParamId>) -> ModuleOptimizer {
    ModuleOptimizer::from(free).with_group(ParamGroup::from_ids(kernels), decayed, None)
}
