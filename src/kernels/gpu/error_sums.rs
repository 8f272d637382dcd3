//! The sums that figures are made of on a card: a cube per item.

use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{THREADS, buffer, cube};
use super::sums::sum_of_cube;
use crate::kernels::bridge::{CardOperator, CardPass};

/// How many sums there are.
const ERROR_SUMS: usize = 7;

/// Inputs wet and predicted; output the sums of each item.
#[derive(Debug)]
pub(in crate::kernels) struct CardErrorSums;

impl CardOperator for CardErrorSums {
    fn outputs(&self, inputs: &[Shape], _keep: bool) -> Vec<Shape> {
        vec![Shape::new([inputs[0][0], ERROR_SUMS])]
    }

    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        let [batch, channels, len] = inputs[0].meta.shape().dims();
        // SAFETY: a cube per item, whose threads' steps end at its last number.
        unsafe {
            sums_kernel::launch_unchecked(
                &inputs[0].client,
                CubeCount::Static(batch as u32, 1, 1),
                cube(),
                buffer(&inputs[0]),
                buffer(&inputs[1]),
                buffer(&outputs[0]),
                channels * len,
            );
        }
    }

    fn backward(&self, _pass: &CardPass<'_>, _gradients: &[Option<CubeTensor>]) {
        // Nobody learns from a figure.
    }
}

#[cube(launch_unchecked)]
fn sums_kernel(wet: &[f32], predicted: &[f32], sums: &mut [f32], numbers: usize) {
    let (item, unit) = (CUBE_POS_X as usize, UNIT_POS as usize);
    let mut own = Array::<f32>::new(ERROR_SUMS);
    #[unroll]
    for n in 0..ERROR_SUMS {
        own[n] = 0.0f32;
    }
    let mut at = unit;
    while at < numbers {
        let w = wet[item * numbers + at];
        let p = predicted[item * numbers + at];
        let e = w - p;
        own[0] += e;
        own[1] += e * e;
        own[2] += f32::abs(e);
        own[3] += w;
        own[4] += w * w;
        own[5] += p * p;
        own[6] += w * p;
        at += THREADS;
    }
    #[unroll]
    for n in 0..ERROR_SUMS {
        let total = sum_of_cube(own[n]);
        if unit == 0 {
            sums[item * ERROR_SUMS + n] = total;
        }
    }
}
