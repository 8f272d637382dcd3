//! Recurrent sequences, LSTM and GRU: all time steps in one operator, forward and backward.
//!
//! With x′ = (x, 1), h′ = (h, 1) and σ the logistic sigmoid:
//!
//! - LSTM: (i, f, g, o) = W x′ₜ + U hₜ₋₁ (+ b in W), i, f, o through σ and g through tanh;
//!   cₜ = f·cₜ₋₁ + i·g; hₜ = o·tanh cₜ.
//! - GRU: (r, z, n) of x: W x′ₜ, of h: U h′ₜ₋₁; r, z = σ(of both); n = tanh(nₓ + r·nₕ);
//!   hₜ = (1 − z)·n + z·hₜ₋₁. The reset gate acts after U, as in PyTorch and RTNeural.
//!
//! A step cannot begin before the last has ended, so there is no time to work on at once: vectors
//! run over the units, and [`ITEMS`](super::columns::ITEMS) items of the batch share each weight
//! loaded. The sums into all gates of a vector of units are made in registers and go through the
//! cell there. Items are independent: a group of them is one task and goes through all of time.
//!
//! The backward pass (through the whole of the sequence it was given; truncation is the caller's,
//! who hands over the state without its history) works block by block, the last first. y holds h at
//! every step, so no gate has to be remembered: all sums of a block can be worked out again without
//! one step waiting for another, and with them everything of a step back but a handful of
//! multiplications (see [`super::cells`]). Kept are only h before the first step and an LSTM's c
//! before each block. The form before this one kept gates, h and c, on an LSTM of 32 units with a
//! batch of 40 × 2048 73 MB to be written and read again, where this adds a third to the
//! multiply-adds; that form, which also went through memory between products and cells, took 1.7
//! times as long on two cores. What is left of memory is x, y and dy. Their rows lie a whole
//! sequence apart, so they are turned over in registers and asked for ahead of time (see
//! [`super::turn`]; asking took a fifth off the forward pass).
//!
//! Deterministic like [`super::conv`]; the slow form is [`super::reference::recurrent`].

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::buffers::Buffer;
use super::cells::{Gru, Lstm, MOST_FACTORS, Recurrence};
use super::columns::{
    BackWeights, GateWeights, ITEMS, Multiply, OuterProducts, SUMS, each_group, items_at_once,
};
use super::conv::add_parts;
use super::scratch::{self, LINE};
use super::turn::{Ahead, turn, turn_far};
use crate::simd::{Isa, Kernel, Simd};

/// Which recurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Long short-term memory, gates in the order i, f, g, o.
    Lstm,
    /// Gated recurrent unit, gates in the order r, z, n.
    Gru,
}

/// A recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recurrent {
    /// The recurrence.
    pub cell: Cell,
    /// Channels of x.
    pub input_size: usize,
    /// Units.
    pub hidden_size: usize,
}

/// Its weights.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a> {
    /// W `[gates · hidden_size, input_size]`.
    pub input: &'a [f32],
    /// U `[gates · hidden_size, hidden_size]`.
    pub hidden: &'a [f32],
    /// LSTM: b `[4 · hidden_size]`, the sum of both biases where a format has two. GRU: of W and
    /// of U `[2, 3 · hidden_size]`.
    pub bias: &'a [f32],
}

/// The gradients of the weights and, where asked for, of x.
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    /// `[batch, input_size, len]`.
    pub x: Option<Vec<f32>>,
    /// Of W.
    pub input: Vec<f32>,
    /// Of U.
    pub hidden: Vec<f32>,
    /// Of the biases.
    pub bias: Vec<f32>,
}

/// What a sequence leaves behind for the next, row-major `[batch, hidden_size]`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// h.
    pub hidden: Vec<f32>,
    /// c; empty for a GRU.
    pub cell: Vec<f32>,
}

/// Steps that are worked on at once where their order does not matter: a few cache lines of each row
/// of y, and little enough to stay in the second-level cache (130 kB per 16 units of an LSTM).
const BLOCK: usize = 64;

impl Recurrent {
    /// Gates of the cell.
    pub fn gates(&self) -> usize {
        match self.cell {
            Cell::Lstm => 4,
            Cell::Gru => 3,
        }
    }

    /// Numbers in the bias.
    pub fn biases(&self) -> usize {
        match self.cell {
            Cell::Lstm => 4 * self.hidden_size,
            Cell::Gru => 6 * self.hidden_size,
        }
    }

    /// The state before anything was heard.
    pub fn zero_state(&self, batch: usize) -> State {
        State {
            hidden: vec![0.0; batch * self.hidden_size],
            cell: match self.cell {
                Cell::Lstm => vec![0.0; batch * self.hidden_size],
                Cell::Gru => Vec::new(),
            },
        }
    }

    /// Multiply-adds of a forward pass over one item of `len` steps.
    pub fn multiply_adds(&self, len: usize) -> u64 {
        (self.gates() * self.hidden_size * (self.input_size + self.hidden_size) * len) as u64
    }

    /// y `[batch, hidden_size, len]` (h at every step) of x `[batch, input_size, len]` from
    /// `state` on, which becomes that after the last step. With `keep`, what the backward pass
    /// needs besides x and y comes with it, else an empty buffer.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    pub fn forward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &Weights<'_>,
        state: &mut State,
        keep: bool,
    ) -> (Vec<f32>, Buffer) {
        // Not filled with zeros first: of 10 MB they take one thread a millisecond.
        let len = x.len() / self.input_size.max(1) * self.hidden_size;
        let mut y = Vec::with_capacity(len);
        let room = &mut y.spare_capacity_mut()[..len];
        let kept = self.forward_to(isa, batch, x, weights, state, room, keep);
        // SAFETY: that many fit, and all of them have been written.
        unsafe { y.set_len(len) };
        (y, kept)
    }

    /// [`Recurrent::forward`]; writes every number of y and reads none.
    #[allow(clippy::too_many_arguments)]
    fn forward_to(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &Weights<'_>,
        state: &mut State,
        y: &mut [MaybeUninit<f32>],
        keep: bool,
    ) -> Buffer {
        let pass = Pass::new(self, weights);
        let (ins, hidden) = (self.input_size, self.hidden_size);
        let len = x.len() / (batch * ins).max(1);
        assert_eq!(x.len(), batch * ins * len);
        assert_eq!(y.len(), batch * hidden * len);
        assert_eq!(state.hidden.len(), batch * hidden);
        assert!(self.cell == Cell::Gru || state.cell.len() == batch * hidden);
        let size = pass.kept_len(len);
        let mut kept = Buffer::new(if keep {
            batch.div_ceil(ITEMS) * size
        } else {
            0
        });
        let mut pieces: Vec<&mut [f32]> = match keep {
            true => kept.chunks_exact_mut(size).collect(),
            false => (0..batch.div_ceil(ITEMS))
                .map(|_| Default::default())
                .collect(),
        };
        let no_cells = self.cell == Cell::Gru;
        let mut cells = std::mem::take(&mut state.cell);
        cells.resize(batch * hidden, 0.0);
        y.par_chunks_mut((ITEMS * hidden * len).max(1))
            .zip(x.par_chunks((ITEMS * ins * len).max(1)))
            .zip(state.hidden.par_chunks_mut(ITEMS * hidden))
            .zip(cells.par_chunks_mut(ITEMS * hidden))
            .zip(pieces.par_iter_mut())
            .for_each(|((((y, x), h), c), kept)| {
                scratch::with(pass.forward_sizes().iter().sum(), |work| {
                    isa.run(ForwardTask {
                        pass: &pass,
                        len,
                        items: h.len() / hidden,
                        x,
                        h,
                        c,
                        y,
                        kept,
                        work,
                    });
                });
            });
        drop(pieces);
        if !no_cells {
            state.cell = cells;
        }
        kept
    }

    /// The gradients for dy `[batch, hidden_size, len]`; that of x only if `want_x`. `y` and `kept`
    /// are what [`Recurrent::forward`] gave for this x and these weights. The state the sequence
    /// began with counts as constant.
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
        y: &[f32],
        kept: &[f32],
        dy: &[f32],
        want_x: bool,
    ) -> Gradients {
        let pass = Pass::new(self, weights);
        let (ins, hidden) = (self.input_size, self.hidden_size);
        let len = x.len() / (batch * ins).max(1);
        assert_eq!(y.len(), batch * hidden * len);
        assert_eq!(dy.len(), batch * hidden * len);
        let size = pass.kept_len(len);
        assert_eq!(kept.len(), batch.div_ceil(ITEMS) * size);
        let mut dx = vec![0.0; if want_x { x.len() } else { 0 }];
        // Without dx every task gets an empty piece of it.
        let mut inputs: Vec<&mut [f32]> = match want_x {
            true => dx.chunks_mut((ITEMS * ins * len).max(1)).collect(),
            false => (0..batch.div_ceil(ITEMS))
                .map(|_| Default::default())
                .collect(),
        };
        let parts: Vec<Vec<f32>> = inputs
            .par_iter_mut()
            .zip(dy.par_chunks((ITEMS * hidden * len).max(1)))
            .zip(y.par_chunks((ITEMS * hidden * len).max(1)))
            .zip(x.par_chunks((ITEMS * ins * len).max(1)))
            .zip(kept.par_chunks_exact(size))
            .map(|((((dx, dy), y), x), kept)| {
                // Outside the kernel: what a closure does is not compiled for the instruction set.
                scratch::with(pass.backward_sizes().iter().sum(), |work| {
                    isa.run(BackwardTask {
                        pass: &pass,
                        len,
                        items: dy.len() / (hidden * len).max(1),
                        x,
                        y,
                        kept,
                        dy,
                        dx,
                        work,
                    });
                    work[..pass.sums_len()].to_vec()
                })
            })
            .collect();
        let mut total = vec![0.0; pass.sums_len()];
        add_parts(&parts, &mut total);
        let mut gradients = pass.gradients(&total);
        gradients.x = want_x.then_some(dx);
        gradients
    }
}

/// The weights as the products read them, and the lengths that follow from the shape.
struct Pass {
    shape: Recurrent,
    /// From x and h to the gates.
    gates: GateWeights,
    /// From the gates' gradients to h.
    hidden_back: BackWeights,
    /// From the gates' gradients to x.
    input_back: BackWeights,
}

impl Pass {
    fn new(shape: &Recurrent, weights: &Weights<'_>) -> Pass {
        let (ins, units, gates) = (shape.input_size, shape.hidden_size, shape.gates());
        assert_eq!(weights.input.len(), gates * units * ins);
        assert_eq!(weights.hidden.len(), gates * units * units);
        assert_eq!(weights.bias.len(), shape.biases());
        let input =
            |gate, unit, j| weights.input[(shape.input_gate(gate) * units + unit) * ins + j];
        let hidden = |gate, unit, j| weights.hidden[(gate * units + unit) * units + j];
        let bias = |sum: usize, unit: usize| {
            let of_input = |gate: usize| weights.bias[shape.input_gate(gate) * units + unit];
            let of_hidden = |gate: usize| weights.bias[(gates + gate) * units + unit];
            match (shape.cell, sum) {
                (Cell::Lstm, _) | (Cell::Gru, 0) => of_input(sum),
                (Cell::Gru, 3) => of_hidden(2),
                (Cell::Gru, _) => of_input(sum) + of_hidden(sum - 1),
            }
        };
        Pass {
            shape: *shape,
            gates: GateWeights::new(
                [ins, units, gates],
                |sum, unit| shape.scale(sum) * bias(sum, unit),
                |tap, gate, unit| match tap.checked_sub(ins) {
                    None => shape.scale(gate) * input(gate, unit, tap),
                    Some(j) => shape.scale(SUMS - gates + gate) * hidden(gate, unit, j),
                },
            ),
            hidden_back: BackWeights::new([units, gates, units], hidden),
            input_back: BackWeights::new([units, gates, ins], input),
        }
    }

    /// Lines of units.
    fn lines(&self) -> usize {
        self.shape.hidden_size.div_ceil(LINE)
    }

    /// Floats of h or c of an item.
    fn width(&self) -> usize {
        self.lines() * LINE
    }

    /// Floats of a line of a step's factors.
    fn pitch(&self) -> usize {
        LINE * match self.shape.cell {
            Cell::Lstm => Lstm::FACTORS,
            Cell::Gru => Gru::FACTORS,
        }
    }

    /// Floats of an item's factors at a step.
    fn record(&self) -> usize {
        self.lines() * self.pitch()
    }

    /// Floats that a task of `len` steps keeps `[..][item][width]`: h before the first step, and
    /// an LSTM's c before each block.
    fn kept_len(&self, len: usize) -> usize {
        let cells = match self.shape.cell {
            Cell::Lstm => len.div_ceil(BLOCK),
            Cell::Gru => 0,
        };
        (1 + cells) * ITEMS * self.width()
    }

    /// Floats of a forward task's memory: h before and after a block's steps, c, x, some rows of y.
    fn forward_sizes(&self) -> [usize; 4] {
        let state = ITEMS * self.width();
        [
            (BLOCK + 1) * state,
            state,
            ITEMS * BLOCK * self.shape.input_size,
            LINE * BLOCK,
        ]
    }

    /// Floats of the weights' gradients as they are summed `[line][tap][gate][LINE]`: of x′ for
    /// all sums, then of h for its gates.
    fn sums_len(&self) -> usize {
        self.lines() * self.sums_pitch()
    }

    fn sums_pitch(&self) -> usize {
        let shape = &self.shape;
        LINE * (SUMS * (shape.input_size + 1) + shape.gates() * shape.hidden_size)
    }

    /// The summed gradients in the weights' own order.
    fn gradients(&self, sums: &[f32]) -> Gradients {
        let shape = &self.shape;
        let (ins, units, gates) = (shape.input_size, shape.hidden_size, shape.gates());
        let line = |unit: usize| unit / LINE * self.sums_pitch() + unit % LINE;
        let of_input =
            |sum: usize, unit: usize, j: usize| sums[line(unit) + (j * SUMS + sum) * LINE];
        let of_hidden = |gate: usize, unit: usize, j: usize| {
            sums[line(unit) + (SUMS * (ins + 1) + j * gates + gate) * LINE]
        };
        let mut gradients = Gradients {
            x: None,
            input: vec![0.0; gates * units * ins],
            hidden: vec![0.0; gates * units * units],
            bias: vec![0.0; shape.biases()],
        };
        for (gate, unit) in (0..gates).flat_map(|gate| (0..units).map(move |unit| (gate, unit))) {
            let row = shape.input_gate(gate) * units + unit;
            for j in 0..ins {
                gradients.input[row * ins + j] = of_input(gate, unit, j);
            }
            gradients.bias[row] = of_input(gate, unit, ins);
            let row = gate * units + unit;
            for j in 0..units {
                gradients.hidden[row * units + j] = of_hidden(gate, unit, j);
            }
            if shape.cell == Cell::Gru {
                gradients.bias[gates * units + row] = of_input(SUMS - gates + gate, unit, ins);
            }
        }
        gradients
    }

    /// Fills `block` with x `[step][item][stride]` of the steps from..from + count.
    #[inline(always)]
    fn gather_input<S: Simd>(
        &self,
        s: S,
        x: &[f32],
        (len, items): (usize, usize),
        (from, count): (usize, usize),
        block: &mut [f32],
        stride: usize,
    ) {
        let ins = self.shape.input_size;
        assert!(x.len() >= items * ins * len && from + count <= len && stride >= ins);
        assert!(block.len() >= count * items * stride);
        for item in 0..items {
            let from = x[item * ins * len..].as_ptr().wrapping_add(from);
            let to = block[item * stride..].as_mut_ptr();
            // SAFETY: an item's rows and its place in each step lie within the lengths asserted.
            unsafe { turn(s, (ins, count), (from, len), (to, items * stride)) }
        }
    }
}

impl Recurrent {
    /// Which of its gates x's gate `gate` is in the order of the sums; those of h are in their own.
    fn input_gate(&self, gate: usize) -> usize {
        match self.cell {
            Cell::Lstm => gate,
            Cell::Gru => (gate + 2) % 3,
        }
    }

    /// What the weights of a sum are multiplied by: those of sigmoids are halved.
    fn scale(&self, sum: usize) -> f32 {
        match (self.cell, sum) {
            (Cell::Lstm, 2) | (Cell::Gru, 0 | 3) => 1.0,
            _ => 0.5,
        }
    }
}

/// A group of items through all of time.
struct ForwardTask<'a> {
    pass: &'a Pass,
    len: usize,
    items: usize,
    x: &'a [f32],
    h: &'a mut [f32],
    c: &'a mut [f32],
    /// Every number is written, none read.
    y: &'a mut [MaybeUninit<f32>],
    /// As long as [`Pass::kept_len`], or empty.
    kept: &'a mut [f32],
    /// As long as [`Pass::forward_sizes`] together.
    work: &'a mut [f32],
}

impl Kernel for ForwardTask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.pass.shape.cell {
            Cell::Lstm => self.all_steps::<S, Lstm>(s),
            Cell::Gru => self.all_steps::<S, Gru>(s),
        }
    }
}

impl ForwardTask<'_> {
    #[inline(always)]
    fn all_steps<S: Simd, C: Recurrence>(self, s: S) {
        let (pass, items, width) = (self.pass, self.items, self.pass.width());
        let units = pass.shape.hidden_size;
        let sizes = pass.forward_sizes();
        let state = items * width;
        let (h, work) = self.work.split_at_mut(sizes[0]);
        let (c, work) = work.split_at_mut(sizes[1]);
        let (x, rows) = work.split_at_mut(sizes[2]);
        h[..state].fill(0.0);
        c.fill(0.0);
        for item in 0..items {
            h[item * width..][..units].copy_from_slice(&self.h[item * units..][..units]);
            c[item * width..][..units].copy_from_slice(&self.c[item * units..][..units]);
        }
        if let Some(first) = self.kept.get_mut(..state) {
            first.copy_from_slice(&h[..state]);
        }
        for from in (0..self.len).step_by(BLOCK) {
            let count = BLOCK.min(self.len - from);
            if C::HAS_CELL && !self.kept.is_empty() {
                self.kept[(1 + from / BLOCK) * state..][..state].copy_from_slice(&c[..state]);
            }
            let sizes = (self.len, items);
            pass.gather_input(s, self.x, sizes, (from, count), x, pass.shape.input_size);
            Steps {
                pass,
                items,
                count,
                x,
                h,
                c,
                y: Ahead {
                    // Of the first line a part was written with the block before.
                    from: self.y.as_ptr().wrapping_add(from + LINE - 1).cast(),
                    stride: self.len,
                    rows: items * units,
                    lines: count.div_ceil(LINE),
                },
            }
            .run_all::<S, C>(s);
            let (y, after) = (&mut *self.y, &h[state..]);
            assert!(y.len() >= items * units * self.len && after.len() >= count * state);
            for item in 0..items {
                let to = y[item * units * self.len + from..].as_mut_ptr().cast();
                // SAFETY: y holds the item's rows, h the states after `count` steps.
                unsafe {
                    let after = after[item * width..].as_ptr();
                    turn_far(s, (count, units), (after, state), (to, self.len), rows);
                }
            }
            h.copy_within(count * state..(count + 1) * state, 0);
        }
        for item in 0..items {
            self.h[item * units..][..units].copy_from_slice(&h[item * width..][..units]);
            self.c[item * units..][..units].copy_from_slice(&c[item * width..][..units]);
        }
    }
}

/// A block of steps forward.
struct Steps<'a> {
    pass: &'a Pass,
    items: usize,
    count: usize,
    /// `[step][item][input]`.
    x: &'a [f32],
    /// Before the first step and after each, `[1 + step][item][width]`.
    h: &'a mut [f32],
    /// `[item][width]`.
    c: &'a mut [f32],
    /// Where h goes after the block.
    y: Ahead,
}

impl Steps<'_> {
    #[inline(always)]
    fn run_all<S: Simd, C: Recurrence>(self, s: S) {
        let Steps {
            pass, items, count, ..
        } = self;
        let (ins, units, width) = (pass.shape.input_size, pass.shape.hidden_size, pass.width());
        assert!(self.x.len() >= count * items * ins);
        assert!(self.h.len() >= (count + 1) * items * width);
        assert!(self.c.len() >= items * width);
        let (x, h, c) = (self.x.as_ptr(), self.h.as_mut_ptr(), self.c.as_mut_ptr());
        let mut y = self.y.in_portions(count * units.div_ceil(S::LANES));
        for t in 0..count {
            for u in (0..units).step_by(S::LANES) {
                y.bring::<S, true>(s);
                each_group!(items_at_once::<S>(), items, |first, G| {
                    // SAFETY: items `first..first + G` of step t lie within the lengths asserted,
                    // and unit u's vector within the width.
                    unsafe {
                        let x = x.add((t * items + first) * ins);
                        let before = h.add((t * items + first) * width);
                        let (after, c) = (before.add(items * width + u), c.add(first * width + u));
                        let sums: [[_; G]; SUMS] =
                            C::sums(s, &pass.gates, u, (x, ins), (before, width));
                        let hidden: [_; G] = load_each(s, before.add(u), width);
                        let cell: [_; G] = load_each(s, c, width);
                        let (hidden, cell) = C::step::<S, G>(s, sums, hidden, cell);
                        for g in 0..G {
                            s.store_ptr(after.add(g * width), hidden[g]);
                            if C::HAS_CELL {
                                s.store_ptr(c.add(g * width), cell[g]);
                            }
                        }
                    }
                });
            }
        }
    }
}

/// `G` vectors, every `stride` floats.
///
/// # Safety
/// They can be read.
#[inline(always)]
unsafe fn load_each<S: Simd, const G: usize>(s: S, from: *const f32, stride: usize) -> [S::V; G] {
    let mut values = [s.zero(); G];
    for (g, value) in values.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *value = unsafe { s.load_ptr(from.add(g * stride)) };
    }
    values
}

/// A group of items back through all of time.
struct BackwardTask<'a> {
    pass: &'a Pass,
    len: usize,
    items: usize,
    x: &'a [f32],
    y: &'a [f32],
    kept: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
    /// As long as [`Pass::backward_sizes`] together; ends with the weights' gradients in front.
    work: &'a mut [f32],
}

/// Working memory of a backward task.
struct BackwardWork<'a> {
    /// The weights' gradients.
    sums: &'a mut [f32],
    /// x′ of the block's steps and items, or their dx.
    x: &'a mut [f32],
    /// h before each step.
    h: &'a mut [f32],
    /// The factors of each step, and then the gradients of its sums in their place.
    factors: &'a mut [f32],
    /// The gradient of h before the block's first step and after each.
    dh: &'a mut [f32],
    /// The gradient of c after the step at hand.
    dc: &'a mut [f32],
    /// What of the gradient of h the steps after the block send back.
    carry: &'a mut [f32],
}

impl Pass {
    /// Lengths of the fields of [`BackwardWork`].
    fn backward_sizes(&self) -> [usize; 7] {
        let (rows, width) = (ITEMS * BLOCK, self.width());
        [
            self.sums_len(),
            scratch::padded(rows * scratch::padded(self.shape.input_size + 1)),
            rows * width,
            rows * self.record(),
            (rows + ITEMS) * width,
            ITEMS * width,
            ITEMS * width,
        ]
    }
}

impl Kernel for BackwardTask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let sizes = self.pass.backward_sizes();
        let work = std::mem::take(&mut self.work);
        // Padding is summed too: it must be numbers.
        work.fill(0.0);
        let (sums, work) = work.split_at_mut(sizes[0]);
        let (x, work) = work.split_at_mut(sizes[1]);
        let (h, work) = work.split_at_mut(sizes[2]);
        let (factors, work) = work.split_at_mut(sizes[3]);
        let (dh, work) = work.split_at_mut(sizes[4]);
        let (dc, carry) = work.split_at_mut(sizes[5]);
        let mut work = BackwardWork {
            sums,
            x,
            h,
            factors,
            dh,
            dc,
            carry,
        };
        let mut to = self.len;
        while to > 0 {
            let from = (to - 1) / BLOCK * BLOCK;
            match self.pass.shape.cell {
                Cell::Lstm => self.block::<S, Lstm>(s, (from, to - from), &mut work),
                Cell::Gru => self.block::<S, Gru>(s, (from, to - from), &mut work),
            }
            to = from;
        }
    }
}

impl BackwardTask<'_> {
    /// Steps from..from + count.
    #[inline(always)]
    fn block<S: Simd, C: Recurrence>(
        &mut self,
        s: S,
        (from, count): (usize, usize),
        work: &mut BackwardWork<'_>,
    ) {
        self.gather(s, (from, count), work);
        self.factors::<S, C>(s, (from, count), work);
        self.steps::<S, C>(s, (from, count), work);
        self.weight_gradients::<S, C>(s, count, work);
        if !self.dx.is_empty() {
            self.input_gradient::<S, C>(s, (from, count), work);
        }
    }

    /// x′, h and dy of a block, the steps' units side by side.
    #[inline(always)]
    fn gather<S: Simd>(&self, s: S, (from, count): (usize, usize), work: &mut BackwardWork<'_>) {
        let (pass, items, len) = (self.pass, self.items, self.len);
        let (ins, units, width) = (pass.shape.input_size, pass.shape.hidden_size, pass.width());
        let state = items * width;
        pass.gather_input(s, self.x, (len, items), (from, count), work.x, ins + 1);
        for row in work.x.chunks_exact_mut(ins + 1).take(count * items) {
            row[ins] = 1.0;
        }
        // Before the first step of all h is the state kept.
        let known = match from {
            0 => {
                work.h[..state].copy_from_slice(&self.kept[..state]);
                1
            }
            _ => 0,
        };
        let (to_h, to_dh) = (&mut work.h[known * state..], &mut work.dh[state..]);
        assert!(to_h.len() >= (count - known) * state && to_dh.len() >= count * state);
        assert!(self.y.len() >= items * units * len && self.dy.len() >= items * units * len);
        for item in 0..items {
            let first = item * units * len + from;
            let y = self.y.as_ptr().wrapping_add(first + known).wrapping_sub(1);
            let dy = self.dy.as_ptr().wrapping_add(first);
            let (h, dh) = (
                to_h[item * width..].as_mut_ptr(),
                to_dh[item * width..].as_mut_ptr(),
            );
            // SAFETY: an item's rows and its place in each step lie within the lengths asserted.
            unsafe {
                turn(s, (units, count - known), (y, len), (h, state));
                turn(s, (units, count), (dy, len), (dh, state));
            }
        }
        // What the steps after the block send back.
        work.dh[..state].fill(0.0);
        let last = &mut work.dh[count * state..][..state];
        for (dh, carry) in last.iter_mut().zip(&*work.carry) {
            *dh += carry;
        }
    }

    /// Where the block before that from `from` on lies in y or dy.
    #[inline(always)]
    fn next(&self, rows: &[f32], from: usize) -> Ahead {
        Ahead {
            from: rows.as_ptr().wrapping_add(from).wrapping_sub(BLOCK),
            stride: self.len,
            rows: self.items * self.pass.shape.hidden_size,
            lines: BLOCK / LINE,
        }
    }

    /// The factors of every step of a block: what the steps do not have to wait for each other
    /// for, but for an LSTM's c.
    #[inline(always)]
    fn factors<S: Simd, C: Recurrence>(
        &self,
        s: S,
        (from, count): (usize, usize),
        work: &mut BackwardWork<'_>,
    ) {
        let (pass, items) = (self.pass, self.items);
        let (units, width, taps) = (
            pass.shape.hidden_size,
            pass.width(),
            pass.shape.input_size + 1,
        );
        let (pitch, record) = (pass.pitch(), pass.record());
        let cells = match C::HAS_CELL {
            true => &self.kept[(1 + from / BLOCK) * items * width..][..items * width],
            false => &self.kept[..items * width],
        };
        assert!(work.x.len() >= count * items * taps && work.h.len() >= count * items * width);
        assert!(work.factors.len() >= count * items * record && pitch >= C::FACTORS * LINE);
        let (x, h) = (work.x.as_ptr(), work.h.as_ptr());
        let factors = work.factors.as_mut_ptr();
        let portions = count * units.div_ceil(S::LANES);
        let mut next = self.next(self.y, from).in_portions(portions);
        for u in (0..units).step_by(S::LANES) {
            let at = u / LINE * pitch + u % LINE;
            each_group!(items_at_once::<S>(), items, |first, G| {
                // SAFETY: items `first..first + G` of each step lie within the lengths asserted,
                // unit u's vector within the width and its factors within the record.
                unsafe {
                    let mut c: [_; G] = load_each(s, cells.as_ptr().add(first * width + u), width);
                    for t in 0..count {
                        if first == 0 {
                            next.bring::<S, false>(s);
                        }
                        let row = t * items + first;
                        let (x, h) = (x.add(row * taps), h.add(row * width));
                        let sums: [[_; G]; SUMS] =
                            C::sums(s, &pass.gates, u, (x, taps), (h, width));
                        let before: [_; G] = load_each(s, h.add(u), width);
                        let (values, after) = C::factors(s, sums, before, c);
                        c = after;
                        for (g, values) in values.into_iter().enumerate() {
                            let to = factors.add((row + g) * record + at);
                            for (at, value) in values.into_iter().enumerate().take(C::FACTORS) {
                                s.store_ptr(to.add(at * LINE), value);
                            }
                        }
                    }
                }
            });
        }
    }

    /// The steps of a block one after the other, from the last to the first.
    #[inline(always)]
    fn steps<S: Simd, C: Recurrence>(
        &self,
        s: S,
        (from, count): (usize, usize),
        work: &mut BackwardWork<'_>,
    ) {
        let (pass, items) = (self.pass, self.items);
        let (width, record) = (pass.width(), pass.record());
        let state = items * width;
        let mut next = self.next(self.dy, from).in_portions(count * items);
        for t in (0..count).rev() {
            let (before, after) = work.dh.split_at_mut((t + 1) * state);
            let (before, factors) = (
                &mut before[t * state..],
                &mut work.factors[t * items * record..],
            );
            for item in 0..items {
                next.bring::<S, false>(s);
                let row = item * width..(item + 1) * width;
                self.step::<S, C>(
                    s,
                    &mut factors[item * record..][..record],
                    &after[row.clone()],
                    &mut before[row.clone()],
                    &mut work.dc[row],
                );
            }
            s.call(&mut Multiply {
                weights: &pass.hidden_back,
                input: &factors[(SUMS - C::GATES) * LINE..],
                pitch: pass.pitch(),
                input_stride: record,
                output: before,
                rows: items,
                add: true,
            });
        }
        work.carry[..state].copy_from_slice(&work.dh[..state]);
    }

    /// An item's step, from the gradients after it to those of its sums, and of c before it.
    #[inline(always)]
    fn step<S: Simd, C: Recurrence>(
        &self,
        s: S,
        factors: &mut [f32],
        after: &[f32],
        before: &mut [f32],
        dc: &mut [f32],
    ) {
        let (units, width, pitch) = (
            self.pass.shape.hidden_size,
            self.pass.width(),
            self.pass.pitch(),
        );
        assert!(factors.len() >= width / LINE * pitch && pitch >= C::FACTORS * LINE);
        assert!(after.len() >= width && before.len() >= width && dc.len() >= width);
        for u in (0..units).step_by(S::LANES) {
            // SAFETY: unit u's vector lies within the width, its factors within their line.
            unsafe {
                let place = factors.as_mut_ptr().add(u / LINE * pitch + u % LINE);
                let mut values = [s.zero(); MOST_FACTORS];
                for (at, value) in values.iter_mut().enumerate().take(C::FACTORS) {
                    *value = s.load_ptr(place.add(at * LINE));
                }
                let dh = s.load_ptr(after.as_ptr().add(u));
                let dc = dc.as_mut_ptr().add(u);
                let (of_sums, on) = C::back(s, values, dh, s.load_ptr(dc));
                for (at, of_sum) in of_sums.into_iter().enumerate() {
                    s.store_ptr(place.add(at * LINE), of_sum);
                }
                if C::HAS_CELL {
                    s.store_ptr(dc, on);
                } else {
                    let before = before.as_mut_ptr().add(u);
                    s.store_ptr(before, s.add(s.load_ptr(before), on));
                }
            }
        }
    }

    /// Adds a block's share to the weights' gradients.
    #[inline(always)]
    fn weight_gradients<S: Simd, C: Recurrence>(
        &self,
        s: S,
        count: usize,
        work: &mut BackwardWork<'_>,
    ) {
        let pass = self.pass;
        let taps = pass.shape.input_size + 1;
        let (record, rows) = (pass.record(), count * self.items);
        for line in 0..pass.lines() {
            let of_sums = &work.factors[line * pass.pitch()..];
            let sums = &mut work.sums[line * pass.sums_pitch()..][..pass.sums_pitch()];
            let (of_input, of_hidden) = sums.split_at_mut(SUMS * taps * LINE);
            s.call(&mut OuterProducts {
                a: work.x,
                a_stride: taps,
                taps,
                b: of_sums,
                b_stride: record,
                gates: SUMS,
                count: rows,
                sums: of_input,
            });
            s.call(&mut OuterProducts {
                a: work.h,
                a_stride: pass.width(),
                taps: pass.shape.hidden_size,
                b: &of_sums[(SUMS - C::GATES) * LINE..],
                b_stride: record,
                gates: C::GATES,
                count: rows,
                sums: of_hidden,
            });
        }
    }

    /// dx of a block, through the memory that held its x′.
    #[inline(always)]
    fn input_gradient<S: Simd, C: Recurrence>(
        &mut self,
        s: S,
        (from, count): (usize, usize),
        work: &mut BackwardWork<'_>,
    ) {
        let (pass, items, len) = (self.pass, self.items, self.len);
        let (ins, width) = (pass.shape.input_size, pass.input_back.width());
        s.call(&mut Multiply {
            weights: &pass.input_back,
            input: work.factors,
            pitch: pass.pitch(),
            input_stride: pass.record(),
            output: work.x,
            rows: count * items,
            add: false,
        });
        assert!(self.dx.len() >= items * ins * len && work.x.len() >= count * items * width);
        for item in 0..items {
            let to = self.dx[item * ins * len + from..].as_mut_ptr();
            let from = work.x[item * width..].as_ptr();
            // SAFETY: an item's rows and its place in each step lie within the lengths asserted.
            unsafe { turn(s, (count, ins), (from, items * width), (to, len)) }
        }
    }
}
