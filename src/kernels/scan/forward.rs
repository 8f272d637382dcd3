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
                scratch::with(2 * BLOCK * width, |work| {
                    // What no sequence fills stays silent.
                    work.fill(0.0);
                    let (x_block, y_block) = work.split_at_mut(BLOCK * width);
                    for (number, from) in (0..len).step_by(BLOCK).enumerate() {
                        if !kept.is_empty() {
                            kept[number * states.len()..][..states.len()].copy_from_slice(&states);
                        }
                        isa.run(ForwardBlock {
                            lanes: &lanes,
                            states: &mut states,
                            steps: (from, BLOCK.min(len - from)),
                            x: (&x[*group * width * len..], x_block),
                            y: (y, y_block),
                            len,
                        });
                    }
                });
                self.separate(width, &states, re, im);
            });
        kept
    }
}

/// A block of steps of a group.
struct ForwardBlock<'a> {
    lanes: &'a Lanes,
    /// Before the block, then after it.
    states: &'a mut [f32],
    /// The first, and how many.
    steps: (usize, usize),
    /// The group's sequences, and the block of them `[step][lane]`.
    x: (&'a [f32], &'a mut [f32]),
    y: (&'a mut [f32], &'a mut [f32]),
    /// Of a sequence.
    len: usize,
}

impl Kernel for ForwardBlock<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (lanes, count) = (self.lanes, self.steps.1);
        let ((rows, x), (y_rows, y)) = (self.x, self.y);
        gather(s, (rows, self.len), lanes.sequences, self.steps, x);
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
        scatter(s, y, lanes.sequences, self.steps, (y_rows, self.len));
    }
}
