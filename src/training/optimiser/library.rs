//! The library's optimiser of a config, whose saved state is read on the processor.

use crate::config::{self, TrainingConfig};
use crate::models::parameters;
use burn::module::{Module, ParamGroup, ParamId};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{
    AdamConfig, AdamWConfig, LearningRate, ModuleOptimizer, Optimizer, RecordState, SgdConfig,
    StateSink, StateSource,
};
use burn::prelude::*;

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
    let kernels = ParamGroup::from_ids(kernels);
    ModuleOptimizer::from(OnHost(free)).with_group(kernels, OnHost(decayed), None)
}

/// An optimiser, or its state, that is read from a record on the processor; a step takes it to where the
/// weights are. burn reads records on the default device, which is a graphics card: it would be woken for a
/// run that has no use for it, and where there is none the run would end.
#[derive(Clone)]
pub(super) struct OnHost<T>(pub T);

impl<O: Optimizer> Optimizer for OnHost<O> {
    type State<const D: usize> = OnHost<O::State<D>>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<OnHost<O::State<D>>>,
    ) -> (Tensor<D>, Option<OnHost<O::State<D>>>) {
        let state = state.map(|state| state.0);
        let (weights, state) = self.0.step(rate, weights, gradient, state);
        (weights, state.map(OnHost))
    }

    fn to_device<const D: usize>(
        state: OnHost<O::State<D>>,
        device: &Device,
    ) -> OnHost<O::State<D>> {
        OnHost(O::to_device(state.0, device))
    }
}

impl<S: RecordState> RecordState for OnHost<S> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        self.0.state_flatten(prefix, out);
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, _default: &Device) -> Option<Self> {
        S::state_unflatten(prefix, source, &Device::flex()).map(OnHost)
    }
}
