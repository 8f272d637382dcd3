//! Adam and AdamW as the library that trains keeps their states, stepping in one pass where a
//! parameter's numbers lie in host memory.

use crate::kernels::is_fused;
use crate::kernels::update::{AdamStep, adam};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{
    Adam, AdamConfig, AdamState, AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer,
};
use burn::prelude::*;

/// Kingma & Ba's ε; burn's own default is 1e-5, which quiet recordings would feel.
const EPSILON: f32 = 1e-8;

/// β₁ and β₂, burn's defaults too.
const BETAS: [f32; 2] = [0.9, 0.999];

/// Either optimiser, with its weight decay.
#[derive(Clone)]
pub(super) struct OnePassAdam {
    /// The same on other devices.
    elsewhere: Elsewhere,
    /// Of Adam: L2 penalty.
    penalty: f32,
    /// Of AdamW: decoupled.
    decay: f32,
}

#[derive(Clone)]
enum Elsewhere {
    Adam(Adam),
    AdamW(AdamW),
}

impl OnePassAdam {
    /// Adam, `penalty`·weight added to the gradient.
    pub fn adam(penalty: f32) -> Self {
        let adam = AdamConfig::new().with_epsilon(EPSILON);
        let adam = match penalty {
            0.0 => adam,
            _ => adam.with_weight_decay(Some(WeightDecayConfig::new(penalty))),
        };
        Self {
            elsewhere: Elsewhere::Adam(adam.build()),
            penalty,
            decay: 0.0,
        }
    }

    /// AdamW: `decay`·rate·weight taken off the weight.
    pub fn adam_w(decay: f32) -> Self {
        let adam = AdamWConfig::new().with_epsilon(EPSILON);
        Self {
            elsewhere: Elsewhere::AdamW(adam.with_weight_decay(decay).build()),
            penalty: 0.0,
            decay,
        }
    }

    fn step_elsewhere<const D: usize>(
        &self,
        rate: f64,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        match &self.elsewhere {
            Elsewhere::Adam(adam) => adam.step(rate, weights, gradient, state),
            Elsewhere::AdamW(adam) => {
                let state = state.map(|state| AdamWState::new(state.momentum));
                let (weights, state) = adam.step(rate, weights, gradient, state);
                (weights, state.map(|state| AdamState::new(state.momentum)))
            }
        }
    }
}

impl Optimizer for OnePassAdam {
    /// That of burn's Adam; AdamW's has the same parts by the same names.
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        rate: f64,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        if !is_fused(&weights) {
            return self.step_elsewhere(rate, weights, gradient, state);
        }
        let (time, moments) = match state {
            Some(AdamState { momentum }) => {
                (momentum.time + 1, [momentum.moment_1, momentum.moment_2])
            }
            None => (1, [weights.zeros_like(), weights.zeros_like()]),
        };
        let root = (1.0 - BETAS[1].powi(time as i32)).sqrt();
        let step = AdamStep {
            betas: BETAS,
            unbias: root / (1.0 - BETAS[0].powi(time as i32)),
            epsilon: EPSILON * root,
            penalty: self.penalty,
            keep: (1.0 - rate * f64::from(self.decay)) as f32,
            rate: rate as f32,
        };
        let (weights, [first, second]) = adam(step, weights, gradient, moments);
        let momentum = AdaptiveMomentumState::new(time, first, second);
        (weights, Some(AdamState::new(momentum)))
    }

    fn to_device<const D: usize>(state: AdamState<D>, device: &Device) -> AdamState<D> {
        Adam::to_device(state, device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten steps in one pass and ten of the library's: the same bits, weights and moments.
    #[test]
    fn one_pass_gives_the_librarys_bits() {
        let device = Device::flex();
        let numbers = |seed: usize| -> Tensor<2> {
            let value = |at: usize| ((at * 7919 + seed * 104_729) % 2003) as f32 / 1000.0 - 1.0;
            let values: Vec<f32> = (0..77).map(value).collect();
            Tensor::from_data(TensorData::new(values, [7, 11]), &device)
        };
        for optimiser in [
            OnePassAdam::adam(0.0),
            OnePassAdam::adam(1e-2),
            OnePassAdam::adam_w(0.0),
            OnePassAdam::adam_w(1e-2),
        ] {
            let (mut one, mut other) = ((numbers(0), None), (numbers(0), None));
            for step in 1..=10 {
                let (rate, gradient) = (1e-2 / step as f64, numbers(step));
                one = optimiser.step(rate, one.0, gradient.clone(), one.1);
                other = optimiser.step_elsewhere(rate, other.0, gradient, other.1);
            }
            let all = |(weights, state): (Tensor<2>, Option<AdamState<2>>)| {
                let momentum = state.unwrap().momentum;
                let tensors = [weights, momentum.moment_1, momentum.moment_2];
                let values = tensors.map(|t| t.into_data().try_to_vec::<f32>().unwrap());
                (values, momentum.time)
            };
            assert_eq!(all(one), all(other));
        }
    }
}
