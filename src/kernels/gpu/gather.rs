//! Rows of a long list on a card: a thread per number.

use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{buffer, cube, cubes, part};
use crate::kernels::bridge::{CardOperator, CardPass};

/// Where a row's numbers come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Row {
    /// The list, from here on.
    From(usize),
    /// Nowhere: all are this one.
    Constant(f32),
}

/// What the first part of a place counts.
const PART: usize = 4096;

/// A row as the kernel wants it: its place in two parts, since not all whole numbers are numbers of 32
/// bits, whether it is a constant, and that.
pub(in crate::kernels) fn place(row: Row) -> [f32; 4] {
    match row {
        Row::From(start) => [(start / PART) as f32, (start % PART) as f32, 0.0, 0.0],
        Row::Constant(value) => [0.0, 0.0, 1.0, value],
    }
}

/// Inputs the list, and of each row its [`place`].
#[derive(Debug)]
pub(in crate::kernels) struct CardGather {
    /// Of the output.
    pub shape: [usize; 3],
}

impl CardOperator for CardGather {
    fn outputs(&self, _inputs: &[Shape], _keep: bool) -> Vec<Shape> {
        vec![Shape::new(self.shape)]
    }

    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        let numbers = self.shape.iter().product();
        // SAFETY: a thread per number, those beyond end at once; rows lie within the list, as the
        // operator's front page has checked.
        unsafe {
            gather_kernel::launch_unchecked(
                &inputs[0].client,
                cubes(numbers),
                cube(),
                part(&inputs[0], numbers),
                buffer(&inputs[1]),
                buffer(&outputs[0]),
                numbers,
                self.shape[2],
            );
        }
    }

    fn backward(&self, _pass: &CardPass<'_>, _gradients: &[Option<CubeTensor>]) {
        // Recordings do not learn.
    }
}

#[cube(launch_unchecked)]
fn gather_kernel(list: &[f32], places: &[f32], to: &mut [f32], numbers: usize, len: usize) {
    let at = ABSOLUTE_POS;
    if at < numbers {
        let row = 4 * (at / len);
        if places[row + 2] > 0.0f32 {
            to[at] = places[row + 3];
        } else {
            let first = usize::cast_from(places[row]) * PART + usize::cast_from(places[row + 1]);
            to[at] = list[first + at % len];
        }
    }
}
