//! Whole-pass operations on rows of samples: matrix times rows, element-wise functions, sums.
//!
//! Each runs as one kernel on the chosen instruction set over vectors that may reach up to one
//! vector past the last sample; rows have [`SLACK`] behind them for that.

use super::activation::Function;
use super::block::{Block, ROW, SLACK, Source, Target};
use super::matrix::{Matrix, Store, TimeTiles, over_time};
use crate::simd::{Isa, Kernel, Simd};

/// `len` rounded up to whole vectors.
#[inline(always)]
pub(crate) fn padded<S: Simd>(len: usize) -> usize {
    len.div_ceil(S::LANES) * S::LANES
}

/// target = matrix · source (+ bias), for `len` samples.
pub(crate) fn multiply(isa: Isa, matrix: &Matrix, source: Source, target: Target, len: usize) {
    assert!(
        matrix.fits([source; 2], len + SLACK / 2),
        "a matrix reads outside its rows"
    );
    assert!(
        target.fits(matrix.outputs(), len + SLACK / 2),
        "a matrix writes outside its rows"
    );
    isa.run(Multiply {
        matrix,
        source,
        target,
        len,
    });
}

struct Multiply<'a> {
    matrix: &'a Matrix,
    source: Source<'a>,
    target: Target<'a>,
    len: usize,
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (vectors, outputs) = (self.len.div_ceil(S::LANES), self.matrix.tile_outputs());
        // SAFETY: `multiply` checked reads and writes for `len` and the slack that whole vectors
        // need.
        unsafe { over_time(s, vectors, outputs, &mut self) };
    }
}

impl TimeTiles for Multiply<'_> {
    #[inline(always)]
    unsafe fn tile<S: Simd, const T: usize>(&mut self, s: S, t: usize) {
        let to = self.target.samples.as_mut_ptr();
        let mut store = Store {
            to: to.wrapping_add(self.target.at),
            stride: self.target.stride,
        };
        // SAFETY: the caller's promise.
        unsafe {
            self.matrix
                .apply::<S, T, _>(s, [self.source; 2], t, &mut store);
        }
    }
}

/// An element-wise operation on the vectors of some rows.
trait RowOp {
    fn vector<S: Simd>(&self, s: S, row: usize, at: usize, x: S::V) -> S::V;
}

struct EachRow<'a, O> {
    block: &'a mut Block,
    rows: usize,
    len: usize,
    op: O,
}

impl<O: RowOp> Kernel for EachRow<'_, O> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let end = padded::<S>(self.len);
        let rows = self
            .block
            .samples_mut()
            .chunks_exact_mut(ROW)
            .enumerate()
            .take(self.rows);
        for (r, row) in rows {
            for (v, part) in row[..end].chunks_exact_mut(S::LANES).enumerate() {
                let y = self.op.vector(s, r, v * S::LANES, s.load(part));
                s.store(part, y);
            }
        }
    }
}

struct Activate<'a>(&'a Function);

impl RowOp for Activate<'_> {
    #[inline(always)]
    fn vector<S: Simd>(&self, s: S, row: usize, _: usize, x: S::V) -> S::V {
        self.0.apply(s, x, row)
    }
}

/// block = function(block) on its first `rows` rows.
pub(crate) fn activate(isa: Isa, function: &Function, block: &mut Block, rows: usize, len: usize) {
    match function {
        Function::Identity => {}
        Function::Softmax => softmax(block, rows, len),
        function => isa.run(EachRow {
            block,
            rows,
            len,
            op: Activate(function),
        }),
    }
}

/// e^x over the sum of e^x of all rows. Rare (classifiers), so plain.
fn softmax(block: &mut Block, rows: usize, len: usize) {
    for t in 0..len {
        // Shifted by the largest, which cancels, so that no exponential overflows.
        let value = |block: &Block, r: usize| block.samples()[r * ROW + t];
        let most = (0..rows)
            .map(|r| value(block, r))
            .fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = (0..rows).map(|r| (value(block, r) - most).exp()).sum();
        for r in 0..rows {
            let y = (value(block, r) - most).exp() / sum;
            block.samples_mut()[r * ROW + t] = y;
        }
    }
}

struct ScaleShift<'a> {
    scale: &'a [f32],
    shift: &'a [f32],
}

impl RowOp for ScaleShift<'_> {
    #[inline(always)]
    fn vector<S: Simd>(&self, s: S, row: usize, _: usize, x: S::V) -> S::V {
        s.fma(x, s.splat(self.scale[row]), s.splat(self.shift[row]))
    }
}

/// block = scale · block + shift, one pair per row.
pub(crate) fn scale_shift(isa: Isa, scale: &[f32], shift: &[f32], block: &mut Block, len: usize) {
    let rows = scale.len().min(shift.len());
    isa.run(EachRow {
        block,
        rows,
        len,
        op: ScaleShift { scale, shift },
    });
}

/// How two blocks become one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Combine {
    /// a + b
    Add,
    /// a · b
    Multiply,
    /// a · b's row + b's row further down by the count of rows
    Modulate,
    /// a + b·(c − a): c blended in by b
    Blend,
}

struct Combined<'a> {
    how: Combine,
    other: &'a [f32],
    third: &'a [f32],
    rows: usize,
}

impl RowOp for Combined<'_> {
    #[inline(always)]
    fn vector<S: Simd>(&self, s: S, row: usize, at: usize, x: S::V) -> S::V {
        let at = row * ROW + at;
        let other = s.load(&self.other[at..]);
        match self.how {
            Combine::Add => s.add(x, other),
            Combine::Multiply => s.mul(x, other),
            Combine::Modulate => s.fma(x, other, s.load(&self.other[at + self.rows * ROW..])),
            Combine::Blend => s.fma(other, s.sub(s.load(&self.third[at..]), x), x),
        }
    }
}

/// Combines `block`'s first rows with those of `other` (and, to blend, of `third`).
pub(crate) fn combine(
    isa: Isa,
    how: Combine,
    block: &mut Block,
    [other, third]: [&[f32]; 2],
    rows: usize,
    len: usize,
) {
    isa.run(EachRow {
        block,
        rows,
        len,
        op: Combined {
            how,
            other,
            third,
            rows,
        },
    });
}

/// Adds `block`'s first rows to rows elsewhere.
pub(crate) fn add_to(block: &Block, target: Target, rows: usize, len: usize) {
    for r in 0..rows {
        let to = &mut target.samples[target.at + r * target.stride..][..len];
        for (y, x) in to.iter_mut().zip(block.row(r, len)) {
            *y += x;
        }
    }
}

/// Values this small are taken for zero in states that decay: below them lie the denormal
/// numbers, on which processors are slow, above them nothing anyone hears (−500 dB).
pub(crate) const TINY: f32 = 1e-25;

/// Zero where |x| is below [`TINY`].
#[inline(always)]
pub(crate) fn flush<S: Simd>(s: S, x: S::V) -> S::V {
    let size = s.max(x, s.sub(s.zero(), x));
    s.select_positive(s.sub(size, s.splat(TINY)), x, s.zero())
}
