//! From a config to burn's optimiser: which weights decay, which are frozen, and the clipping
//! of all gradients by one norm.

use crate::config::{Optimiser, TrainingConfig};
use crate::models::parameters;
use burn::module::{Module, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{
    AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, Optimizer, SgdConfig,
};
use burn::prelude::*;

/// Kingma & Ba's ε; burn's own default is 1e-5, which quiet recordings would feel.
const ADAM_EPSILON: f32 = 1e-8;

/// The optimiser of `config` for `model`. Weight decay falls on kernels only: parameters of
/// two or more axes.
pub fn build<M: Module>(config: &TrainingConfig, model: &M) -> ModuleOptimizer {
    let kernels = parameters(model)
        .into_iter()
        .filter(|p| p.shape.len() >= 2)
        .map(|p| p.id)
        .collect();
    let decay = config.weight_decay as f32;
    let l2 = Some(WeightDecayConfig::new(decay));
    match config.optimiser {
        Optimiser::Adam => {
            let adam = AdamConfig::new().with_epsilon(ADAM_EPSILON);
            let decayed = adam.clone().with_weight_decay(l2);
            grouped(adam.build(), decayed.build(), kernels)
        }
        Optimiser::AdamW => {
            let adam = AdamWConfig::new().with_epsilon(ADAM_EPSILON);
            let free = adam.clone().with_weight_decay(0.0);
            grouped(free.build(), adam.with_weight_decay(decay).build(), kernels)
        }
        Optimiser::Sgd => {
            let decayed = SgdConfig::new().with_weight_decay(l2);
            grouped(SgdConfig::new().build(), decayed.build(), kernels)
        }
    }
}

fn grouped<O: Optimizer>(free: O, decayed: O, kernels: Vec<ParamId>) -> ModuleOptimizer {
    ModuleOptimizer::from(free).with_group(ParamGroup::from_ids(kernels), decayed, None)
}

/// Scales all gradients so that their common L2 norm is at most `largest`; `None` where that norm is no
/// finite number, so that they have no direction to go in.
pub fn clip_global_norm<M: Module>(
    grads: GradientsParams,
    model: &M,
    largest: f64,
) -> Option<GradientsParams> {
    let mut sum = SumOfSquares {
        grads: &grads,
        total: 0.0,
    };
    model.visit(&mut sum);
    let norm = sum.total.sqrt();
    if norm <= largest {
        return Some(grads);
    }
    if !norm.is_finite() {
        return None;
    }
    let mut scale = Scale {
        grads,
        factor: largest / norm,
    };
    model.visit(&mut scale);
    Some(scale.grads)
}

struct SumOfSquares<'a> {
    grads: &'a GradientsParams,
    total: f64,
}

impl ModuleVisitor for SumOfSquares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            self.total += f64::from(grad.square().sum().into_scalar::<f32>());
        }
    }
}

struct Scale {
    grads: GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            self.grads.register(param.id, grad * self.factor);
        }
    }
}

/// Freezes every parameter whose path starts with one of `prefixes`.
///
/// # Errors
/// The prefix that no parameter has, with the paths there are; or that nothing is left.
pub fn freeze<M: Module>(model: M, prefixes: &[String]) -> Result<M, String> {
    let all = parameters(&model);
    let mut frozen = Vec::new();
    for prefix in prefixes {
        let before = frozen.len();
        frozen.extend(
            all.iter()
                .filter(|p| p.path.starts_with(prefix.as_str()))
                .map(|p| p.id),
        );
        if frozen.len() == before {
            let paths: Vec<&str> = all.iter().map(|p| p.path.as_str()).collect();
            return Err(format!(
                "no layer starts with '{prefix}'; there are {}",
                paths.join(", ")
            ));
        }
    }
    if all.iter().all(|p| frozen.contains(&p.id)) {
        return Err("every layer is frozen, so nothing is left to train".to_string());
    }
    Ok(model.freeze_group(ParamGroup::from_ids(frozen)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};

    /// A layer, and gradients 3 and 4 times `scale` of its two weights.
    fn layer(scale: f32) -> (Linear, GradientsParams) {
        let device = Device::flex().autodiff();
        let layer = LinearConfig::new(2, 1).with_bias(false).init(&device);
        let input = Tensor::<2>::from_floats([[3.0 * scale, 4.0 * scale]], &device);
        let loss = layer.forward(input).sum();
        let grads = GradientsParams::from_grads(loss.backward(), &layer);
        (layer, grads)
    }

    fn clipped(scale: f32, largest: f64) -> Option<Vec<f32>> {
        let (layer, grads) = layer(scale);
        let grads = clip_global_norm(grads, &layer, largest)?;
        let grad = grads.get::<2>(layer.weight.id)?;
        grad.into_data().try_to_vec().ok()
    }

    #[test]
    fn gradients_are_shortened_and_keep_their_direction() {
        assert_eq!(clipped(1.0, 10.0), Some(vec![3.0, 4.0]));
        let short = clipped(1.0, 1.0).unwrap();
        assert!((short[0] - 0.6).abs() < 1e-6 && (short[1] - 0.8).abs() < 1e-6);
    }

    /// They have no direction: a step along them would make NaN of the weights.
    #[test]
    fn gradients_beyond_32_bits_are_no_step() {
        assert_eq!(clipped(1e30, 1.0), None);
        assert_eq!(clipped(f32::INFINITY, 1.0), None);
        assert_eq!(clipped(f32::NAN, 1.0), None);
    }
}
