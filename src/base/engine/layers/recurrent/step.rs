//! Steps of recurrent layers on vectors.
//!
//! A step is a matrix times (input, hidden state): columns of weights times one number each,
//! summed in registers, one register per gate and vector of units. Nothing of a step can begin
//! before the last one ended, so what counts is how long a step's longest chain of operations is:
//! sums are kept in several chains, the gates that are needed first are summed first, and the
//! fractions that sigmoid and tanh are go through one division where each would need its own. Of
//! two narrow layers the second is one step behind the first, so that neither waits.

use super::cell::{Cell, Kind};
use crate::engine::ops::flush;
use crate::simd::math::{sigmoid_and_rest, sigmoid_fractions, tanh_fractions};
use crate::simd::{Isa, Kernel, Simd};
use std::marker::PhantomData;

/// Where layers read and write, `[time][width]` each, for `len` steps.
pub(super) struct Signal<'a> {
    /// As wide as the first layer's input.
    pub(super) input: &'a [f32],
    /// What lies between two layers that are played at once.
    pub(super) between: &'a mut [f32],
    /// As wide as the last layer's units.
    pub(super) output: &'a mut [f32],
    pub(super) len: usize,
}

/// Plays one layer, or two at once where that is faster; how many it played.
pub(super) fn play(isa: Isa, cells: &mut [Cell], signal: Signal) -> usize {
    match cells.first().map(|cell| cell.kind) {
        Some(Kind::Lstm) => play_kind::<LstmGates>(isa, cells, signal),
        Some(Kind::Gru) => play_kind::<GruGates>(isa, cells, signal),
        None => 0,
    }
}

// Each width is compiled on its own: together they would fight for registers.
fn play_kind<G: Gates>(isa: Isa, cells: &mut [Cell], signal: Signal) -> usize {
    match cells {
        [first, second, ..] if first.goes_with(second) => {
            let gates = PhantomData::<G>;
            isa.run(PairSteps {
                cells: [first, second],
                signal,
                gates,
            });
            2
        }
        [cell, ..] => {
            let gates = PhantomData::<G>;
            match cell.vectors() {
                1 => isa.run(Steps::<G, 1> {
                    cell,
                    signal,
                    gates,
                }),
                2 => isa.run(Steps::<G, 2> {
                    cell,
                    signal,
                    gates,
                }),
                3 => isa.run(Steps::<G, 3> {
                    cell,
                    signal,
                    gates,
                }),
                _ => isa.run(WideSteps {
                    cell,
                    signal,
                    gates,
                }),
            }
            1
        }
        [] => 0,
    }
}

/// Steps of one layer of `V` vectors of units.
struct Steps<'a, G, const V: usize> {
    cell: &'a mut Cell,
    signal: Signal<'a>,
    gates: PhantomData<G>,
}

impl<G: Gates, const V: usize> Kernel for Steps<'_, G, V> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (cell, signal) = (self.cell, self.signal);
        check(cell, signal.input, signal.output, signal.len, S::LANES);
        assert!(cell.width == V * S::LANES);
        let (input_width, mut hidden) = (cell.input_width, cell.hidden.as_ptr());
        let lists = Lists::of(cell);
        for t in 0..signal.len {
            // SAFETY: `check` and the width.
            unsafe {
                let x = signal.input.as_ptr().add(t * input_width);
                let y = signal.output.as_mut_ptr().add(t * V * S::LANES);
                step::<S, G, V>(s, lists, [x, hidden], y, 0);
                hidden = y;
            }
        }
        rest(s, cell, signal.output, signal.len);
    }
}

/// Steps of one layer of any width, three vectors of units at a time.
struct WideSteps<'a, G> {
    cell: &'a mut Cell,
    signal: Signal<'a>,
    gates: PhantomData<G>,
}

impl<G: Gates> Kernel for WideSteps<'_, G> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (cell, signal) = (self.cell, self.signal);
        check(cell, signal.input, signal.output, signal.len, S::LANES);
        let vectors = cell.width / S::LANES;
        let (input_width, mut hidden) = (cell.input_width, cell.hidden.as_ptr());
        let lists = Lists::of(cell);
        for t in 0..signal.len {
            // SAFETY: `check`; `first + V` stays within `vectors`.
            unsafe {
                let x = signal.input.as_ptr().add(t * input_width);
                let y = signal.output.as_mut_ptr().add(t * lists.width);
                let mut first = 0;
                while first + 3 <= vectors {
                    step::<S, G, 3>(s, lists, [x, hidden], y, first);
                    first += 3;
                }
                match vectors - first {
                    1 => step::<S, G, 1>(s, lists, [x, hidden], y, first),
                    2 => step::<S, G, 2>(s, lists, [x, hidden], y, first),
                    _ => {}
                }
                hidden = y;
            }
        }
        rest(s, cell, signal.output, signal.len);
    }
}

/// Steps of two layers of one kind, each one vector wide, the second a step behind the first.
struct PairSteps<'a, G> {
    cells: [&'a mut Cell; 2],
    signal: Signal<'a>,
    gates: PhantomData<G>,
}

impl<G: Gates> Kernel for PairSteps<'_, G> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let [first, second] = self.cells;
        let Signal {
            input,
            between,
            output,
            len,
        } = self.signal;
        check(first, input, between, len, S::LANES);
        check(second, between, output, len, S::LANES);
        assert!(first.width == S::LANES && second.width == S::LANES);
        if len == 0 {
            return;
        }
        let input_width = first.input_width;
        let [before, mut hidden] = [first.hidden.as_ptr(), second.hidden.as_ptr()];
        let [ahead, behind] = [Lists::of(first), Lists::of(second)];
        let (x, w) = (input.as_ptr(), S::LANES);
        let (h, y) = (between.as_mut_ptr(), output.as_mut_ptr());
        // SAFETY: the checks; each is one vector wide.
        unsafe {
            step::<S, G, 1>(s, ahead, [x, before], h, 0);
            for t in 1..len {
                let (h, y) = (h.add((t - 1) * w), y.add((t - 1) * w));
                step::<S, G, 1>(s, behind, [h, hidden], y, 0);
                step::<S, G, 1>(s, ahead, [x.add(t * input_width), h], h.add(w), 0);
                hidden = y;
            }
            let end = (len - 1) * w;
            step::<S, G, 1>(s, behind, [h.add(end), hidden], y.add(end), 0);
        }
        rest(s, first, between, len);
        rest(s, second, output, len);
    }
}

/// Where a cell's lists are: gathered once, so that no step looks for them.
#[derive(Clone, Copy)]
struct Lists {
    weights: *const f32,
    bias: *const f32,
    state: *mut f32,
    width: usize,
    /// Between columns of weights.
    stride: usize,
    ahead: usize,
    back: usize,
}

impl Lists {
    fn of(cell: &mut Cell) -> Self {
        Self {
            weights: cell.weights.as_ptr(),
            bias: cell.bias.as_ptr(),
            state: cell.state.as_mut_ptr(),
            width: cell.width,
            stride: cell.kind.gates() * cell.width,
            ahead: cell.ahead,
            back: cell.back,
        }
    }
}

/// What the unchecked reads and writes of a step rely on.
fn check(cell: &Cell, input: &[f32], output: &[f32], len: usize, lanes: usize) {
    let (gates, columns) = (cell.kind.gates(), cell.ahead + cell.back);
    assert!(cell.width.is_multiple_of(lanes) && cell.back <= cell.width);
    assert!(cell.weights.len() == columns * gates * cell.width);
    assert!(cell.bias.len() == 4 * cell.width);
    assert!(cell.hidden.len() == cell.width && cell.state.len() == cell.width);
    assert!(cell.ahead <= cell.input_width && input.len() >= len * cell.input_width);
    assert!(output.len() >= len * cell.width);
}

/// Keeps the last hidden state, and what has died away out of the denormal numbers.
#[inline(always)]
fn rest<S: Simd>(s: S, cell: &mut Cell, output: &[f32], len: usize) {
    if let Some(last) = output[..len * cell.width].chunks_exact(cell.width).last() {
        cell.hidden.copy_from_slice(last);
    }
    for state in [&mut cell.hidden, &mut cell.state] {
        for part in state.chunks_exact_mut(S::LANES) {
            let flushed = flush(s, s.load(part));
            s.store(part, flushed);
        }
    }
}

/// `V` vectors of units, from vector `first` on, of one step: `y` from input and hidden state.
///
/// # Safety
/// What [`check`] asserts; `x`, `hidden` and `y` are one time step's; `(first + V) · LANES ≤
/// width`.
#[inline(always)]
unsafe fn step<S: Simd, G: Gates, const V: usize>(
    s: S,
    lists: Lists,
    [x, hidden]: [*const f32; 2],
    y: *mut f32,
    first: usize,
) {
    let at = first * S::LANES;
    // SAFETY: the caller's promise.
    unsafe {
        let from = Reads {
            lists,
            x,
            hidden,
            at,
        };
        let states = lists.state.add(at);
        let mut state = load::<S, V>(s, states);
        let new = G::step::<S, V>(s, from, &mut state);
        for v in 0..V {
            s.store_ptr(states.add(v * S::LANES), state[v]);
            s.store_ptr(y.add(at + v * S::LANES), new[v]);
        }
    }
}

/// `V` vectors one after another.
///
/// # Safety
/// `from` is valid for reads of `V · LANES` floats.
#[inline(always)]
unsafe fn load<S: Simd, const V: usize>(s: S, from: *const f32) -> [S::V; V] {
    let mut vectors = [s.zero(); V];
    for (v, vector) in vectors.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *vector = unsafe { s.load_ptr(from.add(v * S::LANES)) };
    }
    vectors
}

/// The arithmetic of one kind of layer.
trait Gates {
    /// The new hidden state of `V` vectors of units, and the new state in place of the old.
    ///
    /// # Safety
    /// As [`step`].
    unsafe fn step<S: Simd, const V: usize>(s: S, from: Reads, state: &mut [S::V; V]) -> [S::V; V];
}

/// A cell's columns of weights, for the gates `gates`, `at` floats from the first unit.
#[derive(Clone, Copy)]
struct Columns<const G: usize> {
    from: *const f32,
    /// Distance between columns.
    stride: usize,
    /// From a column's first gate to each gate read.
    gates: [usize; G],
}

impl<const G: usize> Columns<G> {
    /// Those of the input's side, and those of the hidden state's.
    #[inline(always)]
    fn of(lists: Lists, gates: [usize; G], at: usize) -> [Self; 2] {
        let gates = gates.map(|gate| gate * lists.width + at);
        [0, lists.ahead * lists.stride].map(|column| Self {
            from: lists.weights.wrapping_add(column),
            stride: lists.stride,
            gates,
        })
    }

    /// chains[j mod C][gate][v] += column_j[gate][v] · values[j], j below `count`, of which a last
    /// few go to the first chain.
    ///
    /// # Safety
    /// `count` columns are readable and as many values.
    #[inline(always)]
    unsafe fn add<S: Simd, const V: usize, const C: usize>(
        self,
        s: S,
        chains: &mut [[[S::V; V]; G]; C],
        values: *const f32,
        count: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            self.add_whole(s, chains, values, count);
            for j in count - count % C..count {
                self.add_one(s, &mut chains[0], values, j);
            }
        }
    }

    /// The same without the last few.
    ///
    /// # Safety
    /// As [`Columns::add`].
    #[inline(always)]
    unsafe fn add_whole<S: Simd, const V: usize, const C: usize>(
        self,
        s: S,
        chains: &mut [[[S::V; V]; G]; C],
        values: *const f32,
        count: usize,
    ) {
        let mut local = *chains;
        for j in 0..count / C {
            for (c, sums) in local.iter_mut().enumerate() {
                // SAFETY: the caller's promise.
                unsafe { self.add_one(s, sums, values, j * C + c) };
            }
        }
        *chains = local;
    }

    /// # Safety
    /// Column `j` is readable and value `j`.
    #[inline(always)]
    unsafe fn add_one<S: Simd, const V: usize>(
        self,
        s: S,
        sums: &mut [[S::V; V]; G],
        values: *const f32,
        j: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let value = s.splat(*values.add(j));
            let column = self.from.add(j * self.stride);
            for (sums, gate) in sums.iter_mut().zip(self.gates) {
                for (v, sum) in sums.iter_mut().enumerate() {
                    let w = s.load_ptr(column.add(gate + v * S::LANES));
                    *sum = s.fma(w, value, *sum);
                }
            }
        }
    }
}

/// `C` chains of sums that wait only for themselves, the first starting from `start`.
#[inline(always)]
fn chains<S: Simd, const G: usize, const V: usize, const C: usize>(
    s: S,
    start: [[S::V; V]; G],
) -> [[[S::V; V]; G]; C] {
    let mut chains = [[[s.zero(); V]; G]; C];
    chains[0] = start;
    chains
}

/// The sum of `C` chains, a power of two.
#[inline(always)]
fn joined<S: Simd, const G: usize, const V: usize, const C: usize>(
    s: S,
    mut chains: [[[S::V; V]; G]; C],
) -> [[S::V; V]; G] {
    let mut half = C / 2;
    while half > 0 {
        for c in 0..half {
            for g in 0..G {
                for v in 0..V {
                    chains[c][g][v] = s.add(chains[c][g][v], chains[c + half][g][v]);
                }
            }
        }
        half /= 2;
    }
    chains[0]
}

/// Where a step reads from: input, hidden state, and how far from the first unit.
#[derive(Clone, Copy)]
struct Reads {
    lists: Lists,
    x: *const f32,
    hidden: *const f32,
    at: usize,
}

impl Reads {
    /// Biases of some gates.
    ///
    /// # Safety
    /// As [`step`].
    #[inline(always)]
    unsafe fn biases<S: Simd, const G: usize, const V: usize>(
        self,
        s: S,
        gates: [usize; G],
    ) -> [[S::V; V]; G] {
        let mut biases = [[s.zero(); V]; G];
        for (bias, gate) in biases.iter_mut().zip(gates) {
            let at = gate * self.lists.width + self.at;
            // SAFETY: the caller's promise.
            *bias = unsafe { load::<S, V>(s, self.lists.bias.add(at)) };
        }
        biases
    }

    /// bias + W·x + U·h of some gates.
    ///
    /// # Safety
    /// As [`step`].
    #[inline(always)]
    unsafe fn sums<S: Simd, const G: usize, const V: usize, const C: usize>(
        self,
        s: S,
        gates: [usize; G],
    ) -> [[S::V; V]; G] {
        let [input, back] = Columns::of(self.lists, gates, self.at);
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = chains::<S, G, V, C>(s, self.biases(s, gates));
            input.add(s, &mut sums, self.x, self.lists.ahead);
            back.add_whole(s, &mut sums, self.hidden, self.lists.back);
            joined(s, sums)
        }
    }

    /// The same of two gates, the second's two sides apart: both, first side, second side.
    ///
    /// # Safety
    /// As [`step`].
    #[inline(always)]
    unsafe fn sums_apart<S: Simd, const V: usize, const C: usize>(
        self,
        s: S,
        gates: [usize; 2],
        biases: [usize; 3],
    ) -> [[S::V; V]; 3] {
        let [input, back] = Columns::of(self.lists, gates, self.at);
        // SAFETY: the caller's promise.
        unsafe {
            let [both, ahead, behind] = self.biases(s, biases);
            let mut sums = chains::<S, 2, V, C>(s, [both, ahead]);
            input.add(s, &mut sums, self.x, self.lists.ahead);
            let [both, ahead] = joined(s, sums);
            let mut sums = chains::<S, 2, V, C>(s, [both, behind]);
            back.add_whole(s, &mut sums, self.hidden, self.lists.back);
            let [both, behind] = joined(s, sums);
            [both, ahead, behind]
        }
    }
}

/// Gates i, f, g, o.
struct LstmGates;

impl Gates for LstmGates {
    /// c ← σ(f)·c + σ(i)·tanh(g), as c plus what changes, σ(i)·tanh(g) − (1 − σ(f))·c over the product
    /// of the three lower halves: where f is nearly 1, what is lost of c at every step would add up.
    /// h = σ(o)·tanh(c).
    #[inline(always)]
    unsafe fn step<S: Simd, const V: usize>(s: S, from: Reads, c: &mut [S::V; V]) -> [S::V; V] {
        // SAFETY: the caller's promise.
        let [i, f, g] = unsafe {
            match V {
                1 => from.sums::<S, 3, V, 4>(s, [0, 1, 2]),
                2 => from.sums::<S, 3, V, 2>(s, [0, 1, 2]),
                _ => from.sums::<S, 3, V, 1>(s, [0, 1, 2]),
            }
        };
        let g = tanh_fractions(s, g);
        let i = sigmoid_fractions(s, i);
        let (f, forgotten) = sigmoid_and_rest(s, f);
        for v in 0..V {
            let below = s.mul(i.below[v], g.below[v]);
            let new = s.mul(s.mul(i.above[v], g.above[v]), f.below[v]);
            let lost = s.mul(forgotten[v], c[v]);
            let change = s.sub(new, s.mul(lost, below));
            c[v] = s.add(c[v], s.div(change, s.mul(below, f.below[v])));
        }
        // Needed last: summed while the others become a cell state.
        // SAFETY: the caller's promise.
        let [o] = unsafe { from.sums::<S, 1, V, 2>(s, [3]) };
        let o = sigmoid_fractions(s, o);
        let t = tanh_fractions(s, *c);
        let mut h = *c;
        for v in 0..V {
            let above = s.mul(o.above[v], t.above[v]);
            h[v] = s.div(above, s.mul(o.below[v], t.below[v]));
        }
        h
    }
}

/// Gates r, z, n.
struct GruGates;

impl Gates for GruGates {
    /// n = tanh(ahead + σ(r)·behind); h ← (1 − σ(z))·n + σ(z)·h, as h plus what changes,
    /// (1 − σ(z))·(n − h), over the product of the lower halves.
    #[inline(always)]
    unsafe fn step<S: Simd, const V: usize>(s: S, from: Reads, h: &mut [S::V; V]) -> [S::V; V] {
        // SAFETY: the caller's promise.
        let [r, ahead, behind] = unsafe {
            match V {
                1 => from.sums_apart::<S, V, 4>(s, [0, 2], [0, 2, 3]),
                _ => from.sums_apart::<S, V, 2>(s, [0, 2], [0, 2, 3]),
            }
        };
        let r = sigmoid_fractions(s, r);
        let mut n = ahead;
        for v in 0..V {
            let above = s.fma(r.above[v], behind[v], s.mul(ahead[v], r.below[v]));
            n[v] = s.div(above, r.below[v]);
        }
        // Needed last: summed while the others become n.
        // SAFETY: the caller's promise.
        let [z] = unsafe { from.sums::<S, 1, V, 2>(s, [1]) };
        let (z, taken) = sigmoid_and_rest(s, z);
        let n = tanh_fractions(s, n);
        for v in 0..V {
            let apart = s.sub(n.above[v], s.mul(h[v], n.below[v]));
            let change = s.mul(taken[v], apart);
            h[v] = s.add(h[v], s.div(change, s.mul(z.below[v], n.below[v])));
        }
        *h
    }
}
