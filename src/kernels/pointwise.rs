//! Activations of whole signals `[batch, channels, time]`, forward, and backward from the signal
//! itself: row after row on all cores, where the tensor library goes value by value on one.
//!
//! Deterministic like [`super::conv`].

use rayon::prelude::*;

use super::activation::Activation;
use super::buffers::Buffer;
use super::operator::{Forward, Operator, Values};
use super::rows::{each_vector, load, store};
use crate::simd::{Isa, Kernel, Simd};

/// One function for all channels; input x.
#[derive(Debug)]
pub(crate) struct ActivateOperator(pub Activation);

/// x where positive, else x times its channel's slope; inputs x and the slopes `[channels]`.
#[derive(Debug)]
pub(crate) struct PReluOperator;

impl Operator for ActivateOperator {
    fn forward(&self, inputs: &[Values<'_>], _keep: bool) -> Forward {
        forward(&inputs[0], |_| self.0)
    }

    fn backward(
        &self,
        inputs: &[Values<'_>],
        _kept: &Buffer,
        dy: &[f32],
        wanted: &[bool],
    ) -> Vec<Option<Vec<f32>>> {
        let (dx, _) = backward(&inputs[0], dy, |_| self.0);
        vec![wanted[0].then_some(dx)]
    }
}

impl Operator for PReluOperator {
    fn forward(&self, inputs: &[Values<'_>], _keep: bool) -> Forward {
        let slopes = inputs[1].data;
        forward(&inputs[0], |channel| leaky(slopes[channel]))
    }

    fn backward(
        &self,
        inputs: &[Values<'_>],
        _kept: &Buffer,
        dy: &[f32],
        wanted: &[bool],
    ) -> Vec<Option<Vec<f32>>> {
        let slopes = inputs[1].data;
        let (dx, rows) = backward(&inputs[0], dy, |channel| leaky(slopes[channel]));
        let of_channel = |channel: usize| {
            let rows = rows.iter().skip(channel).step_by(slopes.len());
            rows.map(|&sum| f64::from(sum)).sum::<f64>() as f32
        };
        let dslopes = (0..slopes.len()).map(of_channel).collect();
        vec![wanted[0].then_some(dx), wanted[1].then_some(dslopes)]
    }
}

fn leaky(slope: f32) -> Activation {
    Activation::LeakyRelu { slope }
}

/// y of x, by each channel's function.
fn forward(x: &Values<'_>, function: impl Fn(usize) -> Activation + Sync) -> Forward {
    let (isa, channels, len) = (Isa::detect(), x.shape[1], x.shape[2].max(1));
    let mut data = vec![0.0; x.data.len()];
    data.par_chunks_mut(len)
        .zip(x.data.par_chunks(len))
        .enumerate()
        .for_each(|(row, (y, x))| {
            isa.run(ForwardRow {
                activation: function(row % channels),
                x,
                y,
            });
        });
    Forward::without_memory(data, x.shape.to_vec())
}

/// dx, and of each row Σ dy · min(x, 0): the gradient of a slope left of 0.
fn backward(
    x: &Values<'_>,
    dy: &[f32],
    function: impl Fn(usize) -> Activation + Sync,
) -> (Vec<f32>, Vec<f32>) {
    let (isa, channels, len) = (Isa::detect(), x.shape[1], x.shape[2].max(1));
    let mut dx = vec![0.0; x.data.len()];
    let sums = dx
        .par_chunks_mut(len)
        .zip(x.data.par_chunks(len))
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
        // The match outside the loops, so that each loop holds one function only.
        match self.activation {
            Activation::Identity => self.with(s, Activation::Identity),
            Activation::Tanh => self.with(s, Activation::Tanh),
            Activation::Sigmoid => self.with(s, Activation::Sigmoid),
            Activation::Relu => self.with(s, Activation::Relu),
            Activation::LeakyRelu { slope } => self.with(s, Activation::LeakyRelu { slope }),
            Activation::HardTanh => self.with(s, Activation::HardTanh),
        }
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
        match self.activation {
            Activation::Identity => self.with(s, Activation::Identity),
            Activation::Tanh => self.with(s, Activation::Tanh),
            Activation::Sigmoid => self.with(s, Activation::Sigmoid),
            Activation::Relu => self.with(s, Activation::Relu),
            Activation::LeakyRelu { slope } => self.with(s, Activation::LeakyRelu { slope }),
            Activation::HardTanh => self.with(s, Activation::HardTanh),
        }
    }
}
