//! How a batch is cut into tasks, and time into stretches.

use crate::kernels::scan::{BLOCK, Lanes, PlainScanState, Scan, ScanSlices, width};
use crate::simd::Isa;

/// Samples of a stretch: ten register tiles, so that the sums which end a stretch's share of the mix's
/// gradient are few beside it, and fifteen of the scan's blocks.
pub(super) const STRETCH: usize = 480;
/// The scan's blocks in a stretch.
pub(super) const BLOCKS: usize = STRETCH.div_ceil(BLOCK);

/// A task is a few items, so many that their channels fill a vector.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    scan: Scan,
    /// Lanes of a vector.
    pub width: usize,
    /// Samples of a channel.
    pub len: usize,
    /// Items of a task, but for the last.
    items: usize,
    batch: usize,
}

impl Cut {
    /// For x of `numbers` numbers.
    ///
    /// # Panics
    /// They are not as many in every channel.
    pub fn new(scan: Scan, isa: Isa, batch: usize, numbers: usize) -> Cut {
        let len = numbers / (batch * scan.channels).max(1);
        assert_eq!(numbers, batch * scan.channels * len);
        let width = width(isa);
        Cut {
            scan,
            width,
            len,
            items: (width / scan.channels.max(1)).max(1),
            batch,
        }
    }

    /// Floats of a task's signal, but for the last.
    pub fn signal(&self) -> usize {
        self.items * self.scan.channels * self.len
    }

    /// Numbers of a task's states, real or imaginary, but for the last.
    pub fn state(&self) -> usize {
        self.items * self.scan.channels * self.scan.states
    }

    /// Groups of sequences of a task, but for the last.
    pub fn groups(&self) -> usize {
        (self.items * self.scan.channels).div_ceil(self.width)
    }

    /// Floats of a group's states at one moment.
    pub fn group(&self) -> usize {
        self.scan.states_len(self.width)
    }

    /// Floats that a task keeps of states, before each stretch those of each group.
    pub fn states(&self) -> usize {
        self.len.div_ceil(STRETCH) * self.groups() * self.group()
    }

    /// Tasks.
    pub fn tasks(&self) -> usize {
        self.batch.div_ceil(self.items)
    }

    /// The filters of a task of so many sequences, group by group.
    pub fn lanes(&self, weights: &ScanSlices<'_>, sequences: usize) -> Vec<Lanes> {
        (0..sequences.div_ceil(self.width))
            .map(|group| Lanes::new(&self.scan, weights, (group, self.width), sequences))
            .collect()
    }

    /// Which of all tasks' groups each sequence of the batch is in, and its lane there.
    pub fn places(self) -> impl Iterator<Item = (usize, usize)> {
        let of_task = self.items * self.scan.channels;
        (0..self.batch * self.scan.channels).map(move |sequence| {
            let (task, own) = (sequence / of_task, sequence % of_task);
            (task * self.groups() + own / self.width, own % self.width)
        })
    }

    /// States `[sequence][state]` of a task, group by group.
    pub fn interleave(&self, re: &[f32], im: &[f32]) -> Vec<Vec<f32>> {
        let size = self.width * self.scan.states;
        let groups = re.chunks(size.max(1)).zip(im.chunks(size.max(1)));
        groups
            .map(|(re, im)| self.scan.interleave(self.width, re, im))
            .collect()
    }

    /// The way back.
    pub fn separate(&self, groups: &[Vec<f32>], re: &mut [f32], im: &mut [f32]) {
        let size = (self.width * self.scan.states).max(1);
        for ((group, re), im) in groups
            .iter()
            .zip(re.chunks_mut(size))
            .zip(im.chunks_mut(size))
        {
            self.scan.separate(self.width, group, re, im);
        }
    }

    /// # Panics
    /// It is not the state of this batch.
    pub fn check(&self, state: &PlainScanState) {
        let numbers = self.batch * self.scan.channels * self.scan.states;
        assert_eq!((state.re.len(), state.im.len()), (numbers, numbers));
    }
}

/// `count` pieces of `size` numbers, the last with what is left; where there is nothing, empty ones.
pub(super) fn pieces(values: &mut [f32], size: usize, count: usize) -> Vec<&mut [f32]> {
    match values.is_empty() || size == 0 {
        true => (0..count).map(|_| Default::default()).collect(),
        false => values.chunks_mut(size).collect(),
    }
}
