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
use crate::simd::math::{sigmoid_fractions, tanh_fractions};
use crate::simd::{Kernel, Simd};

/// `len` steps of one layer.
pub(super) struct Steps<'a> {
    pub(super) cell: &'a mut Cell,
    /// `[time][input_width]`
    pub(super) input: &'a [f32],
    /// `[time][width]`
    pub(super) output: &'a mut [f32],
    pub(super) len: usize,
}

/// `len` steps of two layers of one kind, the second on the first, each one vector wide.
pub(super) struct PairSteps<'a> {
    pub(super) cells: [&'a mut Cell; 2],
    /// `[time][input_width]`
    pub(super) input: &'a [f32],
    /// What lies between the two: `[time][width]`
    pub(super) between: &'a mut [f32],
    /// `[time][width]`
    pub(super) output: &'a mut [f32],
    pub(super) len: usize,
}

impl Kernel for Steps<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.cell.kind {
            Kind::Lstm => self.each::<S, LstmGates>(s),
            Kind::Gru => self.each::<S, GruGates>(s),
        }
    }
}

impl Steps<'_> {
    #[inline(always)]
    fn each<S: Simd, G: Gates>(self, s: S) {
        let Self {
            cell,
            input,
            output,
            len,
        } = self;
        check(cell, input, output, len, S::LANES);
        let vectors = cell.width / S::LANES;
        let mut hidden = cell.hidden.as_ptr();
        for t in 0..len {
            // SAFETY: `check`; `first + V` stays within `vectors`.
            unsafe {
                let x = input.as_ptr().add(t * cell.input_width);
                let y = output.as_mut_ptr().add(t * cell.width);
                let mut first = 0;
                while first < vectors {
                    match vectors - first {
                        1 => step::<S, G, 1>(s, cell, [x, hidden], y, first),
                        2 => step::<S, G, 2>(s, cell, [x, hidden], y, first),
                        _ => step::<S, G, 3>(s, cell, [x, hidden], y, first),
                    }
                    first += 3;
                }
                hidden = y;
            }
        }
        rest(s, cell, output, len);
    }
}

impl Kernel for PairSteps<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.cells[0].kind {
            Kind::Lstm => self.each::<S, LstmGates>(s),
            Kind::Gru => self.each::<S, GruGates>(s),
        }
    }
}

impl PairSteps<'_> {
    #[inline(always)]
    fn each<S: Simd, G: Gates>(self, s: S) {
        let Self {
            cells: [first, second],
            input,
            between,
            output,
            len,
        } = self;
        check(first, input, between, len, S::LANES);
        check(second, between, output, len, S::LANES);
        assert!(first.width == S::LANES && second.width == S::LANES);
        if len == 0 {
            return;
        }
        // SAFETY: the checks; each is one vector wide.
        unsafe {
            let (x, w) = (input.as_ptr(), S::LANES);
            let (h, y) = (between.as_mut_ptr(), output.as_mut_ptr());
            let mut hidden = second.hidden.as_ptr();
            step::<S, G, 1>(s, first, [x, first.hidden.as_ptr()], h, 0);
            for t in 1..len {
                let (h, y) = (h.add((t - 1) * w), y.add((t - 1) * w));
                let x = x.add(t * first.input_width);
                let ahead = G::sums::<S, 1>(s, From::start(first, x, h));
                let behind = G::sums::<S, 1>(s, From::start(second, h, hidden));
                let mut sums = [[s.zero(); 2]; 4];
                for (both, (ahead, behind)) in sums.iter_mut().zip(ahead.into_iter().zip(behind)) {
                    *both = [ahead[0], behind[0]];
                }
                let states = [first.state.as_mut_ptr(), second.state.as_mut_ptr()];
                let mut state = states.map(|state| s.load_ptr(state));
                let [ahead, behind] = G::finish::<S, 2>(s, sums, &mut state);
                s.store_ptr(states[0], state[0]);
                s.store_ptr(states[1], state[1]);
                s.store_ptr(h.add(w), ahead);
                s.store_ptr(y, behind);
                hidden = y;
            }
            let end = (len - 1) * w;
            step::<S, G, 1>(s, second, [h.add(end), hidden], y.add(end), 0);
        }
        rest(s, first, between, len);
        rest(s, second, output, len);
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
    cell: &mut Cell,
    [x, hidden]: [*const f32; 2],
    y: *mut f32,
    first: usize,
) {
    let at = first * S::LANES;
    // SAFETY: the caller's promise.
    unsafe {
        let from = From {
            at,
            ..From::start(cell, x, hidden)
        };
        let sums = G::sums::<S, V>(s, from);
        let states = cell.state.as_mut_ptr().add(at);
        let mut state = load::<S, V>(s, states);
        let new = G::finish::<S, V>(s, sums, &mut state);
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
    /// The four sums of `V` vectors of units, in the order that `finish` takes them.
    ///
    /// # Safety
    /// As [`step`].
    unsafe fn sums<S: Simd, const V: usize>(s: S, from: From) -> [[S::V; V]; 4];

    /// The new hidden state, and the new state in place of the old.
    fn finish<S: Simd, const N: usize>(
        s: S,
        sums: [[S::V; N]; 4],
        state: &mut [S::V; N],
    ) -> [S::V; N];
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
    fn of(cell: &Cell, gates: [usize; G], at: usize) -> [Self; 2] {
        let stride = cell.kind.gates() * cell.width;
        let gates = gates.map(|gate| gate * cell.width + at);
        [0, cell.ahead * stride].map(|column| Self {
            from: cell.weights.as_ptr().wrapping_add(column),
            stride,
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
struct From<'a> {
    cell: &'a Cell,
    x: *const f32,
    hidden: *const f32,
    at: usize,
}

impl<'a> From<'a> {
    /// From the first unit on.
    fn start(cell: &'a Cell, x: *const f32, hidden: *const f32) -> Self {
        Self {
            cell,
            x,
            hidden,
            at: 0,
        }
    }

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
            let at = gate * self.cell.width + self.at;
            // SAFETY: the caller's promise.
            *bias = unsafe { load::<S, V>(s, self.cell.bias.as_ptr().add(at)) };
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
        let [input, back] = Columns::of(self.cell, gates, self.at);
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = chains::<S, G, V, C>(s, self.biases(s, gates));
            input.add(s, &mut sums, self.x, self.cell.ahead);
            back.add_whole(s, &mut sums, self.hidden, self.cell.back);
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
        let [input, back] = Columns::of(self.cell, gates, self.at);
        // SAFETY: the caller's promise.
        unsafe {
            let [both, ahead, behind] = self.biases(s, biases);
            let mut sums = chains::<S, 2, V, C>(s, [both, ahead]);
            input.add(s, &mut sums, self.x, self.cell.ahead);
            let [both, ahead] = joined(s, sums);
            let mut sums = chains::<S, 2, V, C>(s, [both, behind]);
            back.add_whole(s, &mut sums, self.hidden, self.cell.back);
            let [both, behind] = joined(s, sums);
            [both, ahead, behind]
        }
    }
}

/// Gates i, f, g, o.
struct LstmGates;

impl Gates for LstmGates {
    #[inline(always)]
    unsafe fn sums<S: Simd, const V: usize>(s: S, from: From) -> [[S::V; V]; 4] {
        // SAFETY: the caller's promise.
        unsafe {
            let [i, f, g] = match V {
                1 => from.sums::<S, 3, V, 4>(s, [0, 1, 2]),
                2 => from.sums::<S, 3, V, 2>(s, [0, 1, 2]),
                _ => from.sums::<S, 3, V, 1>(s, [0, 1, 2]),
            };
            // o is needed last, when the others have become a cell state.
            let [o] = from.sums::<S, 1, V, 2>(s, [3]);
            [i, f, g, o]
        }
    }

    /// c ← σ(f)·c + σ(i)·tanh(g) over the product of the three lower halves; h = σ(o)·tanh(c).
    #[inline(always)]
    fn finish<S: Simd, const N: usize>(
        s: S,
        [i, f, g, o]: [[S::V; N]; 4],
        c: &mut [S::V; N],
    ) -> [S::V; N] {
        let g = tanh_fractions(s, g);
        let i = sigmoid_fractions(s, i);
        let f = sigmoid_fractions(s, f);
        for n in 0..N {
            let below = s.mul(i.below[n], g.below[n]);
            let new = s.mul(s.mul(i.above[n], g.above[n]), f.below[n]);
            let above = s.fma(s.mul(f.above[n], c[n]), below, new);
            c[n] = s.div(above, s.mul(below, f.below[n]));
        }
        let o = sigmoid_fractions(s, o);
        let t = tanh_fractions(s, *c);
        let mut h = *c;
        for n in 0..N {
            let above = s.mul(o.above[n], t.above[n]);
            h[n] = s.div(above, s.mul(o.below[n], t.below[n]));
        }
        h
    }
}

/// Sums r, n of the input's side, n of the hidden state's, z.
struct GruGates;

impl Gates for GruGates {
    #[inline(always)]
    unsafe fn sums<S: Simd, const V: usize>(s: S, from: From) -> [[S::V; V]; 4] {
        // SAFETY: the caller's promise.
        unsafe {
            let [r, ahead, n] = match V {
                1 => from.sums_apart::<S, V, 4>(s, [0, 2], [0, 2, 3]),
                _ => from.sums_apart::<S, V, 2>(s, [0, 2], [0, 2, 3]),
            };
            // z is needed last, when r has become n.
            let [z] = from.sums::<S, 1, V, 2>(s, [1]);
            [r, ahead, n, z]
        }
    }

    /// n = tanh(ahead + σ(r)·n); h ← (1 − σ(z))·n + σ(z)·h over the product of the lower halves.
    #[inline(always)]
    fn finish<S: Simd, const N: usize>(
        s: S,
        [r, ahead, n, z]: [[S::V; N]; 4],
        state: &mut [S::V; N],
    ) -> [S::V; N] {
        let r = sigmoid_fractions(s, r);
        let mut inner = n;
        for i in 0..N {
            let above = s.fma(r.above[i], n[i], s.mul(ahead[i], r.below[i]));
            inner[i] = s.div(above, r.below[i]);
        }
        let z = sigmoid_fractions(s, z);
        let t = tanh_fractions(s, inner);
        for i in 0..N {
            let new = s.mul(s.sub(z.below[i], z.above[i]), t.above[i]);
            let above = s.fma(s.mul(z.above[i], state[i]), t.below[i], new);
            state[i] = s.div(above, s.mul(z.below[i], t.below[i]));
        }
        *state
    }
}
