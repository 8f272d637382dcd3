//! Sums over a cube's threads, and over time that was cut into pieces: always in the same order, so
//! that they are the same from run to run. Knows no operator.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{THREADS, buffer, cube, cubes};

/// From all of a cube's sums to one.
const HALVINGS: usize = THREADS.trailing_zeros() as usize;

/// The sum of the numbers of a cube's [`THREADS`] threads, which the first of them may use.
#[cube]
pub(super) fn sum_of_cube(number: f32) -> f32 {
    let unit = UNIT_POS as usize;
    let mut sums = Shared::<[f32]>::new_slice(THREADS);
    sums[unit] = number;
    sync_cube();
    #[unroll]
    for step in 0..HALVINGS {
        let half = comptime!(THREADS >> (step + 1));
        if unit < half {
            let both = sums[unit] + sums[unit + half];
            sums[unit] = both;
        }
        sync_cube();
    }
    sums[0]
}

/// Adds up `partial` `[parts, numbers]`: the first numbers into `first`, as many as it says, the
/// others into `second`.
pub(super) fn add_parts(
    partial: &CubeTensor,
    first: (&CubeTensor, usize),
    second: Option<(&CubeTensor, usize)>,
) {
    let parts = partial.meta.shape()[0];
    let (other, others) = second.unwrap_or((first.0, 0));
    // SAFETY: a thread per number, those beyond end at once; an absent `second` has no numbers.
    unsafe {
        add_kernel::launch_unchecked(
            &partial.client,
            cubes(first.1 + others),
            cube(),
            buffer(partial),
            buffer(first.0),
            buffer(other),
            first.1,
            others,
            parts,
        );
    }
}

#[cube(launch_unchecked)]
fn add_kernel(
    partial: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    firsts: usize,
    others: usize,
    parts: usize,
) {
    let numbers = firsts + others;
    let at = ABSOLUTE_POS;
    if at < numbers {
        let mut sum = 0.0f32;
        for part in 0..parts {
            sum += partial[part * numbers + at];
        }
        if at < firsts {
            first[at] = sum;
        } else {
            second[at - firsts] = sum;
        }
    }
}
