//! The forward pass of a scan, block by block.

use rayon::prelude::*;

use super::lanes::{BLOCK, LANES, Lanes, STATES, advance, gather, read, scatter, write};
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
        let groups = sequences.div_ceil(LANES);
        let size = self.states_len() * Self::blocks(len);
        let mut kept = Buffer::new(if keep { groups * size } else { 0 });
        // Without keeping every group gets an empty piece.
        let pieces: Vec<&mut [f32]> = match keep && size > 0 {
            true => kept.chunks_exact_mut(size).collect(),
            false => (0..groups).map(|_| Default::default()).collect(),
        };
        let per_group = LANES * self.states;
        let mut tasks: Vec<_> = pieces
            .into_iter()
            .zip(y.chunks_mut((LANES * len).max(1)))
            .zip(state.re.chunks_mut(per_group))
            .zip(state.im.chunks_mut(per_group))
            .enumerate()
            .collect();
        tasks
            .par_iter_mut()
            .for_each(|(group, (((kept, y), re), im))| {
                let lanes = Lanes::new(self, weights, *group, sequences);
                let mut states = self.interleave(re, im);
                scratch::with(2 * BLOCK * LANES, |work| {
                    let (x_block, y_block) = work.split_at_mut(BLOCK * LANES);
                    for (number, from) in (0..len).step_by(BLOCK).enumerate() {
                        let count = BLOCK.min(len - from);
                        if !kept.is_empty() {
                            kept[number * states.len()..][..states.len()].copy_from_slice(&states);
                        }
                        let x = &x[*group * LANES * len..];
                        gather(x, len, lanes.sequences, from, count, x_block);
                        isa.run(ForwardBlock {
                            lanes: &lanes,
                            states: &mut states,
                            count,
                            x: x_block,
                            y: y_block,
                        });
                        scatter(y_block, len, lanes.sequences, from, count, y);
                    }
                });
                self.separate(&states, re, im);
            });
        kept
    }
}

/// A block of steps of a group.
struct ForwardBlock<'a> {
    lanes: &'a Lanes,
    /// Before the block, then after it.
    states: &'a mut [f32],
    count: usize,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for ForwardBlock<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let lanes = self.lanes;
        let (state_re, state_im) = self.states.split_at_mut(lanes.states * LANES);
        for lane in (0..LANES).step_by(S::LANES) {
            let d = s.load(&lanes.d[lane..]);
            for t in 0..self.count {
                let at = t * LANES + lane;
                let dx = s.mul(d, s.load(&self.x[at..]));
                s.store(&mut self.y[at..], dx);
            }
            for state in (0..lanes.states).step_by(STATES) {
                let a_re = read(s, &lanes.a_re, state, lane);
                let a_im = read(s, &lanes.a_im, state, lane);
                let c_re = read(s, &lanes.c_re, state, lane);
                let c_im = read(s, &lanes.c_im, state, lane);
                let mut re = read(s, state_re, state, lane);
                let mut im = read(s, state_im, state, lane);
                for t in 0..self.count {
                    let at = t * LANES + lane;
                    let x = s.load(&self.x[at..]);
                    advance(s, (&a_re, &a_im), (&mut re, &mut im), x);
                    let mut y = s.load(&self.y[at..]);
                    for n in 0..STATES {
                        y = s.fma(c_re[n], re[n], s.fnma(c_im[n], im[n], y));
                    }
                    s.store(&mut self.y[at..], y);
                }
                write(s, state_re, state, lane, re);
                write(s, state_im, state, lane, im);
            }
        }
    }
}
