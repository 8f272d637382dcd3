//! Weights times rows: output row m = Σ over taps j of weight(m, j) · input row j. A convolution is
//! this with tap (i, k) = input row i read k·dilation later; a 1×1 convolution has one tap per row.
//!
//! A tile of results stays in registers (for 32 registers 8 rows × 3 vectors), so that each value
//! loaded serves several multiply-adds. Callers cut time into blocks that stay in cache. Knows
//! nothing of layers.

use super::aside::{Aside, Copying, Fetching};
use super::copies::CopyRows;
use super::rows::{Rows, RowsMut, furthest, load, store};
use crate::simd::{Isa, Kernel, Simd};

/// The widths rows are grouped in for packing, widest first.
const GROUPS: [usize; 4] = [8, 4, 2, 1];

/// A weight matrix in the order [`Combine`] reads it: rows in groups of 8, then at most one each
/// of 4, 2 and 1; within a group tap by tap.
pub(crate) struct Packed {
    rows: usize,
    taps: usize,
    values: Vec<f32>,
}

impl Packed {
    /// Packs `weight(row, tap)`.
    pub fn new(rows: usize, taps: usize, weight: impl Fn(usize, usize) -> f32) -> Packed {
        let mut values = Vec::with_capacity(rows * taps);
        for (first, width) in groups(rows) {
            for tap in 0..taps {
                values.extend((first..first + width).map(|row| weight(row, tap)));
            }
        }
        Packed { rows, taps, values }
    }

    /// How many output rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// The groups of `rows` rows: (first row, width).
fn groups(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let width = *GROUPS.iter().find(|&&width| first + width <= rows)?;
        first += width;
        Some((first - width, width))
    })
}

/// What an output row holds before the taps are added.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a> {
    /// Nothing.
    Zero,
    /// One number per row.
    Bias(&'a [f32]),
    /// These rows.
    Rows(Rows<'a>),
    /// These rows, plus one number per row.
    RowsAndBias(Rows<'a>, &'a [f32]),
    /// What it already holds.
    Itself,
}

/// Output row m (+)= Σ_j weight(m, j) · input[tap j .. tap j + len].
pub(crate) struct Combine<'a> {
    /// The weights.
    pub weights: &'a Packed,
    /// The input; tap j reads it from float `taps[j]` on.
    pub input: &'a [f32],
    /// Where each tap's row starts in `input`.
    pub taps: &'a [usize],
    /// What to add to.
    pub start: Start<'a>,
    /// As many rows as the weights; their length is the time computed.
    pub output: RowsMut<'a>,
}

impl Combine<'_> {
    /// Computes it.
    pub fn run(self, isa: Isa) {
        self.run_ahead(isa, &[]);
    }

    /// Computes it, asking meanwhile for `ahead` to be brought into the second-level cache.
    pub fn run_ahead(self, isa: Isa, ahead: &[f32]) {
        // By reference: copying the structs would stall on their just written fields.
        isa.run(&mut Beside {
            task: &self,
            aside: Fetching::new(ahead),
        });
    }

    /// Computes it, copying meanwhile.
    pub fn run_copying(self, isa: Isa, copy: CopyRows<'_>) {
        isa.run(&mut Beside {
            task: &self,
            aside: Copying::new(copy),
        });
    }

    /// Inlined, so that the search for the last tap is vector code too.
    #[inline(always)]
    fn check(&self) {
        assert_eq!(self.taps.len(), self.weights.taps);
        assert_eq!(self.output.rows, self.weights.rows);
        let len = self.output.len;
        assert!(furthest(self.taps) <= self.input.len().saturating_sub(len));
        assert!(self.taps.is_empty() || len <= self.input.len());
        match self.start {
            Start::Bias(bias) => assert_eq!(bias.len(), self.output.rows),
            Start::Rows(rows) => assert!(rows.hold(self.output.rows, len)),
            Start::RowsAndBias(rows, bias) => {
                assert!(rows.hold(self.output.rows, len));
                assert_eq!(bias.len(), self.output.rows);
            }
            Start::Zero | Start::Itself => {}
        }
    }
}

/// A task and what is done beside it.
struct Beside<'a, A> {
    task: &'a Combine<'a>,
    aside: A,
}

impl<A: Aside> Kernel for &mut Beside<'_, A> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Beside { task, aside } = self;
        task.check();
        let mut offset = 0;
        for (first, width) in groups(task.weights.rows) {
            let weights = task.weights.values[offset..].as_ptr();
            offset += width * task.weights.taps;
            // SAFETY: `check` held every row and tap to its bounds, and a group's weights are
            // `width` per tap.
            unsafe {
                match (width, S::REGISTERS >= 32) {
                    (8, true) => strip::<S, A, 8, 3>(s, task, aside, weights, 8, first),
                    (8, false) => {
                        strip::<S, A, 4, 3>(s, task, aside, weights, 8, first);
                        strip::<S, A, 4, 3>(s, task, aside, weights.wrapping_add(4), 8, first + 4);
                    }
                    (4, true) => strip::<S, A, 4, 6>(s, task, aside, weights, 4, first),
                    (4, false) => strip::<S, A, 4, 3>(s, task, aside, weights, 4, first),
                    (2, _) => strip::<S, A, 2, 6>(s, task, aside, weights, 2, first),
                    _ => strip::<S, A, 1, 6>(s, task, aside, weights, 1, first),
                }
            }
        }
        aside.finish(s);
    }
}

/// `M` output rows from row `first` on, all their time, in tiles of `M` × `V` registers.
///
/// # Safety
/// `task` passed its check; `weights` holds `M` weights per tap, every `stride` floats.
#[inline(always)]
unsafe fn strip<S: Simd, A: Aside, const M: usize, const V: usize>(
    s: S,
    task: &Combine<'_>,
    aside: &mut A,
    weights: *const f32,
    stride: usize,
    first: usize,
) {
    let len = task.output.len;
    let mut t = 0;
    // SAFETY: every tile lies within `len`; the rest is the caller's promise.
    unsafe {
        while t + V * S::LANES <= len {
            tile::<S, A, M, V, true>(s, task, aside, weights, stride, first, t, S::LANES);
            t += V * S::LANES;
        }
        while t + S::LANES <= len {
            tile::<S, A, M, 1, true>(s, task, aside, weights, stride, first, t, S::LANES);
            t += S::LANES;
        }
        if t < len {
            tile::<S, A, M, 1, false>(s, task, aside, weights, stride, first, t, len - t);
        }
    }
}

/// One register tile: `M` rows × `V` vectors from sample `t` on; `V` = 1 and only `part` samples
/// of the vector unless `FULL`.
///
/// # Safety
/// As [`strip`], and the tile's samples lie within the rows.
#[expect(
    clippy::too_many_arguments,
    reason = "inlined: these are the registers of one loop"
)]
#[inline(always)]
unsafe fn tile<S: Simd, A: Aside, const M: usize, const V: usize, const FULL: bool>(
    s: S,
    task: &Combine<'_>,
    aside: &mut A,
    weights: *const f32,
    stride: usize,
    first: usize,
    t: usize,
    part: usize,
) {
    let mut sums = [[s.zero(); V]; M];
    // SAFETY: the caller's promise.
    unsafe {
        let output = task.output.data.add(first * task.output.stride + t);
        match task.start {
            Start::Zero => {}
            Start::Bias(bias) => {
                for m in 0..M {
                    sums[m] = [s.splat(*bias.get_unchecked(first + m)); V];
                }
            }
            Start::Rows(rows) => {
                let from = rows.data.as_ptr().add(first * rows.stride + t);
                for m in 0..M {
                    for v in 0..V {
                        let from = from.add(m * rows.stride + v * S::LANES);
                        sums[m][v] = load::<S, FULL>(s, part, from);
                    }
                }
            }
            Start::RowsAndBias(rows, bias) => {
                let from = rows.data.as_ptr().add(first * rows.stride + t);
                for m in 0..M {
                    let bias = s.splat(*bias.get_unchecked(first + m));
                    for v in 0..V {
                        let from = from.add(m * rows.stride + v * S::LANES);
                        sums[m][v] = s.add(bias, load::<S, FULL>(s, part, from));
                    }
                }
            }
            Start::Itself => {
                for m in 0..M {
                    for v in 0..V {
                        sums[m][v] = load::<S, FULL>(
                            s,
                            part,
                            output.add(m * task.output.stride + v * S::LANES),
                        );
                    }
                }
            }
        }
        let mut weights = weights;
        // Where the next tile writes, row by row: asked for a line per tap, since all at once
        // would leave none of the processor's few places for misses to the taps themselves.
        let mut next = output.wrapping_add(V * S::LANES);
        // And where it starts from.
        let (mut begin, begin_stride) = match task.start {
            Start::Rows(rows) | Start::RowsAndBias(rows, _) => {
                let from = rows.data.as_ptr().add(first * rows.stride + t);
                (from.wrapping_add(V * S::LANES), rows.stride)
            }
            _ => (next.cast_const(), task.output.stride),
        };
        for (m, taps) in task.taps.chunks(V).enumerate() {
            for (v, &tap) in taps.iter().enumerate() {
                if V > 1 && m < M {
                    s.prefetch_to_write(next.wrapping_add(v * S::LANES));
                    s.prefetch(begin.wrapping_add(v * S::LANES));
                }
                if V > 1 && first == 0 {
                    aside.step(s);
                }
                let from = task.input.as_ptr().add(tap + t);
                let mut x = [s.zero(); V];
                for v in 0..V {
                    x[v] = load::<S, FULL>(s, part, from.add(v * S::LANES));
                    // The first group of rows to meet the input finds it far away, and there are
                    // too many rows for the processor to foresee: ask for the next tile's part.
                    if first == 0 && V > 1 {
                        s.prefetch(from.wrapping_add((V + v) * S::LANES));
                    }
                }
                for m in 0..M {
                    let w = s.splat(*weights.add(m));
                    for v in 0..V {
                        sums[m][v] = s.fma(w, x[v], sums[m][v]);
                    }
                }
                weights = weights.wrapping_add(stride);
            }
            next = next.wrapping_add(task.output.stride);
            begin = begin.wrapping_add(begin_stride);
        }
        for m in 0..M {
            for v in 0..V {
                let to = output.add(m * task.output.stride + v * S::LANES);
                store::<S, FULL>(s, part, to, sums[m][v]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::copies::finish_copies;
    use super::super::row_products::RowProducts;
    use super::*;

    fn noise(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    #[test]
    fn groups_cover_every_row_once() {
        for rows in 0..40 {
            let mut next = 0;
            for (first, width) in groups(rows) {
                assert_eq!(first, next);
                next += width;
            }
            assert_eq!(next, rows);
        }
    }

    #[test]
    fn combine_and_row_products_equal_their_sums_written_out() {
        for isa in Isa::available() {
            for (rows, taps, len) in [
                (1, 1, 1),
                (2, 3, 17),
                (5, 4, 48),
                (8, 7, 100),
                (15, 13, 131),
                (23, 2, 67),
            ] {
                let weights = noise(rows * taps, 1);
                let input = noise(taps * 5 + len, 2);
                let offsets: Vec<usize> = (0..taps).map(|j| (j * 7) % (taps * 5)).collect();
                let bias = noise(rows, 3);
                let stride = len + 3;
                let mut output = vec![9.0; rows * stride];
                Combine {
                    weights: &Packed::new(rows, taps, |m, j| weights[m * taps + j]),
                    input: &input,
                    taps: &offsets,
                    start: Start::Bias(&bias),
                    output: RowsMut::new(&mut output, stride, rows, len),
                }
                .run(isa);
                let mut products = vec![0.0; rows * taps];
                RowProducts {
                    gradient: Rows::new(&output, stride),
                    rows,
                    input: &input,
                    taps: &offsets,
                    len,
                    products: &mut products,
                }
                .run(isa);
                for m in 0..rows {
                    for t in 0..len {
                        let exact: f64 = (0..taps)
                            .map(|j| {
                                f64::from(weights[m * taps + j]) * f64::from(input[offsets[j] + t])
                            })
                            .sum();
                        let got = f64::from(output[m * stride + t]);
                        // `taps` roundings of sums below `taps` + 1.
                        let bound = f64::from(f32::EPSILON) * ((taps + 1) * (taps + 1)) as f64;
                        assert!(
                            (got - exact - f64::from(bias[m])).abs() <= bound,
                            "{isa} {rows} {taps} {len}"
                        );
                    }
                    assert!(
                        output[m * stride + len..(m + 1) * stride]
                            .iter()
                            .all(|&x| x == 9.0)
                    );
                    for j in 0..taps {
                        let exact: f64 = (0..len)
                            .map(|t| {
                                f64::from(output[m * stride + t]) * f64::from(input[offsets[j] + t])
                            })
                            .sum();
                        let got = f64::from(products[m * taps + j]);
                        let bound = f64::from(f32::EPSILON) * (len * (taps + 1)) as f64;
                        assert!((got - exact).abs() <= bound, "{isa} {rows} {taps} {len}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_copied_beside_is_copied_whole() {
        for isa in Isa::available() {
            // The last two: one whole register, at addresses that are no register's.
            let shapes = [
                (1, 1, 16, 0),
                (3, 96, 96, 0),
                (5, 37, 48, 3),
                (4, 16, 17, 1),
                (4, 8, 9, 1),
            ];
            for (rows, len, stride, first) in shapes {
                let (from, input) = (noise(rows * stride, 1), noise(100, 2));
                let packed = Packed::new(3, 2, |m, j| (m + j) as f32);
                let run = |copy: Option<CopyRows<'_>>| {
                    let mut output = vec![0.0; 300];
                    let combine = Combine {
                        weights: &packed,
                        input: &input,
                        taps: &[0, 1],
                        start: Start::Zero,
                        output: RowsMut::new(&mut output, 100, 3, 99),
                    };
                    match copy {
                        Some(copy) => combine.run_copying(isa, copy),
                        None => combine.run_ahead(isa, &input),
                    }
                    output
                };
                let mut to = vec![9.0; first + rows * stride];
                let copy = CopyRows {
                    from: Rows::new(&from, stride),
                    to: RowsMut::new(&mut to[first..], stride, rows, len),
                };
                assert_eq!(run(Some(copy)), run(None));
                let mut again = vec![9.0; to.len()];
                CopyRows {
                    from: Rows::new(&from, stride),
                    to: RowsMut::new(&mut again[first..], stride, rows, len),
                }
                .run(isa);
                finish_copies(isa);
                assert_eq!(to, again);
                for (row, to) in to[first..].chunks(stride).enumerate() {
                    assert_eq!(to[..len], from[row * stride..][..len]);
                    assert!(to[len..].iter().all(|&x| x == 9.0));
                }
            }
        }
    }

    #[test]
    fn combine_starts_from_what_it_is_told() {
        let input = noise(20, 1);
        let residual = noise(40, 2);
        let packed = Packed::new(2, 1, |_, _| 2.0);
        let run = |start: Start<'_>| {
            let mut output = vec![1.0; 40];
            Combine {
                weights: &packed,
                input: &input,
                taps: &[0],
                start,
                output: RowsMut::new(&mut output, 20, 2, 20),
            }
            .run(Isa::detect());
            output
        };
        for (i, &x) in input.iter().enumerate() {
            assert_eq!(run(Start::Zero)[i], 2.0 * x);
            assert_eq!(run(Start::Itself)[20 + i], 2.0f32.mul_add(x, 1.0));
            assert_eq!(
                run(Start::Rows(Rows::new(&residual, 20)))[20 + i],
                2.0f32.mul_add(x, residual[20 + i])
            );
        }
    }
}
