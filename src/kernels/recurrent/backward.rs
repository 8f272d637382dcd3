//! The backward pass of a recurrent layer: a group of items is one task and goes back through all
//! of time, block by block, the last first.

use super::cells::{Gru, Lstm, MOST_FACTORS, Recurrence};
use super::head::Stretch;
use super::pass::{BLOCK, Pass, Way, load_each, pieces};
use super::shape::{
    Cell, HeadGradients, HeadSlices, Recurrent, RecurrentGradients, RecurrentSlices,
};
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
        let len = x.len() / (batch * self.input_size).max(1);
        let way = Way::Backward { to_input: want_x };
        let pass = Pass::new(self, weights, None, [batch, len], way);
        assert_eq!(y.len(), batch * self.hidden_size * len);
        let (gradients, _) = pass.backward(isa, batch, Heard { x, y, kept, dy }, want_x);
        gradients
    }

    /// The same for the gradient of what [`Recurrent::forward_heard`] gave, `[batch, outputs, len]`; and
    /// those of the dense layer.
    ///
    /// # Panics
    /// As [`Recurrent::backward`].
    #[expect(
        clippy::too_many_arguments,
        reason = "plain slices, each a tensor of the formula"
    )]
    pub fn backward_heard(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &RecurrentSlices<'_>,
        head: &HeadSlices<'_>,
        kept: &[f32],
        dy: &[f32],
        want_x: bool,
    ) -> (RecurrentGradients, HeadGradients) {
        let len = x.len() / (batch * self.input_size).max(1);
        let way = Way::Backward { to_input: want_x };
        let pass = Pass::new(self, weights, Some(head), [batch, len], way);
        let y = &[][..];
        let (gradients, dv) = pass.backward(isa, batch, Heard { x, y, kept, dy }, want_x);
        let of_head = pass.head.as_ref().map(|head| head.gradients(&dv, dy, len));
        (gradients, of_head.unwrap_or_default())
    }
}

/// What a forward pass read and gave, and the gradient of the latter.
#[derive(Clone, Copy)]
struct Heard<'a> {
    x: &'a [f32],
    /// Empty where a head hears it.
    y: &'a [f32],
    kept: &'a [f32],
    /// Of y, or of what the head heard.
    dy: &'a [f32],
}

impl Pass {
    /// The gradients, and the sums behind the weights' own: those of the head's.
    fn backward(
        &self,
        isa: Isa,
        batch: usize,
        Heard { x, y, kept, dy }: Heard<'_>,
        want_x: bool,
    ) -> (RecurrentGradients, Vec<f32>) {
        let (ins, hidden) = (self.shape.input_size, self.shape.hidden_size);
        let len = x.len() / (batch * ins).max(1);
        let channels = self.head.as_ref().map_or(hidden, |head| head.outputs);
        assert_eq!(dy.len(), batch * channels * len);
        let size = self.kept_len(len);
        let groups = batch.div_ceil(ITEMS);
        assert_eq!(kept.len(), groups * size);
        let mut dx = Buffer::new(if want_x { x.len() } else { 0 });
        let mut parts = vec![Vec::new(); groups];
        let whole = (ITEMS * hidden * len).max(1);
        let mut tasks: Vec<_> = pieces(&mut dx, ITEMS * ins * len, groups)
            .into_iter()
            .zip(dy.chunks((ITEMS * channels * len).max(1)))
            .zip((0..groups).map(|group| y.chunks(whole).nth(group).unwrap_or_default()))
            .zip(x.chunks((ITEMS * ins * len).max(1)))
            .zip(kept.chunks_exact(size))
            .zip(&mut parts)
            .collect();
        crew::each(self.shape.is_brief(batch, len), &mut tasks, |task| {
            let (((((dx, dy), y), x), kept), sums) = task;
            // Outside the kernel: what a closure does is not compiled for the instruction set.
            scratch::with(self.backward_sizes().iter().sum(), |work| {
                isa.run(BackwardTask {
                    pass: self,
                    len,
                    items: dy.len() / (channels * len).max(1),
                    x,
                    y,
                    kept,
                    dy,
                    dx,
                    work,
                });
                **sums = work[..self.all_sums_len()].to_vec();
            })
        });
        drop(tasks);
        let mut total = vec![0.0; self.all_sums_len()];
        add_parts(&parts, &mut total);
        let mut gradients = self.gradients(&total);
        gradients.x = want_x.then_some(dx);
        (gradients, total.split_off(self.sums_len()))
    }
}

/// A group of items back through all of time.
struct BackwardTask<'a> {
    pass: &'a Pass,
    len: usize,
    items: usize,
    x: &'a [f32],
    /// Empty where a head hears it.
    y: &'a [f32],
    kept: &'a [f32],
    /// Of y, or of what the head hears.
    dy: &'a [f32],
    dx: &'a mut [f32],
    /// As long as [`Pass::backward_sizes`] together; ends with the weights' gradients in front.
    work: &'a mut [f32],
}

/// Working memory of a backward task.
struct BackwardWork<'a> {
    /// The weights' gradients, then those of the head's.
    sums: &'a mut [f32],
    /// x′ of the block's steps and items, or their dx.
    x: &'a mut [f32],
    /// h before each step, where it has to be made of y.
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
            self.all_sums_len(),
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
        self.weight_gradients::<S, C>(s, (from, count), work);
        if !self.dx.is_empty() {
            self.input_gradient::<S, C>(s, (from, count), work);
        }
    }

    /// x′, h and dy of a block, the steps' units side by side.
    #[inline(always)]
    fn gather<S: Simd>(&self, s: S, (from, count): (usize, usize), work: &mut BackwardWork<'_>) {
        let (pass, items, len) = (self.pass, self.items, self.len);
        let (ins, width) = (pass.shape.input_size, pass.width());
        let state = items * width;
        pass.gather_input(s, self.x, (len, items), (from, count), work.x, ins + 1);
        for row in work.x.chunks_exact_mut(ins + 1).take(count * items) {
            row[ins] = 1.0;
        }
        match &pass.head {
            None => self.gather_rows(s, (from, count), work),
            Some(head) => {
                let stretch = Stretch {
                    items,
                    from,
                    count,
                    len,
                };
                let after = &self.kept[(1 + from) * state..][..count * state];
                let (dh, dv) = (&mut work.dh[state..], &mut work.sums[pass.sums_len()..]);
                head.back(s, stretch, (self.dy, after), dh, dv);
            }
        }
        // What the steps after the block send back.
        work.dh[..state].fill(0.0);
        let last = &mut work.dh[count * state..][..state];
        for (dh, carry) in last.iter_mut().zip(&*work.carry) {
            *dh += carry;
        }
    }

    /// h and dy of a block of y's and dy's rows.
    #[inline(always)]
    fn gather_rows<S: Simd>(
        &self,
        s: S,
        (from, count): (usize, usize),
        work: &mut BackwardWork<'_>,
    ) {
        let (pass, items, len) = (self.pass, self.items, self.len);
        let (units, width) = (pass.shape.hidden_size, pass.width());
        let state = items * width;
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
    }

    /// h before each step of a block: as it was kept, or as it was gathered.
    #[inline(always)]
    fn before<'b>(&'b self, (from, count): (usize, usize), gathered: &'b [f32]) -> &'b [f32] {
        let state = self.items * self.pass.width();
        match self.pass.head {
            Some(_) => &self.kept[from * state..][..count * state],
            None => &gathered[..count * state],
        }
    }

    /// What is kept behind the states.
    #[inline(always)]
    fn kept_behind(&self) -> &[f32] {
        &self.kept[self.pass.states_kept(self.len) * self.items * self.pass.width()..]
    }

    /// Where the block before that from `from` on lies in y or dy; what a head hears is near anyway.
    #[inline(always)]
    fn next(&self, rows: &[f32], from: usize) -> Ahead {
        Ahead {
            from: rows.as_ptr().wrapping_add(from).wrapping_sub(BLOCK),
            stride: self.len,
            rows: match self.pass.head {
                Some(_) => 0,
                None => self.items * self.pass.shape.hidden_size,
            },
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
        // A GRU's are not looked at.
        let cells = match C::HAS_CELL {
            true => &self.kept_behind()[from / BLOCK * items * width..][..items * width],
            false => &self.kept[..items * width],
        };
        let h = self.before((from, count), work.h);
        assert!(work.x.len() >= count * items * taps && h.len() >= count * items * width);
        assert!(work.factors.len() >= count * items * record && pitch >= C::FACTORS * LINE);
        let (x, h) = (work.x.as_ptr(), h.as_ptr());
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
            true => &self.kept_behind()[from * items * record..][..count * items * record],
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
        (from, count): (usize, usize),
        work: &mut BackwardWork<'_>,
    ) {
        let pass = self.pass;
        let h = self.before((from, count), work.h);
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
                    a: &h[row * width..],
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
