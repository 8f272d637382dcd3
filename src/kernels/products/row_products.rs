//! Rows times rows, summed over time: product(m, j) = Σ over t of gradient row m · input row j,
//! which is the gradient of [`Combine`](super::combine::Combine)'s weight(m, j).
//!
//! A tile of sums stays in registers (for 32 registers 4 × 6), so that each value loaded serves
//! several multiply-adds. Knows nothing of layers.

use super::rows::{Rows, each_vector, furthest, load};
use crate::kernels::memory::ahead::{Ahead, Portions};
use crate::simd::{Isa, Kernel, Simd};

/// product(m, j) += Σ_t gradient row m [t] · input[tap j + t].
pub(crate) struct RowProducts<'a> {
    /// The rows of the one factor: the gradient, or the input where that is the one not shifted.
    pub gradient: Rows<'a>,
    /// How many.
    pub rows: usize,
    /// The other factor; tap j reads it from float `taps[j]` on.
    pub input: &'a [f32],
    /// Where each tap's row starts in `input`.
    pub taps: &'a [usize],
    /// How many samples.
    pub len: usize,
    /// The products `[row][tap]`.
    pub products: &'a mut [f32],
}

impl RowProducts<'_> {
    /// Computes it.
    pub fn run(self, isa: Isa) {
        self.run_ahead(isa, []);
    }

    /// Computes it, asking meanwhile for each of `ahead` to be brought into the second-level cache.
    pub fn run_ahead<const N: usize>(mut self, isa: Isa, ahead: [Ahead; N]) {
        // Of tiles 4 × 6, or of fewer where registers are: then the last portions come early.
        let tiles = self.taps.len().div_ceil(6) * self.rows.div_ceil(4);
        // By reference: copying the task would stall on its just written fields.
        isa.run(&mut Beside {
            task: &mut self,
            ahead: ahead.map(|rows| rows.in_portions(tiles)),
        });
    }

    /// Inlined, so that the search for the last tap is vector code too.
    #[inline(always)]
    fn check(&self) {
        assert!(furthest(self.taps) <= self.input.len().saturating_sub(self.len));
        assert!(self.taps.is_empty() || self.len <= self.input.len());
        assert!(self.gradient.hold(self.rows, self.len));
        assert!(self.products.len() >= self.rows * self.taps.len());
    }
}

/// A task and what is asked for beside it.
struct Beside<'t, 'a, const N: usize> {
    task: &'t mut RowProducts<'a>,
    ahead: [Portions; N],
}

impl<const N: usize> Kernel for &mut Beside<'_, '_, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.task.check();
        let taps = self.task.taps.len();
        // Outside the taps, in tiles as nearly equal as they can be (a narrow last one would wait
        // for its few sums), inside the gradient's rows: these are few enough to stay in the
        // first-level cache while each tap is fetched once.
        let tiles = taps.div_ceil(if S::REGISTERS >= 32 { 6 } else { 4 });
        let mut j = 0;
        for tile in 0..tiles {
            let width = (taps - j).div_ceil(tiles - tile);
            // SAFETY: the lengths were checked above.
            unsafe {
                match width {
                    6 => products_of_rows::<S, 6, N>(s, self, j),
                    5 => products_of_rows::<S, 5, N>(s, self, j),
                    4 => products_of_rows::<S, 4, N>(s, self, j),
                    3 => products_of_rows::<S, 3, N>(s, self, j),
                    2 => products_of_rows::<S, 2, N>(s, self, j),
                    _ => products_of_rows::<S, 1, N>(s, self, j),
                }
            }
            j += width;
        }
    }
}

/// Every gradient row against `J` taps from `j` on.
///
/// # Safety
/// `task`'s rows, taps and products are within their bounds.
#[inline(always)]
unsafe fn products_of_rows<S: Simd, const J: usize, const N: usize>(
    s: S,
    beside: &mut Beside<'_, '_, N>,
    j: usize,
) {
    let Beside { task, ahead } = beside;
    let mut m = 0;
    while m < task.rows {
        for rows in &mut *ahead {
            rows.bring_far(s);
        }
        // SAFETY: the caller's promise.
        unsafe {
            m += match (task.rows - m, S::REGISTERS >= 32) {
                (4.., true) => product_tile::<S, 4, J>(s, task, m, j),
                (3.., _) => product_tile::<S, 3, J>(s, task, m, j),
                (2, _) => product_tile::<S, 2, J>(s, task, m, j),
                _ => product_tile::<S, 1, J>(s, task, m, j),
            }
        }
    }
}

/// `M` × `J` products; gives `M`.
///
/// # Safety
/// As [`products_of_rows`].
#[inline(always)]
unsafe fn product_tile<S: Simd, const M: usize, const J: usize>(
    s: S,
    task: &mut RowProducts<'_>,
    m: usize,
    j: usize,
) -> usize {
    // SAFETY: the caller's promise: rows m..m+M, taps j..j+J, and their products exist.
    unsafe {
        let stride = task.gradient.stride;
        let g = task.gradient.data.as_ptr().add(m * stride);
        let mut x = [std::ptr::null::<f32>(); J];
        for (i, x) in x.iter_mut().enumerate() {
            *x = task.input.as_ptr().add(*task.taps.get_unchecked(j + i));
        }
        // Each group of rows asks for two of the next tile's taps, which may lie far away: more
        // pointers than that would not fit the registers.
        let mut next = [std::ptr::null::<f32>(); 2];
        for (i, next) in next.iter_mut().enumerate() {
            let tap = task.taps.get(j + J + m / M * 2 + i).or(task.taps.last());
            *next = task.input.as_ptr().wrapping_add(tap.copied().unwrap_or(0));
        }
        let mut sums = [[s.zero(); J]; M];
        let mut t = 0;
        while t + S::LANES <= task.len {
            let mut a = [s.zero(); M];
            for i in 0..M {
                a[i] = s.load_ptr(g.add(i * stride + t));
            }
            for next in next {
                s.prefetch(next.wrapping_add(t));
            }
            for k in 0..J {
                let b = s.load_ptr(x[k].add(t));
                for i in 0..M {
                    sums[i][k] = s.fma(a[i], b, sums[i][k]);
                }
            }
            t += S::LANES;
        }
        if t < task.len {
            let part = task.len - t;
            for k in 0..J {
                let b = s.load_part(x[k].add(t), part);
                for i in 0..M {
                    let a = s.load_part(g.add(i * stride + t), part);
                    sums[i][k] = s.fma(a, b, sums[i][k]);
                }
            }
        }
        let taps = task.taps.len();
        // In the products' order, so that most fours are neighbours there.
        for first in (0..M * J).step_by(4) {
            let mut four = [s.zero(); 4];
            for (at, four) in (first..M * J).zip(&mut four) {
                *four = sums[at / J][at % J];
            }
            for (at, sum) in (first..M * J).zip(s.sum_each(four)) {
                let at = (m + at / J) * taps + j + at % J;
                *task.products.get_unchecked_mut(at) += sum;
            }
        }
    }
    M
}

/// sums(m) += Σ_t row m [t].
pub(crate) struct RowSums<'a> {
    /// The rows.
    pub rows: Rows<'a>,
    /// How many samples of each.
    pub len: usize,
    /// One number per row.
    pub sums: &'a mut [f32],
}

impl RowSums<'_> {
    /// Computes it.
    pub fn run(self, isa: Isa) {
        isa.run(self);
    }
}

impl Kernel for RowSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // Four sums at a time, since each waits for its own last addition.
        const SUMS: usize = 4;
        let count = self.sums.len();
        assert!(self.rows.hold(count, self.len));
        for (group, sums) in self.sums.chunks_mut(SUMS).enumerate() {
            // A group that is not full sums its last row again.
            let row = |i: usize| (group * SUMS + i).min(count - 1);
            let rows: [_; SUMS] = std::array::from_fn(|i| self.rows.row(row(i), 0, self.len));
            let mut totals = [s.zero(); SUMS];
            let from = rows.map(<[f32]>::as_ptr);
            each_vector!(S, self.len, |t, part, FULL| {
                for (total, from) in totals.iter_mut().zip(from) {
                    // SAFETY: `t` and `part` stay within the rows.
                    let value = unsafe { load::<S, FULL>(s, part, from.add(t)) };
                    *total = s.add(*total, value);
                }
            });
            for (sum, total) in sums.iter_mut().zip(totals) {
                *sum += s.sum(total);
            }
        }
    }
}
