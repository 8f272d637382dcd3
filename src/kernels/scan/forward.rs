//! The forward pass of a scan, block by block.

use rayon::prelude::*;

use super::lanes::{BLOCK, Lanes, STATES, advance, gather, read, scatter, width, write};
use super::shape::{PlainScanState, Scan, ScanSlices};
use crate::kernels::memory::{Buffer, scratch};
use crate::simd::{Isa, Kernel, Simd};

impl Scan {
    /// y `[batch, channels, len]` of x (the same shape) from `state` on, which becomes that after
    /// the last step. With `keep`, what the backward pass needs is returned, else an empty buffer.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    #[expect(
        clippy::too_many_arguments,
        reason = "plain slices, each a tensor of the formula"
    )]
    pub fn forward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &ScanSlices<'_>,
        state: &mut PlainScanState,
        y: &mut [f32],
        keep: bool,
    ) -> Buffer {
        let sequences = batch * self.channels;
        let len = x.len() / sequences.max(1);
        assert_eq!((x.len(), y.len()), (sequences * len, sequences * len));
        assert_eq!(state.re.len(), sequences * self.states);
        assert_eq!(state.im.len(), sequences * self.states);
        let width = width(isa);
        let groups = sequences.div_ceil(width);
        let size = self.states_len(width) * Self::blocks(len);
        let mut kept = Buffer::new(if keep { groups * size } else { 0 });
        // Without keeping every group gets an empty piece.
        let pieces: Vec<&mut [f32]> = match keep && size > 0 {
            true => kept.chunks_exact_mut(size).collect(),
            false => (0..groups).map(|_| Default::default()).collect(),
        };
        let per_group = width * self.states;
        let mut tasks: Vec<_> = pieces
            .into_iter()
            .zip(y.chunks_mut((width * len).max(1)))
            .zip(state.re.chunks_mut(per_group))
            .zip(state.im.chunks_mut(per_group))
            .enumerate()
            .collect();
        tasks
            .par_iter_mut()
            .for_each(|(group, (((kept, y), re), im))| {
                let lanes = Lanes::new(self, weights, (*group, width), sequences);
                let mut states = self.interleave(width, re, im);
                let from = (&x[*group * width * len..], len);
                lanes.forward(isa, &mut states, len, from, (y, len), |number, states| {
                    if !kept.is_empty() {
                        kept[number * states.len()..][..states.len()].copy_from_slice(states);
                    }
                });
                self.separate(width, &states, re, im);
            });
        kept
    }
}

impl Lanes {
    /// y of `len` steps of the group's sequences x, each with the floats from one sequence to the next;
    /// `states` become those after the last. Those before each block are shown to `before`.
    pub(in crate::kernels) fn forward(
        &self,
        isa: Isa,
        states: &mut [f32],
        len: usize,
        x: (&[f32], usize),
        y: (&mut [f32], usize),
        mut before: impl FnMut(usize, &[f32]),
    ) {
        let size = BLOCK * width(isa);
        scratch::with(2 * size, |work| {
            // What no sequence fills stays silent.
            work.fill(0.0);
            let (x_block, y_block) = work.split_at_mut(size);
            for (number, from) in (0..len).step_by(BLOCK).enumerate() {
                before(number, states);
                isa.run(ForwardBlock {
                    lanes: self,
                    states,
                    count: BLOCK.min(len - from),
                    x: ((&x.0[from..], x.1), x_block),
                    y: ((&mut y.0[from..], y.1), y_block),
                });
            }
        });
    }
}

/// A block of steps of a group.
struct ForwardBlock<'a> {
    lanes: &'a Lanes,
    /// Before the block, then after it.
    states: &'a mut [f32],
    /// How many.
    count: usize,
    /// The group's sequences from the first step on, and the block of them `[step][lane]`.
    x: ((&'a [f32], usize), &'a mut [f32]),
    y: ((&'a mut [f32], usize), &'a mut [f32]),
}

impl Kernel for ForwardBlock<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (lanes, count) = (self.lanes, self.count);
        let ((rows, x), (y_rows, y)) = (self.x, self.y);
        gather(s, rows, lanes.sequences, count, x);
        let (state_re, state_im) = self.states.split_at_mut(lanes.states * S::LANES);
        let d = s.load(&lanes.d);
        for t in 0..count {
            let at = t * S::LANES;
            s.store(&mut y[at..], s.mul(d, s.load(&x[at..])));
        }
        for state in (0..lanes.states).step_by(STATES) {
            let a_re = read(s, &lanes.a_re, state);
            let a_im = read(s, &lanes.a_im, state);
            let c_re = read(s, &lanes.c_re, state);
            let c_im = read(s, &lanes.c_im, state);
            let mut re = read(s, state_re, state);
            let mut im = read(s, state_im, state);
            for t in 0..count {
                let at = t * S::LANES;
                let x = s.load(&x[at..]);
                advance(s, (&a_re, &a_im), (&mut re, &mut im), x);
                let mut sum = s.load(&y[at..]);
                for n in 0..STATES {
                    sum = s.fma(c_re[n], re[n], s.fnma(c_im[n], im[n], sum));
                }
                s.store(&mut y[at..], sum);
            }
            write(s, state_re, state, re);
            write(s, state_im, state, im);
        }
        scatter(s, y, lanes.sequences, count, y_rows);
    }
}
