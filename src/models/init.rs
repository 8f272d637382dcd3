//! First weights, drawn on the host from a seeded generator, so that every backend and every
//! platform starts from the same network.

use burn::module::Param;
use burn::prelude::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// A source of first weights for one device.
#[derive(Debug)]
pub struct WeightInit {
    rng: ChaCha8Rng,
    device: Device,
}

impl WeightInit {
    /// Weights on `device` from `seed`.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            device: device.clone(),
        }
    }

    /// Uniform in ±`bound`.
    pub fn uniform<const D: usize>(&mut self, shape: [usize; D], bound: f32) -> Param<Tensor<D>> {
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count)
            .map(|_| self.rng.random_range(-bound..=bound))
            .collect();
        self.parameter(shape, values)
    }

    /// Filters in pairs of opposite sign, each uniform in ±`bound`; an odd last one is alone.
    ///
    /// relu(u) − relu(−u) = u: with pairs on both sides of a ReLU a network starts as a linear
    /// one, in which no signal is lost ("looks-linear" initialisation, Balduzzi et al. 2017).
    pub fn mirrored<const D: usize>(&mut self, shape: [usize; D], bound: f32) -> Param<Tensor<D>> {
        let channels = shape[0];
        let filter = shape[1..].iter().product::<usize>();
        let count = channels.div_ceil(2) * filter;
        let mut values: Vec<f32> = (0..count)
            .map(|_| self.rng.random_range(-bound..=bound))
            .collect();
        values.extend_from_within(..(channels / 2) * filter);
        values[count..].iter_mut().for_each(|x| *x = -*x);
        self.parameter(shape, values)
    }

    /// One value throughout.
    pub fn constant<const D: usize>(&self, shape: [usize; D], value: f32) -> Param<Tensor<D>> {
        self.parameter(shape, vec![value; shape.iter().product()])
    }

    fn parameter<const D: usize>(&self, shape: [usize; D], values: Vec<f32>) -> Param<Tensor<D>> {
        parameter(shape, values, &self.device)
    }

    /// Uniform in ±`bound`, as plain numbers, for weights that are worked on before they
    /// become a parameter.
    pub fn numbers(&mut self, count: usize, bound: f32) -> Vec<f32> {
        (0..count)
            .map(|_| self.rng.random_range(-bound..=bound))
            .collect()
    }

    /// These numbers as a parameter.
    pub fn given<const D: usize>(&self, shape: [usize; D], values: Vec<f32>) -> Param<Tensor<D>> {
        self.parameter(shape, values)
    }
}

/// These numbers as a parameter on `device`; as many as `shape` calls for.
pub(super) fn parameter<const D: usize>(
    shape: [usize; D],
    values: Vec<f32>,
    device: &Device,
) -> Param<Tensor<D>> {
    Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), device))
}
