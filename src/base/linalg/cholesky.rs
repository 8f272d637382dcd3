//! Blocked Cholesky factorisation of large symmetric positive definite matrices, in place and
//! on all cores. Knows nothing of where the matrix comes from.

use super::matrix::{View, add_product};
use rayon::prelude::*;

/// Columns per block: a panel of 4096 × 96 doubles (3 MiB) still fits a usual L2/L3 share.
const BLOCK: usize = 96;

/// Why a factorisation ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// A pivot fell to the threshold or below: not positive definite to working precision.
    Indefinite,
    /// The caller's `proceed` said no.
    Stopped,
}

/// Replaces the lower triangle of the column-major `n × n` matrix `a` by `L` with `L·Lᵀ = A`
/// (Golub & Van Loan, algorithm 4.2.x, right-looking by blocks). The strict upper triangle is
/// left as scratch. Fails where a pivot is not above `threshold`; asks `proceed(columns_done)`
/// once per block.
pub(crate) fn factor(
    a: &mut [f64],
    n: usize,
    threshold: f64,
    mut proceed: impl FnMut(usize) -> bool,
) -> Result<(), Halt> {
    for k in (0..n).step_by(BLOCK) {
        let width = BLOCK.min(n - k);
        factor_panel(&mut a[k * n..(k + width) * n], n, k, threshold)?;
        let below = k + width;
        if below < n {
            let (done, rest) = a.split_at_mut(below * n);
            subtract_outer_product(rest, n, below, &done[k * n..]);
        }
        if !proceed(below) {
            return Err(Halt::Stopped);
        }
    }
    Ok(())
}

/// Factors columns `k..` of one panel (all `n` rows stored) whose earlier contributions have
/// been subtracted already.
fn factor_panel(panel: &mut [f64], n: usize, k: usize, threshold: f64) -> Result<(), Halt> {
    for j in 0..panel.len() / n {
        let (done, rest) = panel.split_at_mut(j * n);
        let column = &mut rest[k + j..n];
        for earlier in done.chunks_exact(n) {
            let earlier = &earlier[k + j..];
            let factor = earlier[0];
            for (c, e) in column.iter_mut().zip(earlier) {
                *c -= factor * e;
            }
        }
        let pivot = column[0];
        if pivot.is_nan() || pivot <= threshold {
            return Err(Halt::Indefinite);
        }
        let root = pivot.sqrt();
        for c in column {
            *c /= root;
        }
    }
    Ok(())
}

/// `C ← C − P·Pᵀ` on the lower triangle, where `columns` are the columns from `first` on and `P`
/// is the rows from `first` on of `panel`; both store all `n` rows.
fn subtract_outer_product(columns: &mut [f64], n: usize, first: usize, panel: &[f64]) {
    let blocks = columns.par_chunks_mut(BLOCK * n).enumerate();
    blocks.for_each(|(block, columns)| {
        let top = first + block * BLOCK;
        let below = View::of_rows(panel, n, top..n);
        let beside = View::of_rows(panel, n, top..top + columns.len() / n);
        add_product(-1.0, below, beside.transposed(), &mut columns[top..], n);
    });
}

/// Solves `L·Lᵀ·x = b` in place, `l` as [`factor`] leaves it.
pub(crate) fn solve(l: &[f64], b: &mut [f64]) {
    let n = b.len();
    for j in 0..n {
        let column = &l[j * n..(j + 1) * n];
        let x = b[j] / column[j];
        b[j] = x;
        for (r, c) in b[j + 1..].iter_mut().zip(&column[j + 1..]) {
            *r -= x * c;
        }
    }
    for j in (0..n).rev() {
        let column = &l[j * n..(j + 1) * n];
        let dot: f64 = column[j + 1..]
            .iter()
            .zip(&b[j + 1..])
            .map(|(c, x)| c * x)
            .sum();
        b[j] = (b[j] - dot) / column[j];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::Matrix;

    /// Textbook column-by-column form on a full matrix.
    fn slow(a: &Matrix) -> Matrix {
        let n = a.rows();
        let mut l = Matrix::zeros(n, n);
        for j in 0..n {
            for i in j..n {
                let dot: f64 = (0..j).map(|m| l[(i, m)] * l[(j, m)]).sum();
                l[(i, j)] = if i == j {
                    f64::sqrt(a[(j, j)] - dot)
                } else {
                    (a[(i, j)] - dot) / l[(j, j)]
                };
            }
        }
        l
    }

    fn positive_definite(n: usize) -> Matrix {
        Matrix::from_fn(n, n, |i, j| {
            let d = i.abs_diff(j) as f64;
            0.95f64.powf(d) * (0.3 * d).cos() + if i == j { 0.1 } else { 0.0 }
        })
    }

    #[test]
    fn blocks_give_the_textbook_factor_at_sizes_around_the_block() {
        for n in [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 7] {
            let a = positive_definite(n);
            let mut fast = a.values().to_vec();
            factor(&mut fast, n, 0.0, |_| true).unwrap();
            let want = slow(&a);
            for j in 0..n {
                for i in j..n {
                    let error = (fast[j * n + i] - want[(i, j)]).abs();
                    // n roundings of numbers near 1; a missed update would be of order 0.1.
                    assert!(error < 1e-13 * n as f64, "n {n} ({i},{j}): {error:e}");
                }
            }
            let x: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
            let mut b = a.times_vector(&x);
            solve(&fast, &mut b);
            let worst = x
                .iter()
                .zip(&b)
                .map(|(x, b)| (x - b).abs())
                .fold(0.0, f64::max);
            assert!(worst < 1e-11, "n {n}: {worst:e}");
        }
    }

    #[test]
    fn an_indefinite_matrix_and_nan_are_refused() {
        let mut a = vec![1.0, 2.0, 2.0, 1.0];
        assert_eq!(factor(&mut a, 2, 0.0, |_| true), Err(Halt::Indefinite));
        let mut a = vec![f64::NAN];
        assert_eq!(factor(&mut a, 1, 0.0, |_| true), Err(Halt::Indefinite));
        let mut a = vec![1.0];
        assert_eq!(factor(&mut a, 1, 0.0, |_| false), Err(Halt::Stopped));
    }
}
