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
//! loaded. Items are independent: a group of them is one task and goes through all of time. The
//! backward pass (through the whole of the sequence it was given; truncation is the caller's,
//! who hands over the state without its history) collects a block of steps before it multiplies
//! them into the weights' gradients.
//!
//! Deterministic like [`super::conv`]; the slow form is [`super::reference::recurrent`].

use rayon::prelude::*;

use super::buffers::Buffer;
use super::columns::{Columns, ITEMS, Multiply, OuterProducts};
use super::conv::add_parts;
use super::rows::{each_vector, load, store};
use super::scratch;
use crate::simd::{Isa, Kernel, Simd, math};

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

/// Steps that are gathered before time-major data is turned over or multiplied.
const BLOCK: usize = 32;

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
    /// needs is returned, else an empty buffer.
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
        let pass = Pass::new(self, weights);
        let (ins, hidden) = (self.input_size, self.hidden_size);
        let len = x.len() / (batch * ins).max(1);
        assert_eq!(x.len(), batch * ins * len);
        assert_eq!(y.len(), batch * hidden * len);
        assert_eq!(state.hidden.len(), batch * hidden);
        assert!(self.cell == Cell::Gru || state.cell.len() == batch * hidden);
        let groups = batch.div_ceil(ITEMS);
        let size = pass.task_size(if keep { len } else { BLOCK.min(len) });
        let mut kept = Buffer::new(if keep { groups * size } else { 0 });
        let no_cells = self.cell == Cell::Gru;
        let mut cells = std::mem::take(&mut state.cell);
        cells.resize(batch * hidden, 0.0);
        let mut tasks: Vec<_> = y
            .chunks_mut((ITEMS * hidden * len).max(1))
            .zip(x.chunks((ITEMS * ins * len).max(1)))
            .zip(state.hidden.chunks_mut(ITEMS * hidden))
            .zip(cells.chunks_mut(ITEMS * hidden))
            .collect();
        type Task<'a> = (((&'a mut [f32], &'a [f32]), &'a mut [f32]), &'a mut [f32]);
        let run = |(((y, x), h), c): &mut Task<'_>, memory: &mut [f32]| {
            isa.run(ForwardTask {
                pass: &pass,
                len,
                items: h.len() / hidden,
                x,
                h,
                c,
                y,
                memory,
                keep,
            });
        };
        if keep {
            tasks
                .par_iter_mut()
                .zip(kept.par_chunks_exact_mut(size))
                .for_each(|(task, memory)| run(task, memory));
        } else {
            tasks
                .par_iter_mut()
                .for_each(|task| scratch::with(size, |memory| run(task, memory)));
        }
        drop(tasks);
        if !no_cells {
            state.cell = cells;
        }
        kept
    }

    /// The gradients for dy `[batch, hidden_size, len]`; that of x only if `want_x`. The state
    /// the sequence began with counts as constant.
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
        let pass = Pass::new(self, weights);
        let (ins, hidden) = (self.input_size, self.hidden_size);
        let len = x.len() / (batch * ins).max(1);
        assert_eq!(dy.len(), batch * hidden * len);
        let size = pass.task_size(len);
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
            .zip(x.par_chunks((ITEMS * ins * len).max(1)))
            .zip(kept.par_chunks_exact(size))
            .map(|(((dx, dy), x), memory)| {
                let mut sums = vec![0.0; pass.sums_len()];
                // Outside the kernel: what a closure does is not compiled for the instruction set.
                scratch::with(pass.work_sizes().iter().sum(), |work| {
                    isa.run(BackwardTask {
                        pass: &pass,
                        len,
                        items: dy.len() / (hidden * len).max(1),
                        x,
                        dy,
                        dx,
                        memory,
                        work,
                        sums: &mut sums,
                    });
                });
                sums
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
    /// From x′.
    input: Columns,
    /// From h (LSTM) or h′ (GRU).
    hidden: Columns,
    /// From the gates' gradients to h.
    hidden_back: Columns,
    /// From the gates' gradients to x.
    input_back: Columns,
}

impl Pass {
    fn new(shape: &Recurrent, weights: &Weights<'_>) -> Pass {
        let (ins, units) = (shape.input_size, shape.hidden_size);
        let gates = shape.gates() * units;
        assert_eq!(weights.input.len(), gates * ins);
        assert_eq!(weights.hidden.len(), gates * units);
        assert_eq!(weights.bias.len(), shape.biases());
        let hidden_taps = match shape.cell {
            Cell::Lstm => units,
            Cell::Gru => units + 1,
        };
        Pass {
            shape: *shape,
            input: Columns::new(ins + 1, gates, |j, gate| match j < ins {
                true => weights.input[gate * ins + j],
                false => weights.bias[gate],
            }),
            hidden: Columns::new(hidden_taps, gates, |j, gate| match j < units {
                true => weights.hidden[gate * units + j],
                false => weights.bias[gates + gate],
            }),
            hidden_back: Columns::new(gates, units, |gate, j| weights.hidden[gate * units + j]),
            input_back: Columns::new(gates, ins, |gate, j| weights.input[gate * ins + j]),
        }
    }

    /// Floats of x′ or dx of an item at a step.
    fn input_width(&self) -> usize {
        scratch::padded(self.shape.input_size + 1)
    }

    /// Floats of the state that a record holds: h′, after it c (LSTM) or nₕ (GRU).
    fn unit_width(&self) -> usize {
        scratch::padded(self.shape.hidden_size + 1)
    }

    /// Floats of an item at a step: the gates, h′, and c or nₕ.
    fn record(&self) -> usize {
        self.input.width() + 2 * self.unit_width()
    }

    /// Floats of a task that remembers `steps` steps: the initial state's record, theirs, and a
    /// block of x′ and of the GRU's product with h′.
    fn task_size(&self, steps: usize) -> usize {
        ITEMS * ((steps + 1) * self.record() + BLOCK * self.input_width() + self.input.width())
    }

    /// Floats of the weights' gradients as they are summed: from x′, then from h′.
    fn sums_len(&self) -> usize {
        let width = self.input.width();
        (self.shape.input_size + 1 + self.shape.hidden_size + 1) * width
    }

    /// The summed gradients in the weights' own order.
    fn gradients(&self, sums: &[f32]) -> Gradients {
        let (ins, units) = (self.shape.input_size, self.shape.hidden_size);
        let width = self.input.width();
        let gates = self.shape.gates() * units;
        let (input, hidden) = sums.split_at((ins + 1) * width);
        let turned = |sums: &[f32], taps: usize| -> Vec<f32> {
            let at = |gate: usize| (0..taps).map(move |tap| tap * width + gate);
            (0..gates).flat_map(at).map(|at| sums[at]).collect()
        };
        let mut bias = input[ins * width..][..gates].to_vec();
        if self.shape.cell == Cell::Gru {
            bias.extend_from_slice(&hidden[units * width..][..gates]);
        }
        Gradients {
            x: None,
            input: turned(input, ins),
            hidden: turned(hidden, units),
            bias,
        }
    }

    /// Fills `block` with x′ `[step][item][input_width]` of the steps from..from + count.
    fn gather_input(
        &self,
        x: &[f32],
        len: usize,
        items: usize,
        from: usize,
        count: usize,
        block: &mut [f32],
    ) {
        let (ins, width) = (self.shape.input_size, self.input_width());
        for item in 0..items {
            for i in 0..ins {
                let row = &x[(item * ins + i) * len + from..][..count];
                for (step, &x) in row.iter().enumerate() {
                    block[(step * items + item) * width + i] = x;
                }
            }
            for step in 0..count {
                block[(step * items + item) * width + ins] = 1.0;
            }
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
    y: &'a mut [f32],
    memory: &'a mut [f32],
    keep: bool,
}

impl Kernel for ForwardTask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let pass = self.pass;
        let units = pass.shape.hidden_size;
        let (items, record) = (self.items, pass.record());
        let (gates_width, unit_width) = (pass.input.width(), pass.unit_width());
        let step = items * record;
        let (block, memory) = self.memory.split_at_mut(ITEMS * BLOCK * pass.input_width());
        let (products, records) = memory.split_at_mut(ITEMS * gates_width);
        // Record 0 is the state before the first step.
        records[..step].fill(0.0);
        for item in 0..items {
            let first = &mut records[item * record + gates_width..][..2 * unit_width];
            first[..units].copy_from_slice(&self.h[item * units..][..units]);
            first[units] = 1.0;
            if pass.shape.cell == Cell::Lstm {
                first[unit_width..][..units].copy_from_slice(&self.c[item * units..][..units]);
            }
        }
        let mut before = 0;
        for from in (0..self.len).step_by(BLOCK) {
            let count = BLOCK.min(self.len - from);
            pass.gather_input(self.x, self.len, items, from, count, block);
            if !self.keep && from > 0 {
                // Where only a block is remembered, its last state begins the next.
                records.copy_within(before * step..(before + 1) * step, 0);
                before = 0;
            }
            let first = before;
            for t in 0..count {
                let (past, now) = records.split_at_mut((before + 1) * step);
                let (past, now) = (&past[before * step..], &mut now[..step]);
                s.call(&mut Multiply {
                    weights: &pass.input,
                    input: &block[t * items * pass.input_width()..],
                    input_stride: pass.input_width(),
                    output: now,
                    output_stride: record,
                    items,
                    add: false,
                });
                let lstm = pass.shape.cell == Cell::Lstm;
                s.call(&mut Multiply {
                    weights: &pass.hidden,
                    input: &past[gates_width..],
                    input_stride: record,
                    output: if lstm { &mut *now } else { &mut *products },
                    output_stride: if lstm { record } else { gates_width },
                    items,
                    add: lstm,
                });
                for item in 0..items {
                    let now = &mut now[item * record..][..record];
                    let past = &past[item * record + gates_width..][..2 * unit_width];
                    if lstm {
                        lstm_step(s, units, gates_width, unit_width, now, past);
                    } else {
                        let product = &products[item * gates_width..][..gates_width];
                        gru_step(s, units, gates_width, unit_width, now, past, product);
                    }
                }
                before += 1;
            }
            for item in 0..items {
                for u in 0..units {
                    let row = &mut self.y[(item * units + u) * self.len + from..][..count];
                    for (t, y) in row.iter_mut().enumerate() {
                        *y = records[(first + 1 + t) * step + item * record + gates_width + u];
                    }
                }
            }
        }
        for item in 0..items {
            let last = &records[before * step + item * record + gates_width..][..2 * unit_width];
            self.h[item * units..][..units].copy_from_slice(&last[..units]);
            if pass.shape.cell == Cell::Lstm {
                self.c[item * units..][..units].copy_from_slice(&last[unit_width..][..units]);
            }
        }
    }
}

/// Gates from their sums to their values in place, and the new h and c behind them.
#[inline(always)]
fn lstm_step<S: Simd>(
    s: S,
    units: usize,
    gates_width: usize,
    unit_width: usize,
    now: &mut [f32],
    past: &[f32],
) {
    assert!(now.len() >= gates_width + 2 * unit_width && gates_width >= 4 * units);
    assert!(past.len() >= 2 * unit_width && unit_width > units);
    let (gates, past_c) = (now.as_mut_ptr(), past.as_ptr().wrapping_add(unit_width));
    let h = gates.wrapping_add(gates_width);
    let c = h.wrapping_add(unit_width);
    each_vector!(S, units, |u, part, FULL| {
        // SAFETY: unit u and the `part` ones after it lie within `units`, so all accesses lie within
        // the lengths asserted above.
        unsafe {
            let gate = |at: usize| load::<S, FULL>(s, part, gates.add(at * units + u));
            let i = math::sigmoid(s, gate(0));
            let f = math::sigmoid(s, gate(1));
            let g = math::tanh(s, gate(2));
            let o = math::sigmoid(s, gate(3));
            let before = load::<S, FULL>(s, part, past_c.add(u));
            let after = s.fma(f, before, s.mul(i, g));
            for (at, value) in [i, f, g, o].into_iter().enumerate() {
                store::<S, FULL>(s, part, gates.add(at * units + u), value);
            }
            store::<S, FULL>(s, part, c.add(u), after);
            store::<S, FULL>(s, part, h.add(u), s.mul(o, math::tanh(s, after)));
        }
    });
    now[gates_width + units] = 1.0;
}

/// As [`lstm_step`] for a GRU: `now` holds the sums from x, `product` those from h.
#[inline(always)]
fn gru_step<S: Simd>(
    s: S,
    units: usize,
    gates_width: usize,
    unit_width: usize,
    now: &mut [f32],
    past: &[f32],
    product: &[f32],
) {
    assert!(now.len() >= gates_width + 2 * unit_width && gates_width >= 3 * units);
    assert!(product.len() >= 3 * units && past.len() >= units && unit_width > units);
    let (gates, past_h, product) = (now.as_mut_ptr(), past.as_ptr(), product.as_ptr());
    let h = gates.wrapping_add(gates_width);
    let n_of_h = h.wrapping_add(unit_width);
    each_vector!(S, units, |u, part, FULL| {
        // SAFETY: as in `lstm_step`.
        unsafe {
            let of_x = |at: usize| load::<S, FULL>(s, part, gates.add(at * units + u));
            let of_h = |at: usize| load::<S, FULL>(s, part, product.add(at * units + u));
            let r = math::sigmoid(s, s.add(of_x(0), of_h(0)));
            let z = math::sigmoid(s, s.add(of_x(1), of_h(1)));
            let nh = of_h(2);
            let n = math::tanh(s, s.fma(r, nh, of_x(2)));
            let before = load::<S, FULL>(s, part, past_h.add(u));
            for (at, value) in [r, z, n].into_iter().enumerate() {
                store::<S, FULL>(s, part, gates.add(at * units + u), value);
            }
            store::<S, FULL>(s, part, n_of_h.add(u), nh);
            // n + z·(h − n)
            store::<S, FULL>(s, part, h.add(u), s.fma(z, s.sub(before, n), n));
        }
    });
    now[gates_width + units] = 1.0;
}

/// A group of items back through all of time.
struct BackwardTask<'a> {
    pass: &'a Pass,
    len: usize,
    items: usize,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
    memory: &'a [f32],
    /// As long as [`Pass::work_sizes`] together.
    work: &'a mut [f32],
    sums: &'a mut [f32],
}

impl Kernel for BackwardTask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let sizes = self.pass.work_sizes();
        let (x, work) = std::mem::take(&mut self.work).split_at_mut(sizes[0]);
        let (of_x, work) = work.split_at_mut(sizes[1]);
        let (of_h, work) = work.split_at_mut(sizes[2]);
        let (dh_out, work) = work.split_at_mut(sizes[3]);
        let (dh, dc) = work.split_at_mut(sizes[4]);
        dh.fill(0.0);
        dc.fill(0.0);
        // What lies behind the gates is summed too: it must be a number.
        of_x.fill(0.0);
        of_h.fill(0.0);
        let mut work = BackwardWork {
            x,
            of_x,
            of_h,
            dh_out,
            dh,
            dc,
        };
        let mut to = self.len;
        while to > 0 {
            let from = (to - 1) / BLOCK * BLOCK;
            self.block(s, from, to - from, &mut work);
            to = from;
        }
    }
}

/// Working memory of a backward task.
struct BackwardWork<'a> {
    /// x′ of the block's steps and items.
    x: &'a mut [f32],
    /// Gradients of the gates' sums, as those from x and (GRU) those from h.
    of_x: &'a mut [f32],
    of_h: &'a mut [f32],
    /// dy of the block's steps and items.
    dh_out: &'a mut [f32],
    /// Gradients of h and c that the step after sends back.
    dh: &'a mut [f32],
    dc: &'a mut [f32],
}

impl BackwardTask<'_> {
    /// Steps from..from + count.
    #[inline(always)]
    fn block<S: Simd>(&mut self, s: S, from: usize, count: usize, work: &mut BackwardWork<'_>) {
        let pass = self.pass;
        let units = pass.shape.hidden_size;
        let (items, record) = (self.items, pass.record());
        let (gates_width, unit_width) = (pass.input.width(), pass.unit_width());
        let lstm = pass.shape.cell == Cell::Lstm;
        let step = items * record;
        let records = &self.memory[ITEMS * (BLOCK * pass.input_width() + gates_width)..];
        pass.gather_input(self.x, self.len, items, from, count, work.x);
        for item in 0..items {
            for u in 0..units {
                let row = &self.dy[(item * units + u) * self.len + from..][..count];
                for (t, &dy) in row.iter().enumerate() {
                    work.dh_out[(t * items + item) * unit_width + u] = dy;
                }
            }
        }
        for t in (0..count).rev() {
            let past = &records[(from + t) * step..][..step];
            let now = &records[(from + t + 1) * step..][..step];
            for item in 0..items {
                let at = t * items + item;
                let cell = CellBack {
                    units,
                    gates: &now[item * record..][..gates_width],
                    after: &now[item * record + gates_width..][..2 * unit_width],
                    before: &past[item * record + gates_width..][..2 * unit_width],
                    unit_width,
                    dh_out: &work.dh_out[at * unit_width..][..unit_width],
                    of_x: &mut work.of_x[at * gates_width..][..gates_width],
                    of_h: &mut work.of_h[at * gates_width..][..gates_width],
                    dh: &mut work.dh[item * unit_width..][..unit_width],
                    dc: &mut work.dc[item * unit_width..][..unit_width],
                };
                if lstm {
                    cell.lstm(s);
                } else {
                    cell.gru(s);
                }
            }
            s.call(&mut Multiply {
                weights: &pass.hidden_back,
                input: &(if lstm { &*work.of_x } else { &*work.of_h })[t * items * gates_width..],
                input_stride: gates_width,
                output: work.dh,
                output_stride: unit_width,
                items,
                // A GRU's h also reaches the next directly; its share is there already.
                add: !lstm,
            });
        }
        let (input_sums, hidden_sums) = self.sums.split_at_mut(pass.hidden_sums_at());
        s.call(&mut OuterProducts {
            a: work.x,
            a_stride: pass.input_width(),
            taps: pass.shape.input_size + 1,
            b: work.of_x,
            b_stride: gates_width,
            width: gates_width,
            count: count * items,
            sums: input_sums,
        });
        // h′ before each step of the block, item after item.
        s.call(&mut OuterProducts {
            a: &records[from * step + gates_width..],
            a_stride: record,
            taps: if lstm { units } else { units + 1 },
            b: if lstm { work.of_x } else { work.of_h },
            b_stride: gates_width,
            width: gates_width,
            count: count * items,
            sums: hidden_sums,
        });
        if !self.dx.is_empty() {
            self.input_gradient(s, from, count, work);
        }
    }

    /// dx of a block, through the memory that held its x′.
    #[inline(always)]
    fn input_gradient<S: Simd>(
        &mut self,
        s: S,
        from: usize,
        count: usize,
        work: &mut BackwardWork<'_>,
    ) {
        let pass = self.pass;
        let (items, ins) = (self.items, pass.shape.input_size);
        let (gates_width, width) = (pass.input.width(), pass.input_width());
        for t in 0..count {
            s.call(&mut Multiply {
                weights: &pass.input_back,
                input: &work.of_x[t * items * gates_width..],
                input_stride: gates_width,
                output: &mut work.x[t * items * width..],
                output_stride: width,
                items,
                add: false,
            });
        }
        for item in 0..items {
            for i in 0..ins {
                let row = &mut self.dx[(item * ins + i) * self.len + from..][..count];
                for (t, dx) in row.iter_mut().enumerate() {
                    *dx = work.x[(t * items + item) * width + i];
                }
            }
        }
    }
}

impl Pass {
    /// Lengths of the fields of [`BackwardWork`].
    fn work_sizes(&self) -> [usize; 6] {
        let (gates, units) = (self.input.width(), self.unit_width());
        [
            ITEMS * BLOCK * self.input_width(),
            ITEMS * BLOCK * gates,
            ITEMS * BLOCK * gates,
            ITEMS * BLOCK * units,
            ITEMS * units,
            ITEMS * units,
        ]
    }

    /// Where the gradients from h′ start among the sums.
    fn hidden_sums_at(&self) -> usize {
        (self.shape.input_size + 1) * self.input.width()
    }
}

/// One item's step backwards.
struct CellBack<'a> {
    units: usize,
    unit_width: usize,
    gates: &'a [f32],
    after: &'a [f32],
    before: &'a [f32],
    dh_out: &'a [f32],
    of_x: &'a mut [f32],
    of_h: &'a mut [f32],
    dh: &'a mut [f32],
    dc: &'a mut [f32],
}

impl CellBack<'_> {
    fn check(&self, gates: usize) {
        let units = self.units;
        assert!(self.unit_width > units && self.gates.len() >= gates * units);
        assert!(self.after.len() >= self.unit_width + units);
        assert!(self.before.len() >= self.unit_width + units);
        assert!(self.of_x.len() >= gates * units && self.of_h.len() >= gates * units);
        assert!(self.dh_out.len() >= units && self.dh.len() >= units && self.dc.len() >= units);
    }

    /// From dh and dc after the step to the gates' sums and to dc before it.
    #[inline(always)]
    fn lstm<S: Simd>(self, s: S) {
        self.check(4);
        let units = self.units;
        let one = s.splat(1.0);
        let (gates, to) = (self.gates.as_ptr(), self.of_x.as_mut_ptr());
        let c_after = self.after[self.unit_width..].as_ptr();
        let c_before = self.before[self.unit_width..].as_ptr();
        let (dh_out, dh, dc) = (self.dh_out.as_ptr(), self.dh.as_ptr(), self.dc.as_mut_ptr());
        each_vector!(S, units, |u, part, FULL| {
            // SAFETY: unit u and the `part` ones after it lie within `units`, which `check` held all
            // lengths to.
            unsafe {
                let get = |from: *const f32| load::<S, FULL>(s, part, from.add(u));
                let gate = |at: usize| load::<S, FULL>(s, part, gates.add(at * units + u));
                let (i, f, g, o) = (gate(0), gate(1), gate(2), gate(3));
                let tanh_c = math::tanh(s, get(c_after));
                let dh = s.add(get(dh_out), get(dh));
                // σ' = σ(1 − σ), tanh' = 1 − tanh².
                let slope = |y: S::V| s.fnma(y, y, y);
                let through_c = s.mul(s.mul(dh, o), s.fnma(tanh_c, tanh_c, one));
                let dc_now = s.add(get(dc), through_c);
                let d_i = s.mul(s.mul(dc_now, g), slope(i));
                let d_f = s.mul(s.mul(dc_now, get(c_before)), slope(f));
                let d_g = s.mul(s.mul(dc_now, i), s.fnma(g, g, one));
                let d_o = s.mul(s.mul(dh, tanh_c), slope(o));
                for (at, value) in [d_i, d_f, d_g, d_o].into_iter().enumerate() {
                    store::<S, FULL>(s, part, to.add(at * units + u), value);
                }
                store::<S, FULL>(s, part, dc.add(u), s.mul(dc_now, f));
            }
        });
    }

    /// From dh after the step to the gates' sums and to dh before it, as far as it does not go
    /// through them.
    #[inline(always)]
    fn gru<S: Simd>(self, s: S) {
        self.check(3);
        let units = self.units;
        let one = s.splat(1.0);
        let gates = self.gates.as_ptr();
        let (of_x, of_h) = (self.of_x.as_mut_ptr(), self.of_h.as_mut_ptr());
        let n_of_h = self.after[self.unit_width..].as_ptr();
        let (h_before, dh_out) = (self.before.as_ptr(), self.dh_out.as_ptr());
        let dh = self.dh.as_mut_ptr();
        each_vector!(S, units, |u, part, FULL| {
            // SAFETY: as in `lstm`.
            unsafe {
                let get = |from: *const f32| load::<S, FULL>(s, part, from.add(u));
                let gate = |at: usize| load::<S, FULL>(s, part, gates.add(at * units + u));
                let (r, z, n) = (gate(0), gate(1), gate(2));
                let dh_now = s.add(get(dh_out), get(dh));
                let slope = |y: S::V| s.fnma(y, y, y);
                let d_z = s.mul(s.mul(dh_now, s.sub(get(h_before), n)), slope(z));
                let d_n = s.mul(s.mul(dh_now, s.sub(one, z)), s.fnma(n, n, one));
                let d_r = s.mul(s.mul(d_n, get(n_of_h)), slope(r));
                for (at, value) in [d_r, d_z, d_n].into_iter().enumerate() {
                    store::<S, FULL>(s, part, of_x.add(at * units + u), value);
                }
                for (at, value) in [d_r, d_z, s.mul(d_n, r)].into_iter().enumerate() {
                    store::<S, FULL>(s, part, of_h.add(at * units + u), value);
                }
                store::<S, FULL>(s, part, dh.add(u), s.mul(dh_now, z));
            }
        });
    }
}
