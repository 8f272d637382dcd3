//! The optimiser of a config: which weights decay, which are frozen, and the clipping of all
//! gradients by one norm. All weights move in [one pass](own); burn's own optimiser, tensor by tensor, is
//! the composed form of that, and how it is saved, so that a run goes on wherever it likes.

mod library;
mod overflow;
mod own;

pub use overflow::Overflow;

use crate::config::TrainingConfig;
use crate::models::parameters;
use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn::store::RecordError;
use burn::tensor::Bytes;
use library::library;
use own::Own;

/// An optimiser with its moments.
pub struct Optimiser {
    config: TrainingConfig,
    /// Without moments while `own` has them.
    library: ModuleOptimizer,
    own: Option<Own>,
}

impl Optimiser {
    /// For `model`, at its first step. Weight decay falls on kernels only: parameters of two or more
    /// axes.
    pub fn new<M: Module>(config: &TrainingConfig, model: &M) -> Self {
        Self {
            library: library(config, model),
            config: config.clone(),
            own: None,
        }
    }

    /// Moves the weights by their gradients, which [`TrainingConfig::clip_norm`] may shorten.
    pub fn step<M: Module>(
        &mut self,
        rate: f64,
        model: M,
        grads: GradientsParams,
    ) -> (M, Overflow) {
        if own::takes(&model) {
            return self.step_at_once(rate, model, grads);
        }
        self.bring_back(&model);
        let grads = match self.config.clip_norm {
            Some(largest) => clip_global_norm(grads, &model, largest),
            None => Some(grads),
        };
        match grads {
            Some(grads) => (
                self.library.step(rate, model, grads),
                Overflow::Known(false),
            ),
            None => (model, Overflow::Known(true)),
        }
    }

    /// The moments, as burn saves them; `model` is the one they belong to.
    ///
    /// # Errors
    /// burn's.
    pub fn to_bytes<M: Module>(&self, model: &M) -> Result<Bytes, RecordError> {
        match &self.own {
            Some(state) => state.to_record(&self.config, model).into_bytes(),
            None => self.library.into_bytes(),
        }
    }

    /// With saved moments.
    ///
    /// # Errors
    /// They are none.
    pub fn from_bytes(self, bytes: Bytes) -> Result<Self, RecordError> {
        Ok(Self {
            library: self.library.from_bytes(bytes)?,
            own: None,
            ..self
        })
    }

    /// Moments in our own form become burn's again.
    fn bring_back<M: Module>(&mut self, model: &M) {
        if let Some(state) = self.own.take() {
            let record = state.to_record(&self.config, model);
            self.library = library(&self.config, model).load_record(record);
        }
    }

    fn step_at_once<M: Module>(
        &mut self,
        rate: f64,
        model: M,
        grads: GradientsParams,
    ) -> (M, Overflow) {
        let list = own::list(&model, &grads, self.config.weight_decay as f32);
        let mut state = match self.own.take() {
            Some(state) if state.fits(&list) => state,
            other => {
                // The first step, or other weights than before.
                self.own = other;
                self.bring_back(&model);
                Own::taken(&self.library, &model, &list)
            }
        };
        let stepped = state.step(&self.config, rate as f32, model, list, grads);
        self.own = Some(state);
        stepped
    }
}

/// Scales all gradients so that their common L2 norm is at most `largest`; `None` where that norm is no
/// finite number, so that they have no direction to go in.
fn clip_global_norm<M: Module>(
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
