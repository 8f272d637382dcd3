//! The forward pass of a recurrent layer: a group of items is one task and goes through all of
//! time, block by block.

use std::mem::MaybeUninit;

use super::cells::{Gru, Lstm, Recurrence};
use super::head::Stretch;
use super::pass::{BLOCK, Pass, Way, load_each, pieces};
use super::shape::{Cell, HeadSlices, PlainRecurrentState, Recurrent, RecurrentSlices};
use crate::kernels::crew;
use crate::kernels::memory::ahead::Ahead;
use crate::kernels::memory::{Buffer, LINE, scratch};
use crate::kernels::products::transpose::transpose_far;
use crate::kernels::products::units::{ITEMS, SUMS, each_group, items_at_once};
use crate::simd::{Isa, Kernel, Simd};

impl Recurrent {
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
        weights: &RecurrentSlices<'_>,
        state: &mut PlainRecurrentState,
        keep: bool,
    ) -> (Vec<f32>, Buffer) {
        // Not filled with zeros first: of 10 MB they take one thread a millisecond.
        let len = x.len() / (batch * self.input_size).max(1);
        let pass = Pass::new(self, weights, None, [batch, len], Way::Forward);
        let mut kept = pass.kept(batch, len, keep);
        let numbers = batch * self.hidden_size * len;
        let mut y = Vec::with_capacity(numbers);
        let given = Given {
            y: &mut y.spare_capacity_mut()[..numbers],
            heard: &mut [],
            kept: &mut kept,
        };
        pass.forward(isa, batch, x, state, given);
        // SAFETY: that many fit, and all of them have been written.
        unsafe { y.set_len(numbers) };
        (y, kept)
    }

    /// What a dense layer hears of y at each step, `[batch, outputs, len]`; else as
    /// [`Recurrent::forward`], but that y is given to nobody.
    ///
    /// # Panics
    /// A slice's length does not fit the shape.
    #[expect(
        clippy::too_many_arguments,
        reason = "plain slices, each a tensor of the formula"
    )]
    pub fn forward_heard(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &RecurrentSlices<'_>,
        head: &HeadSlices<'_>,
        state: &mut PlainRecurrentState,
        keep: bool,
    ) -> (Buffer, Buffer) {
        let len = x.len() / (batch * self.input_size).max(1);
        let pass = Pass::new(self, weights, Some(head), [batch, len], Way::Forward);
        let mut kept = pass.kept(batch, len, keep);
        let outputs = head.weight.len() / self.hidden_size.max(1);
        let mut heard = Buffer::new(batch * outputs * len);
        let given = Given {
            y: &mut [],
            heard: &mut heard,
            kept: &mut kept,
        };
        pass.forward(isa, batch, x, state, given);
        (heard, kept)
    }
}

/// What a forward pass gives; what is empty is not wanted.
struct Given<'a> {
    /// Every number is written, none read.
    y: &'a mut [MaybeUninit<f32>],
    heard: &'a mut [f32],
    /// As long as [`Pass::kept_len`] for each task.
    kept: &'a mut [f32],
}

impl Pass {
    /// Room for what all tasks keep, if they do.
    fn kept(&self, batch: usize, len: usize, keep: bool) -> Buffer {
        let tasks = if keep { batch.div_ceil(ITEMS) } else { 0 };
        Buffer::new(tasks * self.kept_len(len))
    }

    fn forward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        state: &mut PlainRecurrentState,
        given: Given<'_>,
    ) {
        let Recurrent {
            cell,
            input_size: ins,
            hidden_size: hidden,
        } = self.shape;
        let len = x.len() / (batch * ins).max(1);
        assert_eq!(x.len(), batch * ins * len);
        assert_eq!(state.hidden.len(), batch * hidden);
        assert!(cell == Cell::Gru || state.cell.len() == batch * hidden);
        let outputs = self.head.as_ref().map_or(0, |head| head.outputs);
        assert_eq!(given.heard.len(), batch * outputs * len);
        let y_len = if self.head.is_some() { 0 } else { hidden };
        assert_eq!(given.y.len(), batch * y_len * len);
        let groups = batch.div_ceil(ITEMS);
        let mut cells = std::mem::take(&mut state.cell);
        cells.resize(batch * hidden, 0.0);
        let mut tasks: Vec<_> = x
            .chunks((ITEMS * ins * len).max(1))
            .zip(state.hidden.chunks_mut(ITEMS * hidden))
            .zip(cells.chunks_mut(ITEMS * hidden))
            .zip(pieces(given.y, ITEMS * hidden * len, groups))
            .zip(pieces(given.heard, ITEMS * outputs * len, groups))
            .zip(pieces(given.kept, self.kept_len(len), groups))
            .collect();
        crew::each(self.shape.is_brief(batch, len), &mut tasks, |task| {
            let (((((x, h), c), y), heard), kept) = task;
            scratch::with(self.forward_sizes().iter().sum(), |work| {
                isa.run(ForwardTask {
                    pass: self,
                    len,
                    items: h.len() / hidden,
                    x,
                    h,
                    c,
                    y,
                    heard,
                    kept,
                    work,
                });
            });
        });
        drop(tasks);
        if cell == Cell::Lstm {
            state.cell = cells;
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
    /// Every number is written, none read; empty where it is not wanted.
    y: &'a mut [MaybeUninit<f32>],
    /// What the head hears; empty without one.
    heard: &'a mut [f32],
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
        let (own, work) = self.work.split_at_mut(sizes[0]);
        let (c, work) = work.split_at_mut(sizes[1]);
        let (x, rows) = work.split_at_mut(sizes[2]);
        own[..state].fill(0.0);
        c.fill(0.0);
        for item in 0..items {
            own[item * width..][..units].copy_from_slice(&self.h[item * units..][..units]);
            c[item * width..][..units].copy_from_slice(&self.c[item * units..][..units]);
        }
        let states = state * pass.states_kept(self.len);
        let (states, kept) = self.kept.split_at_mut(states.min(self.kept.len()));
        if !states.is_empty() {
            states[..state].copy_from_slice(&own[..state]);
        }
        let keeps_states = states.len() > state;
        let keeps_factors = pass.keeps_factors && !states.is_empty();
        for from in (0..self.len).step_by(BLOCK) {
            let count = BLOCK.min(self.len - from);
            if C::HAS_CELL && !kept.is_empty() && !keeps_factors {
                kept[from / BLOCK * state..][..state].copy_from_slice(&c[..state]);
            }
            let records = items * pass.record();
            let factors = match keeps_factors {
                true => &mut kept[from * records..][..count * records],
                false => &mut [],
            };
            // Steps write h where it is kept, if it is.
            let h = match keeps_states {
                true => &mut states[from * state..][..(count + 1) * state],
                false => &mut *own,
            };
            let sizes = (self.len, items);
            pass.gather_input(s, self.x, sizes, (from, count), x, pass.shape.input_size);
            Steps {
                pass,
                items,
                count,
                x,
                h: &mut *h,
                c,
                factors,
                y: Ahead {
                    // Of the first line a part was written with the block before.
                    from: self.y.as_ptr().wrapping_add(from + LINE - 1).cast(),
                    stride: self.len,
                    rows: if self.y.is_empty() { 0 } else { items * units },
                    lines: count.div_ceil(LINE),
                },
            }
            .run_all::<S, C>(s);
            if let Some(head) = &pass.head {
                let stretch = Stretch {
                    items,
                    from,
                    count,
                    len: self.len,
                };
                head.hear(s, stretch, &h[state..], self.heard);
            } else {
                let (y, after) = (&mut *self.y, &h[state..]);
                assert!(y.len() >= items * units * self.len && after.len() >= count * state);
                for item in 0..items {
                    let to = y[item * units * self.len + from..].as_mut_ptr().cast();
                    // SAFETY: y holds the item's rows, h the states after `count` steps.
                    unsafe {
                        let after = after[item * width..].as_ptr();
                        transpose_far(s, (count, units), (after, state), (to, self.len), rows);
                    }
                }
            }
            if !keeps_states {
                own.copy_within(count * state..(count + 1) * state, 0);
            }
        }
        let h = match keeps_states {
            true => &states[self.len * state..],
            false => &*own,
        };
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
    /// Of every step, `[step][item][record]`, or empty.
    factors: &'a mut [f32],
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
        let (record, pitch) = (pass.record(), pass.pitch());
        let keeps_factors = !self.factors.is_empty();
        assert!(!keeps_factors || self.factors.len() >= count * items * record);
        let factors = self.factors.as_mut_ptr();
        let (x, h, c) = (self.x.as_ptr(), self.h.as_mut_ptr(), self.c.as_mut_ptr());
        let mut y = self.y.in_portions(count * units.div_ceil(S::LANES));
        for t in 0..count {
            for u in (0..units).step_by(S::LANES) {
                y.bring::<S, true>(s);
                each_group!(items_at_once::<S>(), items, |first, G| {
                    // SAFETY: items `first..first + G` of step t lie within the lengths asserted,
                    // unit u's vector within the width and its factors within the record.
                    unsafe {
                        let x = x.add((t * items + first) * ins);
                        let before = h.add((t * items + first) * width);
                        let (after, c) = (before.add(items * width + u), c.add(first * width + u));
                        let sums: [[_; G]; SUMS] =
                            C::sums(s, &pass.gates, u, (x, ins), (before, width));
                        let hidden: [_; G] = load_each(s, before.add(u), width);
                        let cell: [_; G] = load_each(s, c, width);
                        let stepped = C::step::<S, G>(s, sums, hidden, cell);
                        for g in 0..G {
                            s.store_ptr(after.add(g * width), stepped.h[g]);
                            if C::HAS_CELL {
                                s.store_ptr(c.add(g * width), stepped.c[g]);
                            }
                        }
                        if keeps_factors {
                            let to = factors.add((t * items + first) * record);
                            let to = to.add(u / LINE * pitch + u % LINE);
                            for g in 0..G {
                                for at in 0..C::FACTORS {
                                    let to = to.add(g * record + at * LINE);
                                    s.store_ptr(to, stepped.factors[g][at]);
                                }
                            }
                        }
                    }
                });
            }
        }
    }
}
