//! The backward pass of a recurrent layer: a group of items is one task and goes back through all
//! of time, block by block, the last first.

use super::cells::{Gru, Lstm, MOST_FACTORS, Recurrence};
use super::pass::{BLOCK, Pass, Way, load_each};
use super::shape::{Cell, Recurrent, RecurrentGradients, RecurrentSlices};
use crate::kernels::crew;
use crate::kernels::memory::ahead::Ahead;
use crate::kernels::memory::{Buffer, LINE, padded, scratch};
use crate::kernels::partition::add_parts;
use crate::kernels::products::transpose::transpose;
use crate::kernels::products::units::{
    ITEMS, Multiply, OuterProducts, SUMS, each_group, items_at_once,
};
use crate::simd::{Isa, Kernel, Simd};

/// Rows whose gradients of a line the first-level cache holds beside their h.
const NEAR: usize = 64;

impl Recurrent {
    /// The gradients for dy `[batch, hidden_size, len]`; that of x only if `want_x`. `y` and `kept`
    /// are what [`Recurrent::forward`] gave for this x and these weights. The state the sequence
    /// began with counts as constant.
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
        weights: &RecurrentSlices<'_>,
        y: &[f32],
        kept: &[f32],
        dy: &[f32],
        want_x: bool,
    ) -> RecurrentGradients {
        let (ins, hidden) = (self.input_size, self.hidden_size);
        let len = x.len() / (batch * ins).max(1);
        let pass = Pass::new(
            self,
            weights,
            [batch, len],
            Way::Backward { to_input: want_x },
        );
        assert_eq!(y.len(), batch * hidden * len);
        assert_eq!(dy.len(), batch * hidden * len);
        let size = pass.kept_len(len);
        assert_eq!(kept.len(), batch.div_ceil(ITEMS) * size);
        let mut dx = Buffer::new(if want_x { x.len() } else { 0 });
        // Without dx every task gets an empty piece of it.
        let mut inputs: Vec<&mut [f32]> = match want_x {
            true => dx.chunks_mut((ITEMS * ins * len).max(1)).collect(),
            false => (0..batch.div_ceil(ITEMS))
                .map(|_| Default::default())
                .collect(),
        };
        let mut parts = vec![Vec::new(); inputs.len()];
        let mut tasks: Vec<_> = inputs
            .iter_mut()
            .zip(dy.chunks((ITEMS * hidden * len).max(1)))
            .zip(y.chunks((ITEMS * hidden * len).max(1)))
            .zip(x.chunks((ITEMS * ins * len).max(1)))
            .zip(kept.chunks_exact(size))
            .zip(&mut parts)
            .collect();
        crew::each(self.is_brief(batch, len), &mut tasks, |task| {
            let (((((dx, dy), y), x), kept), sums) = task;
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
                **sums = work[..pass.sums_len()].to_vec();
            })
        });
        drop(tasks);
        let mut total = vec![0.0; pass.sums_len()];
        add_parts(&parts, &mut total);
        let mut gradients = pass.gradients(&total);
        gradients.x = want_x.then_some(dx);
        gradients
    }
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
            padded(rows * padded(self.shape.input_size + 1)),
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
        if !self.pass.keeps_factors {
            self.factors::<S, C>(s, (from, count), work);
        }
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
                transpose(s, (units, count - known), (y, len), (h, state));
                transpose(s, (units, count), (dy, len), (dh, state));
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
                        let stepped = C::step(s, sums, before, c);
                        c = stepped.c;
                        for (g, values) in stepped.factors.into_iter().enumerate() {
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
        let kept = match pass.keeps_factors {
            true => &self.kept[state + from * items * record..][..count * items * record],
            false => &[],
        };
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
                let factors = &mut factors[item * record..][..record];
                let known = match kept.is_empty() {
                    true => factors.as_ptr(),
                    false => kept[(t * items + item) * record..][..record].as_ptr(),
                };
                // SAFETY: what is known is a record, this step's own or one that was kept.
                unsafe {
                    self.step::<S, C>(
                        s,
                        known,
                        factors,
                        &after[row.clone()],
                        &mut before[row.clone()],
                        &mut work.dc[row],
                    );
                }
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

    /// An item's step, from the gradients after it to those of its sums (in the place of the
    /// factors), and of c before it.
    ///
    /// # Safety
    /// `known`, the factors, holds a record.
    #[inline(always)]
    unsafe fn step<S: Simd, C: Recurrence>(
        &self,
        s: S,
        known: *const f32,
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
                let at = u / LINE * pitch + u % LINE;
                let (known, place) = (known.add(at), factors.as_mut_ptr().add(at));
                let mut values = [s.zero(); MOST_FACTORS];
                for (at, value) in values.iter_mut().enumerate().take(C::FACTORS) {
                    *value = s.load_ptr(known.add(at * LINE));
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
        let (record, width, rows) = (pass.record(), pass.width(), count * self.items);
        for line in 0..pass.lines() {
            let units = LINE.min(pass.shape.hidden_size - line * LINE);
            let sums = &mut work.sums[line * pass.sums_pitch()..][..pass.sums_pitch()];
            let (of_input, of_hidden) = sums.split_at_mut(SUMS * taps * LINE);
            // All taps of a few rows before the next: their gradients stay in the first cache.
            for row in (0..rows).step_by(NEAR) {
                let count = NEAR.min(rows - row);
                let of_sums = &work.factors[row * record + line * pass.pitch()..];
                s.call(&mut OuterProducts {
                    a: &work.x[row * taps..],
                    a_stride: taps,
                    taps,
                    b: of_sums,
                    b_stride: record,
                    gates: SUMS,
                    units,
                    count,
                    sums: of_input,
                });
                s.call(&mut OuterProducts {
                    a: &work.h[row * width..],
                    a_stride: width,
                    taps: pass.shape.hidden_size,
                    b: &of_sums[(SUMS - C::GATES) * LINE..],
                    b_stride: record,
                    gates: C::GATES,
                    units,
                    count,
                    sums: of_hidden,
                });
            }
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
            unsafe { transpose(s, (count, ins), (from, items * width), (to, len)) }
        }
    }
}
