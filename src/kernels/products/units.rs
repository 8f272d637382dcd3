//! The three products of the recurrent cells, on vectors of units, where one moment must be
//! finished before the next begins and so time cannot be the vector's lanes:
//!
//! - [`GateWeights::sums`]: what goes into the gates, from x and h, of a few items at once so that
//!   each weight loaded serves all of them, and left in registers, since a cell's arithmetic
//!   follows at once;
//! - [`Multiply`]: back from the gates' gradients to those of h or x;
//! - [`OuterProducts`]: sums[j] += Σ_n a[n][j] · b[n], the weights' gradient over moments and
//!   items.
//!
//! Units come in lines of [`LINE`], the last one padded: within a line the gates lie one after the
//! other, `[line][gate][LINE]`, so that all gates of a vector of units are near each other. A step
//! has up to [`SUMS`] sums per unit. Those of x are the first of them, those of h the last: an
//! LSTM's are the same four, a GRU's n has one of its own from either.
//!
//! This module knows nothing of cells.

use crate::kernels::memory::{LINE, padded};
use crate::simd::{Kernel, Simd};

/// Items that go through time together.
pub(crate) const ITEMS: usize = 4;
/// Sums per unit.
pub(crate) const SUMS: usize = 4;

/// Sixteen weights that do not straddle two cache lines: loads that do take twice as long.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Lines of weights, `weight(line, lane)`.
fn lines(count: usize, weight: impl Fn(usize, usize) -> f32) -> Vec<Line> {
    let line = |at: usize| Line(std::array::from_fn(|lane| weight(at, lane)));
    (0..count).map(line).collect()
}

/// The weights that lead to the gates: of each line of units the biases `[SUMS][LINE]`, then those
/// of x `[input][gate][LINE]` and of h `[unit][gate][LINE]`.
pub(crate) struct GateWeights {
    inputs: usize,
    units: usize,
    gates: usize,
    values: Vec<Line>,
}

impl GateWeights {
    /// With `bias(sum, unit)`, and `weight(tap, gate, unit)` for x and then h as taps, gates in the
    /// order of the sums.
    pub fn new(
        [inputs, units, gates]: [usize; 3],
        bias: impl Fn(usize, usize) -> f32,
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> GateWeights {
        let pitch = SUMS + (inputs + units) * gates;
        let values = lines(units.div_ceil(LINE) * pitch, |at, lane| {
            let (unit, at) = (at / pitch * LINE + lane, at % pitch);
            match at.checked_sub(SUMS) {
                _ if unit >= units => 0.0,
                None => bias(at, unit),
                Some(at) => weight(at / gates, at % gates, unit),
            }
        });
        GateWeights {
            inputs,
            units,
            gates,
            values,
        }
    }

    /// The sums of the units from `unit` on, for `G` items whose x and h lie every so many floats.
    ///
    /// # Safety
    /// There are `N` gates, `unit` is a multiple of the lanes and one of the units, and x and h
    /// hold as many items.
    #[inline(always)]
    pub unsafe fn sums<S: Simd, const N: usize, const G: usize>(
        &self,
        s: S,
        unit: usize,
        (x, x_stride): (*const f32, usize),
        (h, h_stride): (*const f32, usize),
    ) -> [[S::V; G]; SUMS] {
        debug_assert!(N == self.gates && unit < self.units);
        let pitch = SUMS + (self.inputs + self.units) * N;
        let lines = self.values.as_ptr().cast::<f32>();
        // SAFETY: the unit's line holds the biases and as many taps as are walked through; the
        // caller vouches for the rest.
        unsafe {
            let mut weights = lines.add(unit / LINE * pitch * LINE + unit % LINE);
            let mut sums = [[s.zero(); G]; SUMS];
            for (v, sums) in sums.iter_mut().enumerate() {
                *sums = [s.load_ptr(weights.add(v * LINE)); G];
            }
            weights = weights.add(SUMS * LINE);
            for j in 0..self.inputs {
                add_tap::<S, N, G>(s, &mut sums, 0, weights, x.add(j), x_stride);
                weights = weights.add(N * LINE);
            }
            for j in 0..self.units {
                add_tap::<S, N, G>(s, &mut sums, SUMS - N, weights, h.add(j), h_stride);
                weights = weights.wrapping_add(N * LINE);
            }
            sums
        }
    }
}

/// Adds a tap to `N` sums of each item from `first` on.
///
/// # Safety
/// `input` holds `G` items, `weights` `N` lines.
#[inline(always)]
unsafe fn add_tap<S: Simd, const N: usize, const G: usize>(
    s: S,
    sums: &mut [[S::V; G]; SUMS],
    first: usize,
    weights: *const f32,
    input: *const f32,
    stride: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut w = [s.zero(); N];
        for v in 0..N {
            w[v] = s.load_ptr(weights.add(v * LINE));
        }
        for g in 0..G {
            let x = s.splat(*input.add(g * stride));
            for v in 0..N {
                sums[first + v][g] = s.fma(x, w[v], sums[first + v][g]);
            }
        }
    }
}

/// Items of [`SUMS`] sums each that the registers hold, beside what the sums are made of.
pub(crate) const fn items_at_once<S: Simd>() -> usize {
    if S::REGISTERS >= 32 { 4 } else { 2 }
}

/// Calls `$body` for groups of at most `$most` (up to 4) of `$items`, `$first` the first of them
/// and `$G` their number.
macro_rules! each_group {
    ($most:expr, $items:expr, |$first:ident, $G:ident| $body:block) => {{
        let (most, items): (usize, usize) = ($most, $items);
        let mut $first = 0;
        while $first < items {
            let group = most.min(items - $first);
            match group {
                4 => {
                    const $G: usize = 4;
                    $body
                }
                3 => {
                    const $G: usize = 3;
                    $body
                }
                2 => {
                    const $G: usize = 2;
                    $body
                }
                _ => {
                    const $G: usize = 1;
                    $body
                }
            }
            $first += group;
        }
    }};
}
pub(crate) use each_group;

/// The weights back from the gates: `[line][gate][unit of the line][output]`, outputs padded.
pub(crate) struct BackWeights {
    units: usize,
    gates: usize,
    width: usize,
    values: Vec<Line>,
}

impl BackWeights {
    /// With `weight(gate, unit, output)`.
    pub fn new(
        [units, gates, outputs]: [usize; 3],
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> BackWeights {
        let width = padded(outputs);
        let across = width / LINE;
        let values = lines(padded(units) * gates * across, |at, lane| {
            let (at, output) = (at / across, at % across * LINE + lane);
            let (at, unit) = (at / LINE, at % LINE);
            let (gate, unit) = (at % gates, at / gates * LINE + unit);
            match unit < units && output < outputs {
                true => weight(gate, unit, output),
                false => 0.0,
            }
        });
        BackWeights {
            units,
            gates,
            width,
            values,
        }
    }

    /// Floats of an output row.
    pub fn width(&self) -> usize {
        self.width
    }
}

/// output[row] (+)= Σ input[row][line][gate][unit] · weights[line][gate][unit].
pub(crate) struct Multiply<'a> {
    /// The weights.
    pub weights: &'a BackWeights,
    /// Of each row, lines of `pitch` floats with the gates' gradients first.
    pub input: &'a [f32],
    /// Floats from line to line.
    pub pitch: usize,
    /// Floats from row to row.
    pub input_stride: usize,
    /// Rows as wide as the weights.
    pub output: &'a mut [f32],
    /// How many rows.
    pub rows: usize,
    /// Whether to add to what the output holds.
    pub add: bool,
}

impl Kernel for &mut Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if self.rows == 0 {
            return;
        }
        let lines = self.weights.units.div_ceil(LINE);
        let row = (lines - 1) * self.pitch + self.weights.gates * LINE;
        assert!(self.input.len() >= (self.rows - 1) * self.input_stride + row);
        assert!(self.output.len() >= self.rows * self.weights.width);
        let vectors = self.weights.width / S::LANES;
        let tiles = vectors.div_ceil(3);
        each_group!(4, self.rows, |row, G| {
            let mut at = 0;
            for tile in 0..tiles {
                let width = (vectors - at).div_ceil(tiles - tile);
                let column = at * S::LANES;
                // SAFETY: the lengths were checked above; the group's rows are rows, the vectors
                // lie within the width.
                unsafe {
                    match width {
                        3 => multiply_tile::<S, G, 3>(s, self, row, column),
                        2 => multiply_tile::<S, G, 2>(s, self, row, column),
                        _ => multiply_tile::<S, G, 1>(s, self, row, column),
                    }
                }
                at += width;
            }
        });
    }
}

/// `G` rows from `row` on, `V` vectors from `column` on.
///
/// # Safety
/// `task`'s slices are as long as its fields say; the rows and columns exist.
#[inline(always)]
unsafe fn multiply_tile<S: Simd, const G: usize, const V: usize>(
    s: S,
    task: &mut Multiply<'_>,
    row: usize,
    column: usize,
) {
    let BackWeights {
        units,
        gates,
        width,
        ..
    } = *task.weights;
    // With registers to spare even and odd units are summed apart: with half as many sums each
    // multiply-add would wait for the one before.
    let apart = usize::from(S::REGISTERS >= 32);
    // SAFETY: the caller's promise. The odd unit behind the last lies in the padding.
    unsafe {
        let output = task.output.as_mut_ptr().add(row * width + column);
        let mut sums = [[[s.zero(); V]; G]; 2];
        if task.add {
            for g in 0..G {
                for v in 0..V {
                    sums[0][g][v] = s.load_ptr(output.add(g * width + v * S::LANES));
                }
            }
        }
        let weights = task.weights.values.as_ptr().cast::<f32>().add(column);
        let input = task.input.as_ptr().add(row * task.input_stride);
        for line in 0..units.div_ceil(LINE) {
            let lanes = LINE.min(units - line * LINE);
            for gate in 0..gates {
                let mut weights = weights.add((line * gates + gate) * LINE * width);
                let input = input.add(line * task.pitch + gate * LINE);
                for lane in (0..lanes).step_by(2) {
                    for odd in 0..2 {
                        let mut w = [s.zero(); V];
                        for v in 0..V {
                            w[v] = s.load_ptr(weights.add(v * S::LANES));
                        }
                        let sums = &mut sums[odd * apart];
                        for g in 0..G {
                            let d = s.splat(*input.add(g * task.input_stride + lane + odd));
                            for v in 0..V {
                                sums[g][v] = s.fma(d, w[v], sums[g][v]);
                            }
                        }
                        weights = weights.wrapping_add(width);
                    }
                }
            }
        }
        for g in 0..G {
            for v in 0..V {
                let sum = s.add(sums[0][g][v], sums[1][g][v]);
                s.store_ptr(output.add(g * width + v * S::LANES), sum);
            }
        }
    }
}

/// sums[j] += Σ_n a[n][j] · b[n].
pub(crate) struct OuterProducts<'a> {
    /// Rows of `taps` numbers, every `a_stride` floats.
    pub a: &'a [f32],
    /// See `a`.
    pub a_stride: usize,
    /// How many columns of a.
    pub taps: usize,
    /// Rows of `gates` lines, every `b_stride` floats.
    pub b: &'a [f32],
    /// See `b`.
    pub b_stride: usize,
    /// How many lines, 3 or 4.
    pub gates: usize,
    /// How many rows.
    pub count: usize,
    /// `[taps][gates][LINE]`.
    pub sums: &'a mut [f32],
}

impl Kernel for &mut OuterProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if self.count == 0 {
            return;
        }
        let (last, width) = (self.count - 1, self.gates * LINE);
        assert!(self.a.len() >= last * self.a_stride + self.taps);
        assert!(self.b.len() >= last * self.b_stride + width);
        assert!(self.sums.len() >= self.taps * width);
        // SAFETY: the lengths were checked above.
        unsafe {
            match self.gates {
                4 => outer_tiles::<S, 4>(s, self),
                3 => outer_tiles::<S, 3>(s, self),
                gates => panic!("outer products of {gates} gates"),
            }
        }
    }
}

/// # Safety
/// `task`'s slices are as long as its fields say, and it has `V` gates.
#[inline(always)]
unsafe fn outer_tiles<S: Simd, const V: usize>(s: S, task: &mut OuterProducts<'_>) {
    // Twenty-four sums of 32 registers; of 16 as many as leave room for b and one of a.
    let most = match (S::REGISTERS, V) {
        (32.., _) => 24 / V,
        (_, 3) => 4,
        _ => 2,
    };
    let tiles = task.taps.div_ceil(most);
    let mut tap = 0;
    for tile in 0..tiles {
        let taps = (task.taps - tap).div_ceil(tiles - tile);
        for column in (0..V * LINE).step_by(V * S::LANES) {
            // SAFETY: the taps and columns exist.
            unsafe {
                match taps {
                    8 => outer_tile::<S, 8, V>(s, task, tap, column),
                    7 => outer_tile::<S, 7, V>(s, task, tap, column),
                    6 => outer_tile::<S, 6, V>(s, task, tap, column),
                    5 => outer_tile::<S, 5, V>(s, task, tap, column),
                    4 => outer_tile::<S, 4, V>(s, task, tap, column),
                    3 => outer_tile::<S, 3, V>(s, task, tap, column),
                    2 => outer_tile::<S, 2, V>(s, task, tap, column),
                    _ => outer_tile::<S, 1, V>(s, task, tap, column),
                }
            }
        }
        tap += taps;
    }
}

/// `J` taps from `tap` on against `V` vectors from `column` on.
///
/// # Safety
/// As [`outer_tiles`]; the taps and columns exist.
#[inline(always)]
unsafe fn outer_tile<S: Simd, const J: usize, const V: usize>(
    s: S,
    task: &mut OuterProducts<'_>,
    tap: usize,
    column: usize,
) {
    let width = V * LINE;
    // SAFETY: the caller's promise.
    unsafe {
        let to = task.sums.as_mut_ptr().add(tap * width + column);
        let mut sums = [[s.zero(); V]; J];
        for j in 0..J {
            for v in 0..V {
                sums[j][v] = s.load_ptr(to.add(j * width + v * S::LANES));
            }
        }
        let mut a = task.a.as_ptr().add(tap);
        let mut b = task.b.as_ptr().add(column);
        for _ in 0..task.count {
            let mut row = [s.zero(); V];
            for v in 0..V {
                row[v] = s.load_ptr(b.add(v * S::LANES));
            }
            for j in 0..J {
                let x = s.splat(*a.add(j));
                for v in 0..V {
                    sums[j][v] = s.fma(x, row[v], sums[j][v]);
                }
            }
            a = a.wrapping_add(task.a_stride);
            b = b.wrapping_add(task.b_stride);
        }
        for j in 0..J {
            for v in 0..V {
                s.store_ptr(to.add(j * width + v * S::LANES), sums[j][v]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Isa;

    fn number(seed: usize) -> f32 {
        ((seed * 7919) % 1009) as f32 / 504.0 - 1.0
    }

    /// Sums of every unit and item as [`GateWeights::sums`] gives them, `[item][unit][SUMS]`.
    struct AllSums<'a> {
        weights: &'a GateWeights,
        items: usize,
        x: &'a [f32],
        h: &'a [f32],
    }

    impl AllSums<'_> {
        #[inline(always)]
        fn with<S: Simd, const N: usize>(self, s: S) -> Vec<f32> {
            let GateWeights { inputs, units, .. } = *self.weights;
            let mut all = vec![f32::NAN; self.items * units * SUMS];
            for u in (0..units).step_by(S::LANES) {
                each_group!(items_at_once::<S>(), self.items, |first, G| {
                    let x = (self.x[first * inputs..].as_ptr(), inputs);
                    let h = (self.h[first * units..].as_ptr(), units);
                    // SAFETY: x and h hold `items` rows.
                    let sums = unsafe { self.weights.sums::<S, N, G>(s, u, x, h) };
                    for (at, sums) in sums.into_iter().enumerate() {
                        for (g, sum) in sums.into_iter().enumerate() {
                            let mut lanes = [0.0; LINE];
                            s.store(&mut lanes, sum);
                            for unit in u..units.min(u + S::LANES) {
                                all[((first + g) * units + unit) * SUMS + at] = lanes[unit - u];
                            }
                        }
                    }
                });
            }
            all
        }
    }

    impl Kernel for AllSums<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Vec<f32> {
            match self.weights.gates {
                4 => self.with::<S, 4>(s),
                _ => self.with::<S, 3>(s),
            }
        }
    }

    const SHAPES: [[usize; 3]; 6] = [
        [1, 1, 1],
        [2, 3, 16],
        [3, 1, 9],
        [4, 2, 32],
        [5, 17, 40],
        [7, 1, 33],
    ];

    fn close(what: &str, got: f32, exact: f64, terms: usize) {
        let bound = f64::from(f32::EPSILON) * ((terms + 4) * (terms + 4)) as f64;
        assert!(
            (f64::from(got) - exact).abs() < bound,
            "{what}: {got} for {exact}"
        );
    }

    #[test]
    fn sums_equal_their_sums_written_out() {
        for ([items, inputs, units], gates) in SHAPES.into_iter().flat_map(|s| [(s, 3), (s, 4)]) {
            let bias = |sum: usize, unit: usize| number(sum * 5 + unit);
            let weight = |tap: usize, gate: usize, unit: usize| number(tap * 31 + gate * 7 + unit);
            let weights = GateWeights::new([inputs, units, gates], bias, weight);
            let x: Vec<f32> = (0..items * inputs).map(number).collect();
            let h: Vec<f32> = (0..items * units).map(|at| number(at + 99)).collect();
            for isa in Isa::available() {
                let got = isa.run(AllSums {
                    weights: &weights,
                    items,
                    x: &x,
                    h: &h,
                });
                for (at, &got) in got.iter().enumerate() {
                    let (item, unit, sum) = (at / SUMS / units, at / SUMS % units, at % SUMS);
                    let product = |value: f32, tap: usize, gate: Option<usize>| {
                        let gate = gate.filter(|&gate| gate < gates);
                        gate.map_or(0.0, |g| f64::from(value) * f64::from(weight(tap, g, unit)))
                    };
                    let of_x = (0..inputs).map(|j| product(x[item * inputs + j], j, Some(sum)));
                    let of_h = (0..units).map(|j| {
                        let gate = sum.checked_sub(SUMS - gates);
                        product(h[item * units + j], inputs + j, gate)
                    });
                    let exact = f64::from(bias(sum, unit)) + of_x.chain(of_h).sum::<f64>();
                    let what = format!("{isa} {items} {inputs} {units} {gates} [{at}]");
                    close(&what, got, exact, inputs + units);
                }
            }
        }
    }

    #[test]
    fn products_back_equal_their_sums_written_out() {
        for ([rows, outputs, units], gates) in SHAPES.into_iter().flat_map(|s| [(s, 3), (s, 4)]) {
            let weight = |gate: usize, unit: usize, out: usize| number(gate * 31 + unit * 3 + out);
            let weights = BackWeights::new([units, gates, outputs], weight);
            let (pitch, width) = (5 * LINE, weights.width());
            let stride = units.div_ceil(LINE) * pitch;
            let at = |row: usize, gate: usize, unit: usize| {
                row * stride + unit / LINE * pitch + gate * LINE + unit % LINE
            };
            let mut input = vec![0.0; rows * stride];
            for (row, gate, unit) in each([rows, gates, units]) {
                input[at(row, gate, unit)] = number(row + gate * 5 + unit * 11);
            }
            for (isa, add) in Isa::available()
                .into_iter()
                .flat_map(|i| [(i, true), (i, false)])
            {
                let mut output = vec![1.0; rows * width];
                isa.run(&mut Multiply {
                    weights: &weights,
                    input: &input,
                    pitch,
                    input_stride: stride,
                    output: &mut output,
                    rows,
                    add,
                });
                for (row, out) in (0..rows).flat_map(|row| (0..outputs).map(move |out| (row, out)))
                {
                    let products = each([1, gates, units]).map(|(_, gate, unit)| {
                        f64::from(input[at(row, gate, unit)]) * f64::from(weight(gate, unit, out))
                    });
                    let exact = f64::from(u8::from(add)) + products.sum::<f64>();
                    let what = format!("{isa} {rows} {outputs} {units} {gates} [{row}, {out}]");
                    close(&what, output[row * width + out], exact, gates * units);
                }
            }
        }
    }

    fn each([a, b, c]: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
        (0..a * b * c).map(move |at| (at / (b * c), at / c % b, at % c))
    }

    #[test]
    fn outer_products_equal_their_sums_written_out() {
        for ([count, _, taps], gates) in SHAPES.into_iter().flat_map(|s| [(s, 3), (s, 4)]) {
            let (width, a_stride, b_stride) = (gates * LINE, taps + 2, 5 * LINE);
            let a: Vec<f32> = (0..count * a_stride).map(number).collect();
            let b: Vec<f32> = (0..count * b_stride).map(|at| number(at + 5)).collect();
            for isa in Isa::available() {
                let mut sums = vec![0.5; taps * width];
                isa.run(&mut OuterProducts {
                    a: &a,
                    a_stride,
                    taps,
                    b: &b,
                    b_stride,
                    gates,
                    count,
                    sums: &mut sums,
                });
                for (at, &got) in sums.iter().enumerate() {
                    let (tap, column) = (at / width, at % width);
                    let product = |n: usize| {
                        f64::from(a[n * a_stride + tap]) * f64::from(b[n * b_stride + column])
                    };
                    let exact = 0.5 + (0..count).map(product).sum::<f64>();
                    close(
                        &format!("{isa} {count} {taps} {gates} [{at}]"),
                        got,
                        exact,
                        count,
                    );
                }
            }
        }
    }
}
