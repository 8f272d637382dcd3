//! The mean of all numbers of a tensor in one launch; the tensor library takes one per axis. A loss is
//! two such means.

use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{THREADS, buffer, cube, cubes};
use super::sums::sum_of_cube;
use crate::kernels::bridge::{CardOperator, CardPass};

/// Input x, output its mean `[1]`.
#[derive(Debug)]
pub(in crate::kernels) struct CardMean;

impl CardOperator for CardMean {
    fn outputs(&self, _inputs: &[Shape], _keep: bool) -> Vec<Shape> {
        vec![Shape::new([1])]
    }

    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        let x = &inputs[0];
        // SAFETY: one cube; its threads' steps end at the last number.
        unsafe {
            mean_kernel::launch_unchecked(
                &x.client,
                CubeCount::Static(1, 1, 1),
                cube(),
                buffer(x),
                buffer(&outputs[0]),
                x.meta.shape().num_elements(),
            );
        }
    }

    fn backward(&self, pass: &CardPass<'_>, gradients: &[Option<CubeTensor>]) {
        if let Some(dx) = &gradients[0] {
            let numbers = dx.meta.shape().num_elements();
            // SAFETY: a thread per number, those beyond end at once.
            unsafe {
                spread_kernel::launch_unchecked(
                    &dx.client,
                    cubes(numbers),
                    cube(),
                    buffer(pass.dy),
                    buffer(dx),
                    numbers,
                );
            }
        }
    }
}

#[cube(launch_unchecked)]
fn mean_kernel(x: &[f32], mean: &mut [f32], numbers: usize) {
    let unit = UNIT_POS as usize;
    let mut sum = 0.0f32;
    let mut at = unit;
    while at < numbers {
        sum += x[at];
        at += THREADS;
    }
    let total = sum_of_cube(sum);
    if unit == 0 {
        mean[0] = total / f32::cast_from(numbers);
    }
}

#[cube(launch_unchecked)]
fn spread_kernel(dy: &[f32], dx: &mut [f32], numbers: usize) {
    let at = ABSOLUTE_POS;
    if at < numbers {
        dx[at] = dy[0] / f32::cast_from(numbers);
    }
}
