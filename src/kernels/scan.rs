//! A diagonal linear state space over a sequence, forward and backward.
//!
//! Per channel h with N complex states: sₜ[n] = a[h, n]·sₜ₋₁[n] + xₜ, yₜ = Σ_n Re(c[h, n]·sₜ[n]) +
//! d[h]·xₜ. (The usual input factor b is part of c, the usual factor 2 of conjugate pairs too.)
//!
//! Every (item, channel) is a sequence of its own, so vectors run over [`LANES`] sequences, and
//! [`STATES`] states at a time stay in registers for a block of time: a state's next value waits
//! for two multiply-adds, and eight such waits side by side keep the unit busy. The backward pass
//! keeps the states at the beginning of each block and computes those inside it again.
//!
//! Deterministic like [`super::conv`]; the slow form is [`super::reference::scan`].

use rayon::prelude::*;

use super::buffers::Buffer;
use super::scratch;
use crate::simd::{Isa, Kernel, Simd};

/// Sequences that are worked on together: a multiple of every instruction set's lanes.
const LANES: usize = 16;
/// States kept in registers at a time.
const STATES: usize = 4;
/// Steps per block.
const BLOCK: usize = 32;

/// A diagonal state space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// Channels of x and y.
    pub channels: usize,
    /// States per channel, N.
    pub states: usize,
}

/// Its weights.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a> {
    /// Re a `[channels, states]`; |a| < 1 for a stable recurrence.
    pub a_re: &'a [f32],
    /// Im a.
    pub a_im: &'a [f32],
    /// Re c `[channels, states]`.
    pub c_re: &'a [f32],
    /// Im c.
    pub c_im: &'a [f32],
    /// d `[channels]`.
    pub d: &'a [f32],
}

/// The gradients, shaped like what they are gradients of.
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    /// Of x, where asked for.
    pub x: Option<Vec<f32>>,
    /// Of Re a.
    pub a_re: Vec<f32>,
    /// Of Im a.
    pub a_im: Vec<f32>,
    /// Of Re c.
    pub c_re: Vec<f32>,
    /// Of Im c.
    pub c_im: Vec<f32>,
    /// Of d.
    pub d: Vec<f32>,
}

/// What a sequence leaves behind for the next, `[batch, channels, states]`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// Re s.
    pub re: Vec<f32>,
    /// Im s.
    pub im: Vec<f32>,
}

impl Scan {
    /// The state before anything was heard.
    pub fn zero_state(&self, batch: usize) -> State {
        let zeros = vec![0.0; batch * self.channels * self.states];
        State {
            re: zeros.clone(),
            im: zeros,
        }
    }

    fn padded_states(&self) -> usize {
        self.states.next_multiple_of(STATES)
    }

    /// Floats of the states of a group of sequences: real, then imaginary `[state][lane]`.
    fn states_len(&self) -> usize {
        2 * self.padded_states() * LANES
    }

    /// Blocks of `len` steps.
    fn blocks(len: usize) -> usize {
        len.div_ceil(BLOCK)
    }

    /// y `[batch, channels, len]` of x (the same shape) from `state` on, which becomes that after
    /// the last step. With `keep`, what the backward pass needs is returned, else an empty buffer.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    #[allow(clippy::too_many_arguments)]
    pub fn forward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &Weights<'_>,
        state: &mut State,
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

    /// The gradients for dy `[batch, channels, len]`; that of x only if `want_x`. The state the
    /// sequence began with counts as constant.
    ///
    /// # Panics
    /// A slice's length does not fit the shape, or `kept` is not this input's.
    #[allow(clippy::too_many_arguments)]
    pub fn backward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &Weights<'_>,
        kept: &[f32],
        dy: &[f32],
        want_x: bool,
    ) -> Gradients {
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
    fn gradients(&self, parts: &[Vec<f32>], sequences: usize, x: Option<Vec<f32>>) -> Gradients {
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
        Gradients {
            x,
            a_re: quantity(0),
            a_im: quantity(1),
            c_re: quantity(2),
            c_im: quantity(3),
            d: single(&d),
        }
    }

    /// States `[sequence][state]` of a group as `[re, im][state][lane]`.
    fn interleave(&self, re: &[f32], im: &[f32]) -> Vec<f32> {
        let mut lanes = vec![0.0; self.states_len()];
        let (to_re, to_im) = lanes.split_at_mut(self.padded_states() * LANES);
        for (from, to) in [(re, to_re), (im, to_im)] {
            for (at, &value) in from.iter().enumerate() {
                to[at % self.states * LANES + at / self.states] = value;
            }
        }
        lanes
    }

    /// The way back.
    fn separate(&self, lanes: &[f32], re: &mut [f32], im: &mut [f32]) {
        let (from_re, from_im) = lanes.split_at(self.padded_states() * LANES);
        for (from, to) in [(from_re, re), (from_im, im)] {
            for (at, value) in to.iter_mut().enumerate() {
                *value = from[at % self.states * LANES + at / self.states];
            }
        }
    }
}

/// Steps from..from + count of each sequence as `[step][lane]`; lanes without a sequence get 0.
fn gather(
    rows: &[f32],
    len: usize,
    sequences: usize,
    from: usize,
    count: usize,
    block: &mut [f32],
) {
    block[..count * LANES].fill(0.0);
    for lane in 0..sequences {
        for (step, &value) in rows[lane * len + from..][..count].iter().enumerate() {
            block[step * LANES + lane] = value;
        }
    }
}

/// The way back.
fn scatter(
    block: &[f32],
    len: usize,
    sequences: usize,
    from: usize,
    count: usize,
    rows: &mut [f32],
) {
    for lane in 0..sequences {
        for (step, value) in rows[lane * len + from..][..count].iter_mut().enumerate() {
            *value = block[step * LANES + lane];
        }
    }
}

/// A group's weights, each `[state][lane]`, zero where there is no sequence or state.
struct Lanes {
    /// Sequences in the group.
    sequences: usize,
    /// States, padded.
    states: usize,
    a_re: Vec<f32>,
    a_im: Vec<f32>,
    c_re: Vec<f32>,
    c_im: Vec<f32>,
    d: Vec<f32>,
}

impl Lanes {
    fn new(scan: &Scan, weights: &Weights<'_>, group: usize, sequences: usize) -> Lanes {
        let first = group * LANES;
        let here = LANES.min(sequences - first);
        let states = scan.padded_states();
        let spread = |values: &[f32]| {
            assert_eq!(values.len(), scan.channels * scan.states);
            let mut lanes = vec![0.0; states * LANES];
            for lane in 0..here {
                let channel = (first + lane) % scan.channels;
                for state in 0..scan.states {
                    lanes[state * LANES + lane] = values[channel * scan.states + state];
                }
            }
            lanes
        };
        assert_eq!(weights.d.len(), scan.channels);
        Lanes {
            sequences: here,
            states,
            a_re: spread(weights.a_re),
            a_im: spread(weights.a_im),
            c_re: spread(weights.c_re),
            c_im: spread(weights.c_im),
            d: (0..LANES)
                .map(|lane| match lane < here {
                    true => weights.d[(first + lane) % scan.channels],
                    false => 0.0,
                })
                .collect(),
        }
    }

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

/// A block of steps of a group.
struct ForwardBlock<'a> {
    lanes: &'a Lanes,
    /// Before the block, then after it.
    states: &'a mut [f32],
    count: usize,
    x: &'a [f32],
    y: &'a mut [f32],
}

/// `STATES` registers from `[state][lane]` values, states from `state` on, lanes from `lane` on.
#[inline(always)]
fn read<S: Simd>(s: S, values: &[f32], state: usize, lane: usize) -> [S::V; STATES] {
    let mut registers = [s.zero(); STATES];
    for (n, register) in registers.iter_mut().enumerate() {
        *register = s.load(&values[(state + n) * LANES + lane..]);
    }
    registers
}

/// Writes them back.
#[inline(always)]
fn write<S: Simd>(s: S, values: &mut [f32], state: usize, lane: usize, registers: [S::V; STATES]) {
    for (n, register) in registers.into_iter().enumerate() {
        s.store(&mut values[(state + n) * LANES + lane..], register);
    }
}

/// One step of `STATES` states: s ← a·s + x.
#[inline(always)]
fn advance<S: Simd>(
    s: S,
    (a_re, a_im): (&[S::V; STATES], &[S::V; STATES]),
    (re, im): (&mut [S::V; STATES], &mut [S::V; STATES]),
    x: S::V,
) {
    for n in 0..STATES {
        let next_re = s.fma(a_re[n], re[n], s.fnma(a_im[n], im[n], x));
        im[n] = s.fma(a_re[n], im[n], s.mul(a_im[n], re[n]));
        re[n] = next_re;
    }
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
