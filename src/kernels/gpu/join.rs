//! Many tensors behind each other as one, as few launches as the card's bindings allow: the weights
//! of a network whose kernels want them in one list. The gradient is the same list cut up again.

use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{cube, cubes, part};
use super::parts::{groups, sequence};
use crate::kernels::bridge::{CardOperator, CardPass, empty};

/// Inputs that become one; `lens` of them count.
#[derive(Debug)]
pub(in crate::kernels) struct CardJoin {
    /// How long each is.
    pub lens: Vec<usize>,
}

impl CardOperator for CardJoin {
    fn outputs(&self, _inputs: &[Shape], _keep: bool) -> Vec<Shape> {
        vec![Shape::new([self.lens.iter().sum()])]
    }

    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        let joined = &outputs[0];
        for group in groups(joined, &self.lens, 1, 1) {
            // SAFETY: a thread per number of the group, those beyond end at once.
            unsafe {
                join_kernel::launch_unchecked(
                    &joined.client,
                    cubes(group.numbers()),
                    cube(),
                    sequence(&inputs[group.range.clone()]),
                    part(joined, group.numbers()),
                    group.first,
                    group.places(),
                    group.parts(),
                );
            }
        }
    }

    fn backward(&self, pass: &CardPass<'_>, gradients: &[Option<CubeTensor>]) {
        let dy = pass.dy;
        let room = |at: usize| match &gradients[at] {
            Some(gradient) => gradient.clone(),
            // Its own gradient is not wanted: any room of its length will do.
            None => empty(dy, [self.lens[at]]),
        };
        for group in groups(dy, &self.lens, 1, 1) {
            let written: Vec<CubeTensor> = group.range.clone().map(room).collect();
            // SAFETY: as in the forward pass.
            unsafe {
                cut_kernel::launch_unchecked(
                    &dy.client,
                    cubes(group.numbers()),
                    cube(),
                    part(dy, group.numbers()),
                    sequence(&written),
                    group.first,
                    group.places(),
                    group.parts(),
                );
            }
        }
    }
}

#[cube(launch_unchecked)]
fn join_kernel(
    parts: Sequence<OwnedTensor<f32>>,
    joined: &mut [f32],
    first: usize,
    starts: Sequence<usize>,
    #[comptime] count: usize,
) {
    let at = ABSOLUTE_POS;
    #[unroll]
    for n in 0..count {
        if at >= starts[n] && at < starts[n + 1] {
            let part = parts.index(n);
            joined[first + at] = part[at - starts[n]];
        }
    }
}

#[cube(launch_unchecked)]
fn cut_kernel(
    joined: &[f32],
    parts: &mut Sequence<OwnedTensor<f32>>,
    first: usize,
    starts: Sequence<usize>,
    #[comptime] count: usize,
) {
    let at = ABSOLUTE_POS;
    #[unroll]
    for n in 0..count {
        if at >= starts[n] && at < starts[n + 1] {
            let part = parts.index_mut(n);
            part[at - starts[n]] = joined[first + at];
        }
    }
}
