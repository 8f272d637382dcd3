//! An exponential moving average of a network's weights (Polyak & Juditsky 1992): it lies
//! where the newest weights only jitter around, and so is usually the better network.

use super::flat;
use crate::kernels::descent::{Descent, Way, Weight, can_descend, descend};
use crate::models::EffectModel;
use burn::prelude::*;

/// The average, on a device without gradients.
#[derive(Clone, Debug)]
pub struct Average {
    decay: f64,
    /// With the weights that it began with.
    model: EffectModel,
    /// Its averaged ones, in its order.
    weights: Vec<Tensor<1>>,
}

impl Average {
    /// Starts at `model`'s weights (on a device without gradients).
    pub fn new(decay: f64, model: EffectModel) -> Self {
        Self {
            decay,
            weights: flat::weights(&model),
            model,
        }
    }

    /// The network with averaged weights.
    pub fn model(&self) -> EffectModel {
        flat::with_weights(self.model.clone(), self.weights.clone())
    }

    /// Puts these taps into the tail: they are those of the averaged network.
    pub fn set_tail(&mut self, taps: &[f32]) {
        *self = Self::new(self.decay, self.model().with_tail(taps));
    }

    /// average ← d·average + (1 − d)·weights, after `steps` steps (from 1) of `model`, itself on
    /// a device without gradients. d is the decay, at most (1 + steps)/(10 + steps): the first
    /// weights are soon forgotten.
    pub fn follow(&mut self, model: &EffectModel, steps: usize) {
        let steps = steps as f64;
        let decay = self.decay.min((1.0 + steps) / (10.0 + steps));
        let (newest, average) = (flat::weights(model), std::mem::take(&mut self.weights));
        self.weights = match average.first().is_some_and(can_descend) {
            true => blended_at_once(newest, average, decay),
            false => blended(newest, average, decay),
        };
    }
}

fn blended(newest: Vec<Tensor<1>>, average: Vec<Tensor<1>>, decay: f64) -> Vec<Tensor<1>> {
    let pairs = newest.into_iter().zip(average);
    let blend =
        |(newest, average): (Tensor<1>, Tensor<1>)| average * decay + newest * (1.0 - decay);
    pairs.map(blend).collect()
}

/// The same as one step: the average goes (1 − decay) of the way to the newest.
fn blended_at_once(newest: Vec<Tensor<1>>, average: Vec<Tensor<1>>, decay: f64) -> Vec<Tensor<1>> {
    let step = Descent {
        rate: -(1.0 - decay) as f32,
        way: Way::Plain,
        largest: None,
    };
    let unused = || Tensor::empty([1], &newest[0].device());
    let mut unused = [unused(), unused()];
    let pairs = newest.into_iter().zip(average);
    let weights = pairs.map(|(newest, average)| Weight {
        len: average.dims()[0],
        weights: average.into_dispatch(),
        gradient: newest.into_dispatch(),
        decay: -1.0,
    });
    let blended = descend(step, weights.collect(), &mut unused).weights;
    blended.into_iter().map(Tensor::from_dispatch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ModelConfig, WindowConfig};
    use crate::device::{DeviceChoice, select};
    use crate::models;

    fn weights(model: &EffectModel) -> Vec<f32> {
        let all = Tensor::cat(flat::weights(model), 0);
        all.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn the_average_is_its_recursion() {
        is_its_recursion(&Device::flex());
        match select(DeviceChoice::Wgpu(0)) {
            Ok(card) => is_its_recursion(&card.device),
            Err(_) => eprintln!("skipped: no Vulkan driver here (Debian: mesa-vulkan-drivers)"),
        }
    }

    fn is_its_recursion(device: &Device) {
        let config: ModelConfig = toml::from_str("kind = \"tcn\"\nlayers = 2").unwrap();
        let model = |seed| models::build(&config, &WindowConfig::default(), 1, seed, device);
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
        for (a, e) in weights(&average.model()).iter().zip(&expected) {
            assert!((a - e).abs() < 1e-6, "{a} is not {e}");
        }
    }
}
