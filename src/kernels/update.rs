//! What an optimiser does to a parameter, in one pass over its numbers: Adam's step, and the
//! average that follows the weights. Composed of tensor operators each would walk through memory a
//! dozen times. The arithmetic is the composed form's, operation by operation, so that a run goes
//! on bit for bit as it began whichever form it takes.

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use super::bridge::is_fused;
use crate::simd::{Isa, Kernel, Simd};

/// A step of Adam (Kingma & Ba 2015) on numbers: w ← keep·w − rate·(unbias·m / (√v + ε)), where the
/// moments m and v first move towards g + penalty·w and its square.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// How far the moments stay.
    pub betas: [f32; 2],
    /// What both biases of the moments leave to be made up for.
    pub unbias: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// L2 penalty (Adam).
    pub penalty: f32,
    /// What decay leaves of a weight (AdamW).
    pub keep: f32,
    /// Learning rate.
    pub rate: f32,
}

/// Numbers from which on a parameter is worth more than one thread.
const MANY: usize = 1 << 16;

impl AdamStep {
    /// Moves weights and moments.
    ///
    /// # Panics
    /// They are not as many as gradients.
    pub fn run(&self, isa: Isa, weights: &mut [f32], gradient: &[f32], moments: [&mut [f32]; 2]) {
        let [first, second] = moments;
        let count = gradient.len();
        assert_eq!(
            (weights.len(), first.len(), second.len()),
            (count, count, count)
        );
        weights
            .par_chunks_mut(MANY)
            .zip(gradient.par_chunks(MANY))
            .zip(first.par_chunks_mut(MANY))
            .zip(second.par_chunks_mut(MANY))
            .for_each(|(((weights, gradient), first), second)| {
                isa.run(Part {
                    step: *self,
                    weights,
                    gradient,
                    first,
                    second,
                });
            });
    }
}

/// Some of a parameter's numbers.
struct Part<'a> {
    step: AdamStep,
    weights: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl Kernel for Part<'_> {
    type Output = ();

    /// Plain arithmetic, which is compiled for the instruction set.
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let AdamStep {
            betas: [b1, b2],
            unbias,
            epsilon,
            penalty,
            keep,
            rate,
        } = self.step;
        let (c1, c2) = (1.0 - b1, 1.0 - b2);
        let moments = self.first.iter_mut().zip(self.second);
        let numbers = self.weights.iter_mut().zip(self.gradient).zip(moments);
        for ((w, g), (m, v)) in numbers {
            let g = *w * penalty + g;
            *m = *m * b1 + g * c1;
            *v = *v * b2 + g * g * c2;
            *w = *w * keep - *m * unbias / (v.sqrt() + epsilon) * rate;
        }
    }
}

/// [`AdamStep`] on tensors whose values lie in host memory: weights and both moments.
///
/// # Panics
/// The tensors are elsewhere ([`is_fused`]), or differ in shape.
pub fn adam<const D: usize>(
    step: AdamStep,
    weights: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let (device, shape) = (weights.device(), weights.dims());
    let gradient = numbers(gradient);
    let (mut weights, [mut first, mut second]) = (numbers(weights), moments.map(numbers));
    step.run(
        Isa::detect(),
        &mut weights,
        &gradient,
        [&mut first, &mut second],
    );
    let tensor = |values| Tensor::from_data(TensorData::new(values, shape), &device);
    (tensor(weights), [tensor(first), tensor(second)])
}

/// decay·average + (1 − decay)·newest.
pub fn blend<const D: usize>(average: Tensor<D>, newest: Tensor<D>, decay: f64) -> Tensor<D> {
    if !is_fused(&average) {
        return average * decay + newest * (1.0 - decay);
    }
    let (device, shape) = (average.device(), average.dims());
    let (mut values, newest) = (numbers(average), numbers(newest));
    let (keep, take) = (decay as f32, (1.0 - decay) as f32);
    for (average, newest) in values.iter_mut().zip(newest) {
        *average = *average * keep + newest * take;
    }
    Tensor::from_data(TensorData::new(values, shape), &device)
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    super::bridge::host_values(tensor)
}
