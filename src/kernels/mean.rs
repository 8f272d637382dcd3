//! Means of a tensor's numbers, `[1]`. Squares are summed up in one pass, in host memory 32 sums side by
//! side over a few thousand numbers at a time, these in 64 bits; the gradient is another pass.
//!
//! Results depend neither on the number of threads nor on the instruction set.

use burn::tensor::Tensor;

use super::bridge::{
    BackwardPass, Form, Gradient, Inputs, Operator, Output, form_of, is_on_card, list,
    output_on_card, run,
};
use super::crew;
use super::gpu::mean::CardMean;
use crate::simd::{Isa, Kernel, Simd};

/// The mean of all numbers.
pub fn mean(of: Tensor<3>) -> Tensor<1> {
    match is_on_card(&of) {
        true => output_on_card(CardMean::Plain, vec![of.into_dispatch()]),
        false => of.mean(),
    }
}

/// The mean of their squares.
pub fn mean_square(of: Tensor<3>) -> Tensor<1> {
    match form_of(&of, "mean_square", Ok(())) {
        Form::Card => output_on_card(CardMean::Square, vec![of.into_dispatch()]),
        Form::Host => run::<3>(MeanSquare, list([of], [])).reshape([1]),
        Form::Composed => of.square().mean(),
    }
}

/// The mean square of what two tensors of one shape differ by.
///
/// # Panics
/// Their shapes differ.
pub fn mean_square_difference(of: Tensor<3>, from: Tensor<3>) -> Tensor<1> {
    assert_eq!(of.dims(), from.dims(), "mean_square_difference: shapes");
    match form_of(&of, "mean_square_difference", Ok(())) {
        Form::Card => {
            let both = vec![of.into_dispatch(), from.into_dispatch()];
            output_on_card(CardMean::SquareDifference, both)
        }
        Form::Host => run::<3>(MeanSquare, list([of, from], [])).reshape([1]),
        Form::Composed => (of - from).square().mean(),
    }
}

/// The mean square of x, or of what x differs by from the second input where there is one.
#[derive(Debug)]
struct MeanSquare;

/// Numbers of a task.
const CHUNK: usize = 4096;

/// Sums side by side.
const LANES: usize = 32;

impl Operator for MeanSquare {
    fn forward(&self, inputs: &Inputs<'_>, _keep: bool) -> Output {
        let (isa, x) = (inputs.isa, inputs.x());
        let mut sums: Vec<(Squares<'_>, f32)> = match inputs.get(1) {
            Some(from) => x
                .chunks(CHUNK)
                .zip(from.chunks(CHUNK))
                .map(|(x, from)| (Squares { x, from }, 0.0))
                .collect(),
            None => x
                .chunks(CHUNK)
                .map(|x| (Squares { x, from: &[] }, 0.0))
                .collect(),
        };
        crew::each_of_many(x.len(), &mut sums, |(squares, sum)| {
            *sum = isa.run(*squares)
        });
        let sum: f64 = sums.iter().map(|(_, sum)| f64::from(*sum)).sum();
        Output {
            data: vec![(sum / x.len() as f64) as f32].into(),
            shape: [1, 1, 1],
            kept: Vec::new().into(),
        }
    }

    fn backward(&self, inputs: &Inputs<'_>, pass: &BackwardPass<'_>) -> Vec<Gradient> {
        let (isa, x, from) = (inputs.isa, inputs.x(), inputs.get(1));
        let factor = 2.0 * pass.dy[0] / x.len() as f32;
        let gradient = |at, factor| {
            pass.gradient(at, x.len(), |dx| {
                scaled(isa, dx, factor, x, from.unwrap_or_default())
            })
        };
        vec![gradient(0, factor), gradient(1, -factor)]
    }
}

/// Σ (x − from)², and Σ x² where there is nothing to differ from.
#[derive(Clone, Copy)]
struct Squares<'a> {
    x: &'a [f32],
    from: &'a [f32],
}

impl Kernel for Squares<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> f32 {
        let mut sums = [0.0f32; LANES];
        let (x, x_rest) = self.x.as_chunks::<LANES>();
        let (from, from_rest) = self.from.as_chunks::<LANES>();
        let mut rest = 0.0;
        if self.from.is_empty() {
            for x in x {
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum += x * x;
                }
            }
            rest += x_rest.iter().map(|x| x * x).sum::<f32>();
        } else {
            for (x, from) in x.iter().zip(from) {
                for ((sum, x), from) in sums.iter_mut().zip(x).zip(from) {
                    *sum += (x - from) * (x - from);
                }
            }
            let rests = x_rest.iter().zip(from_rest);
            rest += rests.map(|(x, from)| (x - from) * (x - from)).sum::<f32>();
        }
        sums.iter().sum::<f32>() + rest
    }
}

/// dx = factor · (x − from), or factor · x where there is nothing to differ from.
fn scaled(isa: Isa, dx: &mut [f32], factor: f32, x: &[f32], from: &[f32]) {
    let len = x.len();
    let mut from = from.chunks(CHUNK);
    let chunks = dx.chunks_mut(CHUNK).zip(x.chunks(CHUNK));
    let mut tasks: Vec<Scaled<'_>> = chunks
        .map(|(dx, x)| Scaled {
            dx,
            factor,
            x,
            from: from.next().unwrap_or_default(),
        })
        .collect();
    crew::each_of_many(len, &mut tasks, |task| isa.run(task));
}

struct Scaled<'a> {
    dx: &'a mut [f32],
    factor: f32,
    x: &'a [f32],
    from: &'a [f32],
}

impl Kernel for &mut Scaled<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let places = self.dx.iter_mut().zip(self.x);
        if self.from.is_empty() {
            places.for_each(|(dx, x)| *dx = self.factor * x);
        } else {
            let places = places.zip(self.from);
            places.for_each(|((dx, x), from)| *dx = self.factor * (x - from));
        }
    }
}
