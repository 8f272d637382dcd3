//! The two products of the recurrent cells, on vectors of units `[item][unit]`, where one moment
//! must be finished before the next begins and so time cannot be the vector's lanes:
//!
//! - [`Multiply`]: output[item] (+)= Σ_j input[item][j] · weights[j], a few items at once so that
//!   each weight loaded serves all of them;
//! - [`OuterProducts`]: sums[j] += Σ_n a[n][j] · b[n], the weights' gradient over moments and
//!   items.
//!
//! This module knows nothing of cells.

use crate::simd::{Kernel, Simd};

/// Items that are multiplied together.
pub(crate) const ITEMS: usize = 4;

/// A weight matrix `[tap][column]`, rows padded with zeros to whole cache lines.
pub(crate) struct Columns {
    taps: usize,
    width: usize,
    values: Vec<f32>,
}

impl Columns {
    /// With weight(tap, column).
    pub fn new(taps: usize, columns: usize, weight: impl Fn(usize, usize) -> f32) -> Columns {
        let width = super::scratch::padded(columns);
        let mut values = vec![0.0; taps * width];
        for (tap, row) in values.chunks_exact_mut(width).enumerate() {
            for (column, value) in row.iter_mut().take(columns).enumerate() {
                *value = weight(tap, column);
            }
        }
        Columns {
            taps,
            width,
            values,
        }
    }

    /// Floats of an output row.
    pub fn width(&self) -> usize {
        self.width
    }
}

/// output[item] = (itself, or nothing) + Σ_j input[item][j] · weights[j].
pub(crate) struct Multiply<'a> {
    /// The weights.
    pub weights: &'a Columns,
    /// The items' inputs, every `input_stride` floats, as many as the weights have taps.
    pub input: &'a [f32],
    /// See `input`.
    pub input_stride: usize,
    /// The items' outputs, every `output_stride` floats, as wide as the weights.
    pub output: &'a mut [f32],
    /// See `output`.
    pub output_stride: usize,
    /// How many, 1 to [`ITEMS`].
    pub items: usize,
    /// Whether to add to what the output holds.
    pub add: bool,
}

impl Kernel for &mut Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let last = self.items - 1;
        assert!(self.input.len() >= last * self.input_stride + self.weights.taps);
        assert!(self.output.len() >= last * self.output_stride + self.weights.width);
        // SAFETY: the lengths were checked above; a padded width is a multiple of every LANES.
        unsafe {
            match self.items {
                4 => multiply_tiles::<S, 4>(s, self),
                3 => multiply_tiles::<S, 3>(s, self),
                2 => multiply_tiles::<S, 2>(s, self),
                _ => multiply_tiles::<S, 1>(s, self),
            }
        }
    }
}

/// Vectors per tile: with four items, 24 sums of 32 registers or 12 of 16.
const fn widest<S: Simd>() -> usize {
    if S::REGISTERS >= 32 { 6 } else { 3 }
}

/// # Safety
/// `task`'s slices are as long as its fields say.
#[inline(always)]
unsafe fn multiply_tiles<S: Simd, const G: usize>(s: S, task: &mut Multiply<'_>) {
    let vectors = task.weights.width / S::LANES;
    let tiles = vectors.div_ceil(widest::<S>());
    let mut at = 0;
    for tile in 0..tiles {
        let width = (vectors - at).div_ceil(tiles - tile);
        // SAFETY: vectors `at..at + width` lie within the width.
        unsafe {
            match width {
                6 => multiply_tile::<S, G, 6>(s, task, at * S::LANES),
                5 => multiply_tile::<S, G, 5>(s, task, at * S::LANES),
                4 => multiply_tile::<S, G, 4>(s, task, at * S::LANES),
                3 => multiply_tile::<S, G, 3>(s, task, at * S::LANES),
                2 => multiply_tile::<S, G, 2>(s, task, at * S::LANES),
                _ => multiply_tile::<S, G, 1>(s, task, at * S::LANES),
            }
        }
        at += width;
    }
}

/// # Safety
/// As [`multiply_tiles`]; columns `column..column + V · LANES` exist.
#[inline(always)]
unsafe fn multiply_tile<S: Simd, const G: usize, const V: usize>(
    s: S,
    task: &mut Multiply<'_>,
    column: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let output = task.output.as_mut_ptr().add(column);
        let mut sums = [[s.zero(); V]; G];
        if task.add {
            for g in 0..G {
                for v in 0..V {
                    sums[g][v] = s.load_ptr(output.add(g * task.output_stride + v * S::LANES));
                }
            }
        }
        let input = task.input.as_ptr();
        let mut weights = task.weights.values.as_ptr().add(column);
        for j in 0..task.weights.taps {
            let mut w = [s.zero(); V];
            for v in 0..V {
                w[v] = s.load_ptr(weights.add(v * S::LANES));
            }
            for g in 0..G {
                let x = s.splat(*input.add(g * task.input_stride + j));
                for v in 0..V {
                    sums[g][v] = s.fma(x, w[v], sums[g][v]);
                }
            }
            weights = weights.wrapping_add(task.weights.width);
        }
        for g in 0..G {
            for v in 0..V {
                s.store_ptr(
                    output.add(g * task.output_stride + v * S::LANES),
                    sums[g][v],
                );
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
    /// Rows of `width` numbers, every `b_stride` floats.
    pub b: &'a [f32],
    /// See `b`.
    pub b_stride: usize,
    /// A padded number of columns.
    pub width: usize,
    /// How many rows.
    pub count: usize,
    /// `[taps][width]`.
    pub sums: &'a mut [f32],
}

impl Kernel for &mut OuterProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if self.count == 0 {
            return;
        }
        let last = self.count - 1;
        assert!(self.a.len() >= last * self.a_stride + self.taps);
        assert!(self.b.len() >= last * self.b_stride + self.width);
        assert!(self.sums.len() >= self.taps * self.width);
        let mut tap = 0;
        while tap < self.taps {
            // SAFETY: the lengths were checked above.
            unsafe {
                tap += match self.taps - tap {
                    4.. => outer_tiles::<S, 4>(s, self, tap),
                    _ => outer_tiles::<S, 1>(s, self, tap),
                };
            }
        }
    }
}

/// `J` taps from `tap` on against every column; gives `J`.
///
/// # Safety
/// `task`'s slices are as long as its fields say; the taps exist.
#[inline(always)]
unsafe fn outer_tiles<S: Simd, const J: usize>(
    s: S,
    task: &mut OuterProducts<'_>,
    tap: usize,
) -> usize {
    let vectors = task.width / S::LANES;
    let tiles = vectors.div_ceil(widest::<S>());
    let mut at = 0;
    for tile in 0..tiles {
        let width = (vectors - at).div_ceil(tiles - tile);
        // SAFETY: vectors `at..at + width` lie within the width.
        unsafe {
            match width {
                6 => outer_tile::<S, J, 6>(s, task, tap, at * S::LANES),
                5 => outer_tile::<S, J, 5>(s, task, tap, at * S::LANES),
                4 => outer_tile::<S, J, 4>(s, task, tap, at * S::LANES),
                3 => outer_tile::<S, J, 3>(s, task, tap, at * S::LANES),
                2 => outer_tile::<S, J, 2>(s, task, tap, at * S::LANES),
                _ => outer_tile::<S, J, 1>(s, task, tap, at * S::LANES),
            }
        }
        at += width;
    }
    J
}

/// # Safety
/// As [`outer_tiles`]; columns `column..column + V · LANES` exist.
#[inline(always)]
unsafe fn outer_tile<S: Simd, const J: usize, const V: usize>(
    s: S,
    task: &mut OuterProducts<'_>,
    tap: usize,
    column: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let to = task.sums.as_mut_ptr().add(tap * task.width + column);
        let mut sums = [[s.zero(); V]; J];
        for j in 0..J {
            for v in 0..V {
                sums[j][v] = s.load_ptr(to.add(j * task.width + v * S::LANES));
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
                s.store_ptr(to.add(j * task.width + v * S::LANES), sums[j][v]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Isa;

    #[test]
    fn products_equal_their_sums_written_out() {
        let number = |seed: usize| ((seed * 7919) % 1009) as f32 / 504.0 - 1.0;
        for isa in Isa::available() {
            for (items, taps, columns) in
                [(1, 1, 1), (2, 5, 16), (3, 7, 40), (4, 9, 128), (4, 33, 320)]
            {
                let weights = Columns::new(taps, columns, |j, c| number(j * 31 + c));
                let width = weights.width();
                let input: Vec<f32> = (0..items * (taps + 2)).map(number).collect();
                let mut output = vec![1.0; items * width];
                isa.run(&mut Multiply {
                    weights: &weights,
                    input: &input,
                    input_stride: taps + 2,
                    output: &mut output,
                    output_stride: width,
                    items,
                    add: true,
                });
                let mut sums = vec![0.5; taps * width];
                isa.run(&mut OuterProducts {
                    a: &input,
                    a_stride: taps + 2,
                    taps,
                    b: &output,
                    b_stride: width,
                    width,
                    count: items,
                    sums: &mut sums,
                });
                let x = |item: usize, j: usize| f64::from(input[item * (taps + 2) + j]);
                // `taps` roundings of sums below `taps` + 1; 4 of sums below 4 (taps + 1).
                let bound = f64::from(f32::EPSILON) * ((taps + 4) * (taps + 4)) as f64;
                for c in 0..columns {
                    for item in 0..items {
                        let exact: f64 = (0..taps)
                            .map(|j| x(item, j) * f64::from(number(j * 31 + c)))
                            .sum();
                        let got = f64::from(output[item * width + c]);
                        assert!(
                            (got - exact - 1.0).abs() < bound,
                            "{isa} {items} {taps} {columns}"
                        );
                    }
                    for j in 0..taps {
                        let exact: f64 = (0..items)
                            .map(|item| x(item, j) * f64::from(output[item * width + c]))
                            .sum();
                        let got = f64::from(sums[j * width + c]);
                        assert!(
                            (got - exact - 0.5).abs() < bound,
                            "{isa} {items} {taps} {columns}"
                        );
                    }
                }
            }
        }
    }
}
