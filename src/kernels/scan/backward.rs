//! The backward pass of a scan, block by block, the last first.

use rayon::prelude::*;

use super::lanes::{BLOCK, LANES, Lanes, STATES, advance, gather, read, scatter, write};
use super::shape::{Scan, ScanGradients, ScanSlices};
use crate::kernels::memory::scratch;
use crate::simd::{Isa, Kernel, Simd};

impl Scan {
    /// The gradients for dy `[batch, channels, len]`; that of x only if `want_x`. The state the
    /// sequence began with counts as constant.
    ///
    /// # Panics
    /// A slice's length does not fit the shape, or `kept` is not this input's.
    #[expect(
        clippy::too_many_arguments,
        reason = "plain slices, each a tensor of the formula"
    )]
    pub fn backward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &ScanSlices<'_>,
        kept: &[f32],
        dy: &[f32],
        want_x: bool,
    ) -> ScanGradients {
        let sequences = batch * self.channels;
        let len = x.len() / sequences.max(1);
        assert_eq!((x.len(), dy.len()), (sequences * len, sequences * len));
        let groups = sequences.div_ceil(LANES);
        let size = self.states_len() * Self::blocks(len);
        assert_eq!(kept.len(), groups * size);
        let mut dx = vec![0.0; x.len()];
        let parts: Vec<Vec<f32>> = dx
            .par_chunks_mut((LANES * len).max(1))
            .enumerate()
            .map(|(group, dx)| {
                let lanes = Lanes::new(self, weights, group, sequences);
                let from = group * LANES * len;
                let kept = &kept[group * size..][..size];
                lanes.backward(isa, len, &x[from..], kept, &dy[from..], dx)
            })
            .collect();
        self.gradients(&parts, sequences, want_x.then_some(dx))
    }

    /// Adds the groups' sums `[quantity][state][lane]`, and d's `[lane]`, up over the batch.
    fn gradients(
        &self,
        parts: &[Vec<f32>],
        sequences: usize,
        x: Option<Vec<f32>>,
    ) -> ScanGradients {
        let states = self.padded_states();
        let mut totals = vec![0.0f64; 4 * self.channels * self.states];
        let mut d = vec![0.0f64; self.channels];
        for sequence in 0..sequences {
            let (part, lane) = (&parts[sequence / LANES], sequence % LANES);
            let channel = sequence % self.channels;
            for quantity in 0..4 {
                for state in 0..self.states {
                    let to = (quantity * self.channels + channel) * self.states + state;
                    let from = (quantity * states + state) * LANES + lane;
                    totals[to] += f64::from(part[from]);
                }
            }
            d[channel] += f64::from(part[4 * states * LANES + lane]);
        }
        let single = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
        let size = self.channels * self.states;
        let quantity = |at: usize| single(&totals[at * size..][..size]);
        ScanGradients {
            x,
            a_re: quantity(0),
            a_im: quantity(1),
            c_re: quantity(2),
            c_im: quantity(3),
            d: single(&d),
        }
    }
}

impl Lanes {
    /// The group's sums of gradients; dx is written.
    fn backward(
        &self,
        isa: Isa,
        len: usize,
        x: &[f32],
        kept: &[f32],
        dy: &[f32],
        dx: &mut [f32],
    ) -> Vec<f32> {
        let size = 2 * self.states * LANES;
        let mut sums = vec![0.0; 4 * self.states * LANES + LANES];
        let mut carried = vec![0.0; size];
        scratch::with((3 * BLOCK + 2 * STATES * (BLOCK + 1)) * LANES, |work| {
            let (x_block, work) = work.split_at_mut(BLOCK * LANES);
            let (dy_block, work) = work.split_at_mut(BLOCK * LANES);
            let (dx_block, history) = work.split_at_mut(BLOCK * LANES);
            for block in (0..len.div_ceil(BLOCK)).rev() {
                let from = block * BLOCK;
                let count = BLOCK.min(len - from);
                gather(x, len, self.sequences, from, count, x_block);
                gather(dy, len, self.sequences, from, count, dy_block);
                isa.run(BackwardBlock {
                    lanes: self,
                    first: &kept[block * size..][..size],
                    carried: &mut carried,
                    count,
                    x: x_block,
                    dy: dy_block,
                    dx: dx_block,
                    history,
                    sums: &mut sums,
                });
                scatter(dx_block, len, self.sequences, from, count, dx);
            }
        });
        sums
    }
}

/// A block of steps of a group backwards.
struct BackwardBlock<'a> {
    lanes: &'a Lanes,
    /// The states before the block.
    first: &'a [f32],
    /// The gradient of the states after the block, then of those before it.
    carried: &'a mut [f32],
    count: usize,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
    /// The block's states of one set of registers `[step][re, im][state][lane]`.
    history: &'a mut [f32],
    /// Gradients of Re a, Im a, Re c, Im c `[state][lane]`, then of d `[lane]`.
    sums: &'a mut [f32],
}

impl Kernel for BackwardBlock<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let lanes = self.lanes;
        let size = lanes.states * LANES;
        for lane in (0..LANES).step_by(S::LANES) {
            let d = s.load(&lanes.d[lane..]);
            let mut sum = s.load(&self.sums[4 * size + lane..]);
            for t in 0..self.count {
                let at = t * LANES + lane;
                let dy = s.load(&self.dy[at..]);
                sum = s.fma(dy, s.load(&self.x[at..]), sum);
                s.store(&mut self.dx[at..], s.mul(d, dy));
            }
            s.store(&mut self.sums[4 * size + lane..], sum);
            for state in (0..lanes.states).step_by(STATES) {
                self.again(s, state, lane);
                self.back(s, state, lane);
            }
        }
    }
}

impl BackwardBlock<'_> {
    /// The block's states once more, into the history: entry t is the state before step t.
    #[inline(always)]
    fn again<S: Simd>(&mut self, s: S, state: usize, lane: usize) {
        let size = self.lanes.states * LANES;
        let a_re = read(s, &self.lanes.a_re, state, lane);
        let a_im = read(s, &self.lanes.a_im, state, lane);
        let mut re = read(s, &self.first[..size], state, lane);
        let mut im = read(s, &self.first[size..], state, lane);
        for t in 0..=self.count {
            write(s, self.history, 2 * t * STATES, lane, re);
            write(s, self.history, (2 * t + 1) * STATES, lane, im);
            if t < self.count {
                let x = s.load(&self.x[t * LANES + lane..]);
                advance(s, (&a_re, &a_im), (&mut re, &mut im), x);
            }
        }
    }

    /// Their gradients, last step first. With g the gradient of (Re s, Im s) after a step:
    /// g ← c̄·dy + ā·g of the step behind, which adds Re g to dx and g·s̄ of the step before to a.
    #[inline(always)]
    fn back<S: Simd>(&mut self, s: S, state: usize, lane: usize) {
        let size = self.lanes.states * LANES;
        let (carried_re, carried_im) = self.carried.split_at_mut(size);
        let a_re = read(s, &self.lanes.a_re, state, lane);
        let a_im = read(s, &self.lanes.a_im, state, lane);
        let c_re = read(s, &self.lanes.c_re, state, lane);
        let c_im = read(s, &self.lanes.c_im, state, lane);
        // ā·g, what the step behind sends back.
        let mut re = read(s, carried_re, state, lane);
        let mut im = read(s, carried_im, state, lane);
        let mut sums: [[S::V; STATES]; 4] = [[s.zero(); STATES]; 4];
        for (quantity, sums) in sums.iter_mut().enumerate() {
            *sums = read(s, &self.sums[quantity * size..], state, lane);
        }
        for t in (0..self.count).rev() {
            let at = t * LANES + lane;
            let dy = s.load(&self.dy[at..]);
            let mut dx = s.load(&self.dx[at..]);
            let before = (
                read(s, self.history, 2 * t * STATES, lane),
                read(s, self.history, (2 * t + 1) * STATES, lane),
            );
            let after = (
                read(s, self.history, 2 * (t + 1) * STATES, lane),
                read(s, self.history, (2 * t + 3) * STATES, lane),
            );
            for n in 0..STATES {
                let g_re = s.fma(c_re[n], dy, re[n]);
                let g_im = s.fnma(c_im[n], dy, im[n]);
                dx = s.add(dx, g_re);
                sums[0][n] = s.fma(g_re, before.0[n], s.fma(g_im, before.1[n], sums[0][n]));
                sums[1][n] = s.fma(g_im, before.0[n], s.fnma(g_re, before.1[n], sums[1][n]));
                sums[2][n] = s.fma(dy, after.0[n], sums[2][n]);
                sums[3][n] = s.fnma(dy, after.1[n], sums[3][n]);
                re[n] = s.fma(a_re[n], g_re, s.mul(a_im[n], g_im));
                im[n] = s.fnma(a_im[n], g_re, s.mul(a_re[n], g_im));
            }
            s.store(&mut self.dx[at..], dx);
        }
        write(s, carried_re, state, lane, re);
        write(s, carried_im, state, lane, im);
        for (quantity, sums) in sums.into_iter().enumerate() {
            write(s, &mut self.sums[quantity * size..], state, lane, sums);
        }
    }
}
