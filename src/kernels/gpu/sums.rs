//! Sums over a cube's threads, and over time that was cut into pieces: always in the same order, so
//! that they are the same from run to run. Knows no operator.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{THREADS, cube, cubes, part};
use super::parts::{groups, sequence};
use crate::kernels::bridge::empty;

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

/// How a sum over time is cut, so that there is a thread for every number of every piece.
pub(super) struct Pieces {
    /// Steps of all items.
    pub steps: usize,
    /// Steps of a piece.
    pub len: usize,
    /// How many there are.
    pub count: usize,
}

impl Pieces {
    /// For `numbers` sums over `steps` steps.
    pub fn of(steps: usize, numbers: usize) -> Self {
        /// Threads that fill a card; with more of them there is more to add up behind.
        const ENOUGH: usize = 1 << 16;
        const SHORTEST: usize = 64;
        let len = (steps * numbers).div_ceil(ENOUGH).max(SHORTEST);
        Self {
            steps,
            len,
            count: steps.div_ceil(len),
        }
    }

    /// Cubes with a thread for each of `numbers` sums of every piece.
    pub fn cubes(&self, numbers: usize) -> CubeCount {
        CubeCount::Static(numbers.div_ceil(THREADS) as u32, self.count as u32, 1)
    }
}

/// Adds up `partial` `[parts, numbers]` and cuts the sums among `to`, as many as it says to each;
/// nobody asked for what has no tensor.
pub(super) fn add_parts(partial: &CubeTensor, to: &[(Option<&CubeTensor>, usize)]) {
    let [parts, numbers] = partial.meta.shape().dims();
    let lens: Vec<usize> = to.iter().map(|(_, len)| *len).collect();
    let room = |(tensor, len): &(Option<&CubeTensor>, usize)| match tensor {
        Some(tensor) => (*tensor).clone(),
        None => empty(partial, [*len]),
    };
    let rooms: Vec<CubeTensor> = to.iter().map(room).collect();
    for group in groups(partial, &lens, 1, 1) {
        // SAFETY: a thread per number of the group, those beyond end at once.
        unsafe {
            add_kernel::launch_unchecked(
                &partial.client,
                cubes(group.numbers()),
                cube(),
                part(partial, parts * group.numbers()),
                sequence(&rooms[group.range.clone()]),
                group.places(),
                group.first,
                numbers,
                parts,
                group.parts(),
            );
        }
    }
}

#[cube(launch_unchecked)]
fn add_kernel(
    partial: &[f32],
    to: &mut Sequence<OwnedTensor<f32>>,
    starts: Sequence<usize>,
    first: usize,
    numbers: usize,
    parts: usize,
    #[comptime] count: usize,
) {
    let at = ABSOLUTE_POS;
    if at < starts[count] {
        let mut sum = 0.0f32;
        for part in 0..parts {
            sum += partial[part * numbers + first + at];
        }
        #[unroll]
        for n in 0..count {
            if at >= starts[n] && at < starts[n + 1] {
                let out = to.index_mut(n);
                out[at - starts[n]] = sum;
            }
        }
    }
}
