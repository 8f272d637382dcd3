//! Solving small symmetric systems without losing digits to badly scaled columns: diagonal
//! scaling before Cholesky, and one-sided Jacobi for singular values. Knows nothing of data.
//!
//! The features of predictive convolution differ by factors of 10⁹ in size; unscaled, their
//! Gram matrix has condition 10¹³, scaled 1.2 (both measured).

use super::cholesky;
use super::eigen::Eigen;
use super::matrix::{Matrix, dot};

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
    pub(crate) fn new(a: &Matrix) -> Option<Self> {
        let n = a.rows();
        let scale: Vec<f64> = a.diagonal().map(f64::sqrt).collect();
        if scale.iter().any(|&s| s.is_nan() || s <= 0.0) {
            return None;
        }
        let scaled = Matrix::from_fn(n, n, |i, j| a[(i, j)] / (scale[i] * scale[j]));
        let mut factor = scaled.values().to_vec();
        cholesky::factor(&mut factor, n, n as f64 * f64::EPSILON, |_| true).ok()?;
        Some(Self { scale, factor })
    }

    /// `A⁻¹·b`.
    pub(crate) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut x: Vec<f64> = b.iter().zip(&self.scale).map(|(b, s)| b / s).collect();
        cholesky::solve(&self.factor, &mut x);
        x.iter_mut().zip(&self.scale).for_each(|(x, s)| *x /= s);
        x
    }

    /// `ln det A`.
    pub(crate) fn log_det(&self) -> f64 {
        let n = self.scale.len();
        let logs = (0..n).map(|i| (self.factor[i * n + i] * self.scale[i]).ln());
        2.0 * logs.sum::<f64>()
    }

    /// The upper triangular `R` with `RᵀR = A`, its columns accurate relative to themselves.
    fn upper(&self) -> Matrix {
        let n = self.scale.len();
        Matrix::from_fn(n, n, |i, j| {
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
pub(crate) fn square_root(gram: &Matrix) -> Matrix {
    if let Some(cholesky) = ScaledCholesky::new(gram) {
        return cholesky.upper();
    }
    let n = gram.rows();
    let scale: Vec<f64> = gram.diagonal().map(|d| d.max(0.0).sqrt()).collect();
    let inverse = |i: usize| {
        if scale[i] > 0.0 {
            scale[i].recip()
        } else {
            0.0
        }
    };
    let scaled = Matrix::from_fn(n, n, |i, j| gram[(i, j)] * inverse(i) * inverse(j));
    let eigen = Eigen::of(&scaled);
    // Eigenvalues of a matrix with unit diagonal carry rounding of about n·ε.
    let noise = 8.0 * n as f64 * f64::EPSILON * eigen.largest();
    let kept: Vec<usize> = (0..n).filter(|&k| eigen.values[k] > noise).collect();
    Matrix::from_fn(kept.len(), n, |r, j| {
        let k = kept[r];
        eigen.values[k].sqrt() * eigen.vectors[(j, k)] * scale[j]
    })
}

/// Thin singular value decomposition by one-sided Jacobi rotations (Hestenes), which keeps small
/// singular values accurate relative to themselves when columns are badly scaled (Demmel &
/// Veselić 1992).
pub(crate) struct Svd {
    /// `U·diag(σ)`: rotated columns of the matrix.
    rotated: Matrix,
    /// `V`.
    v: Matrix,
    /// Singular values, unsorted, one per column.
    pub(crate) singular: Vec<f64>,
}

impl Svd {
    pub(crate) fn new(matrix: &Matrix) -> Self {
        let n = matrix.columns();
        let mut rotated = matrix.clone();
        let mut v = Matrix::identity(n);
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
        let length = |j: usize| dot(rotated.column(j), rotated.column(j)).sqrt();
        let singular = (0..n).map(length).collect();
        Self {
            rotated,
            v,
            singular,
        }
    }

    /// Number of singular values above `rcond` times the largest.
    pub(crate) fn rank(&self, rcond: f64) -> usize {
        self.kept(rcond).count()
    }

    /// The shortest solution of `AᵀA·x = c`, singular values cut as in [`Svd::solve`].
    pub(crate) fn solve_normal(&self, c: &[f64], rcond: f64) -> Vec<f64> {
        self.combine(rcond, |j| dot(self.v.column(j), c))
    }

    /// The shortest `x` minimising `‖A·x − b‖`, singular values not above `rcond` times the
    /// largest counted as zero (LAPACK's `gelsd`).
    pub(crate) fn solve(&self, b: &[f64], rcond: f64) -> Vec<f64> {
        self.combine(rcond, |j| dot(self.rotated.column(j), b))
    }

    /// The singular values that count, by column.
    fn kept(&self, rcond: f64) -> impl Iterator<Item = (usize, f64)> {
        let threshold = rcond * self.singular.iter().copied().fold(0.0, f64::max);
        let all = self.singular.iter().copied().enumerate();
        all.filter(move |&(_, sigma)| sigma > threshold)
    }

    /// `Σ vⱼ·share(j)/σⱼ²`.
    fn combine(&self, rcond: f64, share: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut x = vec![0.0; self.v.rows()];
        for (j, sigma) in self.kept(rcond) {
            let amount = share(j) / sigma / sigma;
            for (x, v) in x.iter_mut().zip(self.v.column(j)) {
                *x += v * amount;
            }
        }
        x
    }
}

/// Makes columns `p < q` orthogonal; `false` when they were.
fn rotate(a: &mut Matrix, v: &mut Matrix, p: usize, q: usize) -> bool {
    let (left, right) = a.two_columns_mut(p, q);
    let (pp, qq, pq) = (dot(left, left), dot(right, right), dot(left, right));
    if pq.abs() <= f64::EPSILON * (pp * qq).sqrt() {
        return false;
    }
    let zeta = (qq - pp) / (2.0 * pq);
    let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
    let cosine = tangent.hypot(1.0).recip();
    let sine = cosine * tangent;
    a.rotate_columns(p, q, cosine, sine);
    v.rotate_columns(p, q, cosine, sine);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn badly_scaled() -> Matrix {
        Matrix::from_fn(9, 4, |i, j| {
            ((i * 7 + j * 3 + i * j) as f64).sin() * 1e3f64.powi(j as i32)
        })
    }

    #[test]
    fn jacobi_decomposes_and_solves_badly_scaled_columns() {
        let a = badly_scaled();
        let svd = Svd::new(&a);
        let back = svd.rotated.times(&svd.v.transposed());
        for (x, y) in back.values().iter().zip(a.values()) {
            assert!((x - y).abs() <= 1e-14 * 1e9, "{x} {y}");
        }
        let want = [1.0, -2e-3, 3e-6, -4e-9];
        let found = svd.solve(&a.times_vector(&want), 0.0);
        for j in 0..4 {
            assert!((found[j] / want[j] - 1.0).abs() < 1e-11, "{found:?}");
        }
        assert_eq!((svd.rank(1e-12), svd.rank(1e-5)), (4, 2));
    }

    #[test]
    fn square_roots_of_full_and_deficient_gram_matrices() {
        let mut a = badly_scaled();
        for deficient in [false, true] {
            if deficient {
                for i in 0..a.rows() {
                    a[(i, 2)] = a[(i, 0)] * 2.0 + a[(i, 1)] * 1e-3;
                }
            }
            let gram = a.transposed().times(&a);
            let r = square_root(&gram);
            assert_eq!(r.rows(), if deficient { 3 } else { 4 });
            let back = r.transposed().times(&r);
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
        let gram = a.transposed().times(&a);
        let cholesky = ScaledCholesky::new(&gram).unwrap();
        let want: f64 = Svd::new(&a).singular.iter().map(|s| 2.0 * s.ln()).sum();
        assert!((cholesky.log_det() - want).abs() < 1e-10);
        let x = [1.0, -2e-3, 3e-6, -4e-9];
        let found = cholesky.solve(&gram.times_vector(&x));
        for j in 0..4 {
            assert!((found[j] / x[j] - 1.0).abs() < 1e-10);
        }
        assert!(ScaledCholesky::new(&Matrix::zeros(2, 2)).is_none());
    }
}
