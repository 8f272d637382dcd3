//! Solving small symmetric systems without losing digits to badly scaled columns: diagonal
//! scaling before Cholesky, and one-sided Jacobi for singular values. Knows nothing of data.
//!
//! The features of predictive convolution differ by factors of 10⁹ in size; unscaled, their
//! Gram matrix has condition 10¹³, scaled 1.2 (both measured).

use super::cholesky;
use nalgebra::{DMatrix, DVector};

/// `D⁻¹·A·D⁻¹ = L·Lᵀ` with `D = √diag A`.
#[derive(Clone, Debug)]
pub(crate) struct ScaledCholesky {
    /// Diagonal of `D`.
    scale: Vec<f64>,
    /// Column-major lower triangle.
    factor: Vec<f64>,
}

impl ScaledCholesky {
    /// `None` when `a` is not positive definite to working precision.
    pub(crate) fn new(a: &DMatrix<f64>) -> Option<Self> {
        let n = a.nrows();
        let scale: Vec<f64> = a.diagonal().iter().map(|d| d.sqrt()).collect();
        if scale.iter().any(|&s| s.is_nan() || s <= 0.0) {
            return None;
        }
        let mut factor = DMatrix::from_fn(n, n, |i, j| a[(i, j)] / (scale[i] * scale[j]))
            .as_slice()
            .to_vec();
        cholesky::factor(&mut factor, n, n as f64 * f64::EPSILON, |_| true).ok()?;
        Some(Self { scale, factor })
    }

    /// `A⁻¹·b`.
    pub(crate) fn solve(&self, b: &DVector<f64>) -> DVector<f64> {
        let mut x: Vec<f64> = b.iter().zip(&self.scale).map(|(b, s)| b / s).collect();
        cholesky::solve(&self.factor, &mut x);
        x.iter_mut().zip(&self.scale).for_each(|(x, s)| *x /= s);
        DVector::from_vec(x)
    }

    /// `ln det A`.
    pub(crate) fn log_det(&self) -> f64 {
        let n = self.scale.len();
        let logs = (0..n).map(|i| (self.factor[i * n + i] * self.scale[i]).ln());
        2.0 * logs.sum::<f64>()
    }

    /// The upper triangular `R` with `RᵀR = A`, its columns accurate relative to themselves.
    fn upper(&self) -> DMatrix<f64> {
        let n = self.scale.len();
        DMatrix::from_fn(n, n, |i, j| {
            if i <= j {
                // L[j][i] of the lower factor, unscaled along the column.
                self.factor[i * n + j] * self.scale[j]
            } else {
                0.0
            }
        })
    }
}

/// A matrix `R` with `RᵀR = gram` (as a least-squares problem's triangular factor, but possibly
/// with fewer rows where the columns are dependent).
pub(crate) fn square_root(gram: &DMatrix<f64>) -> DMatrix<f64> {
    if let Some(cholesky) = ScaledCholesky::new(gram) {
        return cholesky.upper();
    }
    let n = gram.nrows();
    let scale = DVector::from_fn(n, |i, _| gram[(i, i)].max(0.0).sqrt());
    let inverse = scale.map(|s| if s > 0.0 { s.recip() } else { 0.0 });
    let scaled = DMatrix::from_fn(n, n, |i, j| gram[(i, j)] * inverse[i] * inverse[j]);
    let eigen = scaled.symmetric_eigen();
    // Eigenvalues of a matrix with unit diagonal carry rounding of about n·ε.
    let noise = 8.0 * n as f64 * f64::EPSILON * eigen.eigenvalues.amax();
    let kept: Vec<usize> = (0..n).filter(|&k| eigen.eigenvalues[k] > noise).collect();
    DMatrix::from_fn(kept.len(), n, |r, j| {
        let k = kept[r];
        eigen.eigenvalues[k].sqrt() * eigen.eigenvectors[(j, k)] * scale[j]
    })
}

/// Thin singular value decomposition by one-sided Jacobi rotations (Hestenes), which keeps small
/// singular values accurate relative to themselves when columns are badly scaled (Demmel &
/// Veselić 1992).
pub(crate) struct Svd {
    /// `U·diag(σ)`: rotated columns of the matrix.
    rotated: DMatrix<f64>,
    /// `V`.
    v: DMatrix<f64>,
    /// Singular values, unsorted, one per column.
    pub(crate) singular: DVector<f64>,
}

impl Svd {
    pub(crate) fn new(matrix: &DMatrix<f64>) -> Self {
        let n = matrix.ncols();
        let mut rotated = matrix.clone();
        let mut v = DMatrix::identity(n, n);
        // Converges quadratically; six to ten sweeps are usual.
        for _ in 0..60 {
            let mut clean = true;
            for p in 0..n {
                for q in p + 1..n {
                    clean &= !rotate(&mut rotated, &mut v, p, q);
                }
            }
            if clean {
                break;
            }
        }
        let singular = DVector::from_fn(n, |j, _| rotated.column(j).norm());
        Self {
            rotated,
            v,
            singular,
        }
    }

    /// Number of singular values above `rcond` times the largest.
    pub(crate) fn rank(&self, rcond: f64) -> usize {
        let threshold = rcond * self.singular.amax();
        self.singular.iter().filter(|&&s| s > threshold).count()
    }

    /// The shortest solution of `AᵀA·x = c`, singular values cut as in [`Svd::solve`].
    pub(crate) fn solve_normal(&self, c: &DVector<f64>, rcond: f64) -> DVector<f64> {
        let threshold = rcond * self.singular.amax();
        let mut x = DVector::zeros(self.v.nrows());
        for (j, &sigma) in self.singular.iter().enumerate() {
            if sigma > threshold {
                let amount = self.v.column(j).dot(c) / sigma / sigma;
                x += self.v.column(j) * amount;
            }
        }
        x
    }

    /// The shortest `x` minimising `‖A·x − b‖`, singular values not above `rcond` times the
    /// largest counted as zero (LAPACK's `gelsd`).
    pub(crate) fn solve(&self, b: &DVector<f64>, rcond: f64) -> DVector<f64> {
        let threshold = rcond * self.singular.amax();
        let mut x = DVector::zeros(self.v.nrows());
        for (j, &sigma) in self.singular.iter().enumerate() {
            if sigma > threshold {
                let amount = self.rotated.column(j).dot(b) / sigma / sigma;
                x += self.v.column(j) * amount;
            }
        }
        x
    }
}

/// Makes columns `p` and `q` orthogonal; `false` when they were.
fn rotate(a: &mut DMatrix<f64>, v: &mut DMatrix<f64>, p: usize, q: usize) -> bool {
    let (pp, qq) = (a.column(p).norm_squared(), a.column(q).norm_squared());
    let pq = a.column(p).dot(&a.column(q));
    if pq.abs() <= f64::EPSILON * (pp * qq).sqrt() {
        return false;
    }
    let zeta = (qq - pp) / (2.0 * pq);
    let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
    let cosine = tangent.hypot(1.0).recip();
    let sine = cosine * tangent;
    for matrix in [a, v] {
        for i in 0..matrix.nrows() {
            let (x, y) = (matrix[(i, p)], matrix[(i, q)]);
            matrix[(i, p)] = cosine * x - sine * y;
            matrix[(i, q)] = sine * x + cosine * y;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn badly_scaled() -> DMatrix<f64> {
        DMatrix::from_fn(9, 4, |i, j| {
            ((i * 7 + j * 3 + i * j) as f64).sin() * 1e3f64.powi(j as i32)
        })
    }

    #[test]
    fn jacobi_decomposes_and_solves_badly_scaled_columns() {
        let a = badly_scaled();
        let svd = Svd::new(&a);
        let back = &svd.rotated * svd.v.transpose();
        for (x, y) in back.iter().zip(&a) {
            assert!((x - y).abs() <= 1e-14 * 1e9, "{x} {y}");
        }
        let want = DVector::from_vec(vec![1.0, -2e-3, 3e-6, -4e-9]);
        let found = svd.solve(&(&a * &want), 0.0);
        for j in 0..4 {
            assert!((found[j] / want[j] - 1.0).abs() < 1e-11, "{found}");
        }
        assert_eq!((svd.rank(1e-12), svd.rank(1e-5)), (4, 2));
    }

    #[test]
    fn square_roots_of_full_and_deficient_gram_matrices() {
        let mut a = badly_scaled();
        for deficient in [false, true] {
            if deficient {
                let sum = a.column(0) * 2.0 + a.column(1) * 1e-3;
                a.set_column(2, &sum);
            }
            let gram = a.transpose() * &a;
            let r = square_root(&gram);
            assert_eq!(r.nrows(), if deficient { 3 } else { 4 });
            let back = r.transpose() * &r;
            for i in 0..4 {
                for j in 0..4 {
                    let size = (gram[(i, i)] * gram[(j, j)]).sqrt();
                    assert!((back[(i, j)] - gram[(i, j)]).abs() < 1e-13 * size);
                }
            }
        }
    }

    #[test]
    fn log_determinant_and_solution() {
        let a = badly_scaled();
        let gram = a.transpose() * &a;
        let cholesky = ScaledCholesky::new(&gram).unwrap();
        let want: f64 = Svd::new(&a).singular.iter().map(|s| 2.0 * s.ln()).sum();
        assert!((cholesky.log_det() - want).abs() < 1e-10);
        let x = DVector::from_vec(vec![1.0, -2e-3, 3e-6, -4e-9]);
        let found = cholesky.solve(&(&gram * &x));
        for j in 0..4 {
            assert!((found[j] / x[j] - 1.0).abs() < 1e-10);
        }
        assert!(ScaledCholesky::new(&DMatrix::zeros(2, 2)).is_none());
    }
}
