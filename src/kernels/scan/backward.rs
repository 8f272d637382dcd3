//! The backward pass of a scan, block by block, the last first.

use rayon::prelude::*;

use super::lanes::{BLOCK, Lanes, STATES, advance, gather, read, scatter, width, write};
use super::shape::{Scan, ScanGradients, ScanSlices};
use crate::kernels::memory::{Buffer, scratch};
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
        let width = width(isa);
        let groups = sequences.div_ceil(width);
        let size = self.states_len(width) * Self::blocks(len);
        assert_eq!(kept.len(), groups * size);
        let mut dx = Buffer::new(x.len());
        let parts: Vec<Vec<f32>> = dx
            .par_chunks_mut((width * len).max(1))
            .enumerate()
            .map(|(group, dx)| {
                let lanes = Lanes::new(self, weights, (group, width), sequences);
                let from = group * width * len;
                let kept = &kept[group * size..][..size];
                let mut behind = Behind::new(&lanes, width);
                let rows = ((&x[from..], len), (&dy[from..], len), (dx, len));
                lanes.backward(isa, &mut behind, len, kept, rows);
                behind.sums
            })
            .collect();
        let places = (0..sequences).map(|sequence| (sequence / width, sequence % width));
        self.gradients((&parts, width), places, want_x.then_some(dx))
    }

    /// Adds the groups' sums `[quantity][state][lane]`, and d's `[lane]`, up over the batch, of whose
    /// sequences `places` gives group and lane.
    pub(in crate::kernels) fn gradients(
        &self,
        (parts, width): (&[Vec<f32>], usize),
        places: impl Iterator<Item = (usize, usize)>,
        x: Option<Buffer>,
    ) -> ScanGradients {
        let states = self.padded_states();
        let mut totals = vec![0.0f64; 4 * self.channels * self.states];
        let mut d = vec![0.0f64; self.channels];
        for (sequence, (group, lane)) in places.enumerate() {
            let (part, channel) = (&parts[group], sequence % self.channels);
            for quantity in 0..4 {
                for state in 0..self.states {
                    let to = (quantity * self.channels + channel) * self.states + state;
                    let from = (quantity * states + state) * width + lane;
                    totals[to] += f64::from(part[from]);
                }
            }
            d[channel] += f64::from(part[4 * states * width + lane]);
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

/// What steps send back to those before them.
pub(in crate::kernels) struct Behind {
    /// The gradient of the states after the last step `[re, im][state][lane]`.
    carried: Vec<f32>,
    /// Gradients of Re a, Im a, Re c, Im c `[state][lane]`, then of d `[lane]`.
    pub sums: Vec<f32>,
}

impl Behind {
    /// Where nothing comes after.
    pub fn new(lanes: &Lanes, width: usize) -> Behind {
        Behind {
            carried: vec![0.0; 2 * lanes.states * width],
            sums: vec![0.0; 4 * lanes.states * width + width],
        }
    }
}

/// A group's sequences of x, dy and dx, of each the floats from one sequence to the next.
type Around<'a> = (
    (&'a [f32], usize),
    (&'a [f32], usize),
    (&'a mut [f32], usize),
);

impl Lanes {
    /// dx of `len` steps is written, and the sums of gradients go on, of the states before each block.
    pub(in crate::kernels) fn backward(
        &self,
        isa: Isa,
        behind: &mut Behind,
        len: usize,
        states: &[f32],
        (x, dy, dx): Around<'_>,
    ) {
        let width = width(isa);
        let size = 2 * self.states * width;
        scratch::with((3 * BLOCK + 2 * STATES * (BLOCK + 1)) * width, |work| {
            // What no sequence fills stays silent.
            work.fill(0.0);
            let (x_block, work) = work.split_at_mut(BLOCK * width);
            let (dy_block, work) = work.split_at_mut(BLOCK * width);
            let (dx_block, history) = work.split_at_mut(BLOCK * width);
            for block in (0..len.div_ceil(BLOCK)).rev() {
                let from = block * BLOCK;
                isa.run(BackwardBlock {
                    lanes: self,
                    first: &states[block * size..][..size],
                    carried: &mut behind.carried,
                    count: BLOCK.min(len - from),
                    rows: (
                        (&x.0[from..], x.1),
                        (&dy.0[from..], dy.1),
                        (&mut dx.0[from..], dx.1),
                    ),
                    x: x_block,
                    dy: dy_block,
                    dx: dx_block,
                    history,
                    sums: &mut behind.sums,
                });
            }
        });
    }
}

/// A block of steps of a group backwards.
struct BackwardBlock<'a> {
    lanes: &'a Lanes,
    /// The states before the block.
    first: &'a [f32],
    /// The gradient of the states after the block, then of those before it.
    carried: &'a mut [f32],
    /// How many.
    count: usize,
    /// The group's sequences from the first step on.
    rows: Around<'a>,
    /// The block of each, `[step][lane]`.
    x: &'a mut [f32],
    dy: &'a mut [f32],
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
        let (lanes, count) = (self.lanes, self.count);
        let size = lanes.states * S::LANES;
        gather(s, self.rows.0, lanes.sequences, count, self.x);
        gather(s, self.rows.1, lanes.sequences, count, self.dy);
        let d = s.load(&lanes.d);
        let mut sum = s.load(&self.sums[4 * size..]);
        for t in 0..count {
            let at = t * S::LANES;
            let dy = s.load(&self.dy[at..]);
            sum = s.fma(dy, s.load(&self.x[at..]), sum);
            s.store(&mut self.dx[at..], s.mul(d, dy));
        }
        s.store(&mut self.sums[4 * size..], sum);
        for state in (0..lanes.states).step_by(STATES) {
            self.again(s, state);
            self.back(s, state);
        }
        scatter(s, self.dx, lanes.sequences, count, self.rows.2);
    }
}

impl BackwardBlock<'_> {
    /// The block's states once more, into the history: entry t is the state before step t.
    #[inline(always)]
    fn again<S: Simd>(&mut self, s: S, state: usize) {
        let (size, count) = (self.lanes.states * S::LANES, self.count);
        let a_re = read(s, &self.lanes.a_re, state);
        let a_im = read(s, &self.lanes.a_im, state);
        let mut re = read(s, &self.first[..size], state);
        let mut im = read(s, &self.first[size..], state);
        for t in 0..=count {
            write(s, self.history, 2 * t * STATES, re);
            write(s, self.history, (2 * t + 1) * STATES, im);
            if t < count {
                let x = s.load(&self.x[t * S::LANES..]);
                advance(s, (&a_re, &a_im), (&mut re, &mut im), x);
            }
        }
    }

    /// Their gradients, last step first. With g the gradient of (Re s, Im s) after a step:
    /// g ← c̄·dy + ā·g of the step behind, which adds Re g to dx and g·s̄ of the step before to a.
    #[inline(always)]
    fn back<S: Simd>(&mut self, s: S, state: usize) {
        let size = self.lanes.states * S::LANES;
        let (carried_re, carried_im) = self.carried.split_at_mut(size);
        let a_re = read(s, &self.lanes.a_re, state);
        let a_im = read(s, &self.lanes.a_im, state);
        let c_re = read(s, &self.lanes.c_re, state);
        let c_im = read(s, &self.lanes.c_im, state);
        // ā·g, what the step behind sends back.
        let mut re = read(s, carried_re, state);
        let mut im = read(s, carried_im, state);
        let mut sums: [[S::V; STATES]; 4] = [[s.zero(); STATES]; 4];
        for (quantity, sums) in sums.iter_mut().enumerate() {
            *sums = read(s, &self.sums[quantity * size..], state);
        }
        for t in (0..self.count).rev() {
            let at = t * S::LANES;
            let dy = s.load(&self.dy[at..]);
            let mut dx = s.load(&self.dx[at..]);
            let before = (
                read(s, self.history, 2 * t * STATES),
                read(s, self.history, (2 * t + 1) * STATES),
            );
            let after = (
                read(s, self.history, 2 * (t + 1) * STATES),
                read(s, self.history, (2 * t + 3) * STATES),
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
        write(s, carried_re, state, re);
        write(s, carried_im, state, im);
        for (quantity, sums) in sums.into_iter().enumerate() {
            write(s, &mut self.sums[quantity * size..], state, sums);
        }
    }
}
