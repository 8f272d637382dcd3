//! Activations of whole signals `[batch, channels, time]`, forward, and backward from the signal
//! itself: row after row on all cores, where the tensor library goes value by value on one.
//!
//! Results do not depend on the number of threads.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::activation::{Activation, OnVectors, spelled_out};
use super::bridge::{BackwardPass, Gradient, Inputs, Operator, Output, is_fused, run};
use super::composed;
use super::memory::Buffer;
use super::products::rows::{each_vector, load, store};
use crate::simd::{Kernel, Simd};

/// An activation of every sample of x `[batch, channels, time]`.
pub fn activate(x: Tensor<3>, activation: Activation) -> Tensor<3> {
    if activation == Activation::Identity {
        return x;
    }
    if !activation.is_fused() || !is_fused(&x) {
        return composed::activate(x, activation);
    }
    run(ActivateOperator(activation), vec![x.into_dispatch()])
}

/// x `[batch, channels, time]` where it is positive, else times its channel's slope `[channels]`.
///
/// # Panics
/// There are not as many slopes as channels.
pub fn p_relu(x: Tensor<3>, slopes: Tensor<1>) -> Tensor<3> {
    assert_eq!(
        x.dims()[1],
        slopes.dims()[0],
        "p_relu: one slope per channel"
    );
    if !is_fused(&x) {
        return composed::p_relu(x, slopes);
    }
    let inputs = vec![x.into_dispatch(), slopes.into_dispatch()];
    run(PReluOperator, inputs)
}

/// One function for all channels; input x.
#[derive(Debug)]
struct ActivateOperator(Activation);

/// x where positive, else x times its channel's slope; inputs x and the slopes `[channels]`.
#[derive(Debug)]
struct PReluOperator;

impl Operator for ActivateOperator {
    fn forward(&self, inputs: &Inputs<'_>, _keep: bool) -> Output {
        forward(inputs, |_| self.0)
    }

    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient> {
        let (dx, _) = backward(inputs, pass.dy, |_| self.0);
        vec![Some(dx)]
    }
}

impl Operator for PReluOperator {
    fn forward(&self, inputs: &Inputs<'_>, _keep: bool) -> Output {
        let slopes = inputs.at(1);
        forward(inputs, |channel| leaky(slopes[channel]))
    }

    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient> {
        let slopes = inputs.at(1);
        let (dx, rows) = backward(inputs, pass.dy, |channel| leaky(slopes[channel]));
        let of_channel = |channel: usize| {
            let rows = rows.iter().skip(channel).step_by(slopes.len());
            rows.map(|&sum| f64::from(sum)).sum::<f64>() as f32
        };
        let dslopes: Vec<f32> = (0..slopes.len()).map(of_channel).collect();
        vec![Some(dx), Some(dslopes.into())]
    }
}

fn leaky(slope: f32) -> Activation {
    Activation::LeakyRelu { slope }
}

/// y of x, by each channel's function.
fn forward(inputs: &Inputs<'_>, function: impl Fn(usize) -> Activation + Sync) -> Output {
    let (isa, channels, len) = (inputs.isa, inputs.channels(), inputs.len());
    Output::without_memory([inputs.batch(), channels, len], |y| {
        y.par_chunks_mut(len.max(1))
            .zip(inputs.x().par_chunks(len.max(1)))
            .enumerate()
            .for_each(|(row, (y, x))| {
                isa.run(ForwardRow {
                    activation: function(row % channels),
                    x,
                    y,
                });
            });
    })
}

/// dx, and of each row Σ dy · min(x, 0): the gradient of a slope left of 0.
fn backward(
    inputs: &Inputs<'_>,
    dy: &[f32],
    function: impl Fn(usize) -> Activation + Sync,
) -> (Buffer, Vec<f32>) {
    let (isa, channels, len) = (inputs.isa, inputs.channels(), inputs.len().max(1));
    let mut dx = Buffer::new(inputs.x().len());
    let sums = dx
        .par_chunks_mut(len)
        .zip(inputs.x().par_chunks(len))
        .zip(dy.par_chunks(len))
        .enumerate()
        .map(|(row, ((dx, x), dy))| {
            isa.run(BackwardRow {
                activation: function(row % channels),
                x,
                dy,
                dx,
            })
        })
        .collect();
    (dx, sums)
}

struct ForwardRow<'a> {
    activation: Activation,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl ForwardRow<'_> {
    #[inline(always)]
    fn with<S: Simd>(self, s: S, activation: Activation) {
        let len = self.x.len();
        assert_eq!(self.y.len(), len);
        let (x, y) = (self.x.as_ptr(), self.y.as_mut_ptr());
        each_vector!(S, len, |t, part, FULL| {
            // SAFETY: `t` and `part` stay within both rows.
            unsafe {
                let value = activation.apply(s, load::<S, FULL>(s, part, x.add(t)));
                store::<S, FULL>(s, part, y.add(t), value);
            }
        });
    }
}

impl Kernel for ForwardRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        spelled_out!(self.activation, |one| self.with(s, one))
    }
}

struct BackwardRow<'a> {
    activation: Activation,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl BackwardRow<'_> {
    /// Gives Σ dy · min(x, 0) where the function has a slope left of 0, else 0.
    #[inline(always)]
    fn with<S: Simd>(self, s: S, activation: Activation) -> f32 {
        let len = self.x.len();
        assert_eq!((self.dx.len(), self.dy.len()), (len, len));
        let (x, dy, dx) = (self.x.as_ptr(), self.dy.as_ptr(), self.dx.as_mut_ptr());
        let mut sum = s.zero();
        each_vector!(S, len, |t, part, FULL| {
            // SAFETY: `t` and `part` stay within the three rows.
            unsafe {
                let x = load::<S, FULL>(s, part, x.add(t));
                let dy = load::<S, FULL>(s, part, dy.add(t));
                // The sign of x, not that of the value: a learned slope may be negative.
                let slope = match activation {
                    Activation::LeakyRelu { .. } => activation.slope(s, x),
                    _ => activation.slope(s, activation.apply(s, x)),
                };
                store::<S, FULL>(s, part, dx.add(t), s.mul(dy, slope));
                if let Activation::LeakyRelu { .. } = activation {
                    sum = s.fma(dy, s.min(x, s.zero()), sum);
                }
            }
        });
        s.sum(sum)
    }
}

impl Kernel for BackwardRow<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        spelled_out!(self.activation, |one| self.with(s, one))
    }
}
