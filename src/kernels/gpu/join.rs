//! Many tensors behind each other as one, as few launches as the card's bindings allow: the weights
//! of a network whose kernels want them in one list. The gradient is the same list cut up again.

use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{buffer, cube, cubes, part};
use crate::kernels::bridge::{CardOperator, CardPass};

/// Inputs that become one; `lens` of them count.
#[derive(Debug)]
pub(in crate::kernels) struct CardJoin {
    /// How long each is.
    pub lens: Vec<usize>,
}

/// Buffers of a launch beside its parts: the list, and what the runtime adds.
const OTHERS: usize = 4;
/// No more, wherever a card has more: what is compiled grows with it.
const MOST_PARTS: usize = 56;

impl CardJoin {
    /// Calls `launch` with each group of the parts that fits into a launch, where the group begins
    /// in the list, and where the parts begin in the group.
    fn groups(&self, client: &Client, launch: impl Fn(std::ops::Range<usize>, usize, &[usize])) {
        let bindings = client.properties().hardware.max_bindings as usize;
        let most = bindings.saturating_sub(OTHERS).clamp(1, MOST_PARTS);
        let mut first = 0;
        for (number, lens) in self.lens.chunks(most).enumerate() {
            let mut starts = vec![0];
            starts.extend(lens.iter().scan(0, |sum, len| {
                *sum += len;
                Some(*sum)
            }));
            let from = number * most;
            launch(from..from + lens.len(), first, &starts);
            first += starts[lens.len()];
        }
    }
}

impl CardOperator for CardJoin {
    fn outputs(&self, _inputs: &[Shape], _keep: bool) -> Vec<Shape> {
        vec![Shape::new([self.lens.iter().sum()])]
    }

    fn forward(&self, inputs: &[CubeTensor], outputs: &[CubeTensor]) {
        let joined = &outputs[0];
        self.groups(&joined.client, |range, first, starts| {
            let numbers = starts[range.len()];
            // SAFETY: a thread per number of the group, those beyond end at once.
            unsafe {
                join_kernel::launch_unchecked(
                    &joined.client,
                    cubes(numbers),
                    cube(),
                    parts(inputs[range.clone()].iter()),
                    part(joined, numbers),
                    first,
                    starts.iter().copied().collect(),
                    range.len(),
                );
            }
        });
    }

    fn backward(&self, pass: &CardPass<'_>, gradients: &[Option<CubeTensor>]) {
        let dy = pass.dy;
        self.groups(&dy.client, |range, first, starts| {
            let room = |at: usize| match &gradients[at] {
                Some(gradient) => gradient.clone(),
                // Its own gradient is not wanted: any room of its length will do.
                None => crate::kernels::bridge::empty(dy, [self.lens[at]]),
            };
            let written: Vec<CubeTensor> = range.clone().map(room).collect();
            // SAFETY: as in the forward pass.
            unsafe {
                cut_kernel::launch_unchecked(
                    &dy.client,
                    cubes(starts[range.len()]),
                    cube(),
                    buffer(dy),
                    parts(written.iter()),
                    first,
                    starts.iter().copied().collect(),
                    range.len(),
                );
            }
        });
    }
}

fn parts<'a>(tensors: impl Iterator<Item = &'a CubeTensor>) -> SequenceArg<OwnedTensor<f32>> {
    tensors.map(super::launch::tensor).collect()
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
