//! Means of all numbers of a tensor, of them or of their squares, in one launch; the tensor library
//! takes one per axis. A loss is two such means.

use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{THREADS, buffer, cube, cubes};
use super::sums::sum_of_cube;
use crate::kernels::bridge::{CardOperator, CardPass};

/// What is averaged of the inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::kernels) enum CardMean {
    /// x, the only one.
    Plain,
    /// x².
    Square,
    /// (x − y)².
    SquareDifference,
}

impl CardOperator for CardMean {
    fn outputs(&self, _inputs: &[Shape], _keep: bool) -> Vec<Shape> {
        vec![Shape::new([1])]
    }

    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        let (x, y) = (&inputs[0], other(inputs));
        // SAFETY: one cube; its threads' steps end at the last number.
        unsafe {
            mean_kernel::launch_unchecked(
                &x.client,
                CubeCount::Static(1, 1, 1),
                cube(),
                buffer(x),
                buffer(y),
                buffer(&outputs[0]),
                x.meta.shape().num_elements(),
                *self,
            );
        }
    }

    fn backward(&self, pass: &CardPass<'_>, gradients: &[Option<CubeTensor>]) {
        let (x, y) = (&pass.inputs[0], other(pass.inputs));
        for (gradient, sign) in gradients.iter().zip([1.0f32, -1.0]) {
            let Some(gradient) = gradient else {
                continue;
            };
            let numbers = gradient.meta.shape().num_elements();
            // SAFETY: a thread per number, those beyond end at once.
            unsafe {
                spread_kernel::launch_unchecked(
                    &x.client,
                    cubes(numbers),
                    cube(),
                    buffer(pass.dy),
                    buffer(x),
                    buffer(y),
                    buffer(gradient),
                    numbers,
                    sign,
                    *self,
                );
            }
        }
    }
}

/// y, or x where there is none.
fn other(inputs: &[CubeTensor]) -> &CubeTensor {
    inputs.get(1).unwrap_or(&inputs[0])
}

#[cube]
fn averaged(x: f32, y: f32, #[comptime] what: CardMean) -> f32 {
    if comptime!(what == CardMean::Plain) {
        x
    } else if comptime!(what == CardMean::Square) {
        x * x
    } else {
        let apart = x - y;
        apart * apart
    }
}

#[cube(launch_unchecked)]
fn mean_kernel(x: &[f32], y: &[f32], mean: &mut [f32], numbers: usize, #[comptime] what: CardMean) {
    let unit = UNIT_POS as usize;
    let mut sum = 0.0f32;
    let mut at = unit;
    while at < numbers {
        sum += averaged(x[at], y[at], what);
        at += THREADS;
    }
    let total = sum_of_cube(sum);
    if unit == 0 {
        mean[0] = total / f32::cast_from(numbers);
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn spread_kernel(
    dy: &[f32],
    x: &[f32],
    y: &[f32],
    dx: &mut [f32],
    numbers: usize,
    sign: f32,
    #[comptime] what: CardMean,
) {
    let at = ABSOLUTE_POS;
    if at < numbers {
        let share = dy[0] * sign / f32::cast_from(numbers);
        if comptime!(what == CardMean::Plain) {
            dx[at] = share;
        } else if comptime!(what == CardMean::Square) {
            dx[at] = share * 2.0f32 * x[at];
        } else {
            dx[at] = share * 2.0f32 * (x[at] - y[at]);
        }
    }
}
