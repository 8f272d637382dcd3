//! Lists of tensors as arguments of a kernel: as many in a launch as the card's bindings allow. Knows
//! no operator.

use std::ops::Range;

use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

/// No more parts in a launch, wherever a card has more bindings: what is compiled grows with them.
const MOST_PARTS: usize = 56;
/// Bindings that the runtime adds.
const RUNTIME: usize = 3;

/// Neighbours in a list that go into one launch.
pub(super) struct Group {
    /// Which parts of the list.
    pub range: Range<usize>,
    /// Where they begin among the numbers of all parts.
    pub first: usize,
    /// Where each begins among theirs, and where the last ends.
    pub starts: Vec<usize>,
}

impl Group {
    /// How many parts there are.
    pub fn parts(&self) -> usize {
        self.range.len()
    }

    /// How many numbers they have.
    pub fn numbers(&self) -> usize {
        self.starts[self.parts()]
    }

    /// The starts as a kernel's argument.
    pub fn places(&self) -> SequenceArg<usize> {
        self.starts.iter().copied().collect()
    }
}

/// Groups for a kernel with `each` buffers for every part, and `beside` buffers for all.
pub(super) fn groups(
    beside: &CubeTensor,
    lens: &[usize],
    each: usize,
    others: usize,
) -> Vec<Group> {
    let bindings = beside.client.properties().hardware.max_bindings as usize;
    let most = bindings.saturating_sub(others + RUNTIME) / each;
    let most = most.clamp(1, MOST_PARTS);
    let mut first = 0;
    let group = |(number, lens): (usize, &[usize])| {
        let mut starts = vec![0];
        starts.extend(lens.iter().scan(0, |sum, len| {
            *sum += len;
            Some(*sum)
        }));
        let from = number * most;
        let group = Group {
            range: from..from + lens.len(),
            first,
            starts,
        };
        first += group.numbers();
        group
    };
    lens.chunks(most).enumerate().map(group).collect()
}

/// Tensors as one argument.
pub(super) fn sequence<'a>(
    tensors: impl IntoIterator<Item = &'a CubeTensor>,
) -> SequenceArg<OwnedTensor<f32>> {
    tensors.into_iter().map(super::launch::tensor).collect()
}
