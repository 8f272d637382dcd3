//! Eigenvalues and eigenvectors of symmetric matrices: Householder's reduction to three diagonals,
//! then implicit QL steps with Wilkinson's shift (Golub & Van Loan, "Matrix Computations",
//! sections 8.3.1 and 8.3.3). A matrix 128 wide takes some milliseconds. Knows nothing of data.

use super::matrix::{Matrix, dot};

/// `A = V·diag(values)·Vᵀ` with orthonormal columns `V`.
#[derive(Clone, Debug)]
pub struct Eigen {
    /// In no particular order.
    pub values: Vec<f64>,
    /// One column per value.
    pub vectors: Matrix,
}

/// Steps for one eigenvalue; two are usual, and only what is not a number never arrives.
const MOST_STEPS: usize = 60;

impl Eigen {
    /// Of a symmetric matrix; only rounding may differ between its halves.
    pub fn of(symmetric: &Matrix) -> Self {
        let mut reduced = symmetric.clone();
        let (mut diagonal, mut beside, mut vectors) = tridiagonal(&mut reduced);
        for first in 0..diagonal.len() {
            for _ in 0..MOST_STEPS {
                let last = end_of_block(&diagonal, &beside, first);
                if last == first {
                    break;
                }
                ql_step(&mut diagonal, &mut beside, &mut vectors, first..last);
            }
        }
        Self {
            values: diagonal,
            vectors,
        }
    }

    /// The largest absolute value; 0 when there is none.
    pub fn largest(&self) -> f64 {
        self.values.iter().fold(0.0, |most, e| e.abs().max(most))
    }
}

/// Diagonal, the one beside it (its last entry unused) and `Q` with `A = Q·T·Qᵀ`; `a` is scratch.
fn tridiagonal(a: &mut Matrix) -> (Vec<f64>, Vec<f64>, Matrix) {
    let n = a.rows();
    let mut beside = vec![0.0; n];
    let mut reflections = Vec::with_capacity(n);
    for k in 0..n.saturating_sub(1) {
        let mut v = a.column(k)[k + 1..].to_vec();
        // Away from v[0], so that nothing cancels.
        beside[k] = -dot(&v, &v).sqrt().copysign(v[0]);
        v[0] -= beside[k];
        let energy = dot(&v, &v);
        if energy > 0.0 {
            v.iter_mut().for_each(|v| *v *= (2.0 / energy).sqrt());
        }
        reflect_both_sides(a, k + 1, &v);
        reflections.push(v);
    }
    let mut q = Matrix::identity(n);
    for (k, v) in reflections.iter().enumerate().rev() {
        for j in k + 1..n {
            let column = &mut q.column_mut(j)[k + 1..];
            let amount = dot(v, column);
            column.iter_mut().zip(v).for_each(|(c, v)| *c -= amount * v);
        }
    }
    (a.diagonal().collect(), beside, q)
}

/// `A ← H·A·H` with `H = I − v·vᵀ` on rows and columns from `first` on.
fn reflect_both_sides(a: &mut Matrix, first: usize, v: &[f64]) {
    let n = a.rows();
    let mut w: Vec<f64> = (first..n).map(|j| dot(&a.column(j)[first..], v)).collect();
    let half = 0.5 * dot(&w, v);
    w.iter_mut().zip(v).for_each(|(w, v)| *w -= half * v);
    for j in first..n {
        let (vj, wj) = (v[j - first], w[j - first]);
        for ((a, v), w) in a.column_mut(j)[first..].iter_mut().zip(v).zip(&w) {
            *a -= v * wj + w * vj;
        }
    }
}

/// The last row of the block that begins at `first`: up to where the diagonals' neighbour is
/// nothing but rounding.
fn end_of_block(diagonal: &[f64], beside: &[f64], first: usize) -> usize {
    let last = diagonal.len() - 1;
    let split = |&m: &usize| {
        let size = diagonal[m].abs() + diagonal[m + 1].abs();
        size + beside[m].abs() == size
    };
    (first..last).find(split).unwrap_or(last)
}

/// One implicit QL step on the rows of `block`, its end included.
fn ql_step(d: &mut [f64], e: &mut [f64], vectors: &mut Matrix, block: std::ops::Range<usize>) {
    let (first, last) = (block.start, block.end);
    let slope = (d[first + 1] - d[first]) / (2.0 * e[first]);
    let shift = e[first] / (slope + slope.hypot(1.0).copysign(slope));
    let mut g = d[last] - d[first] + shift;
    let (mut sine, mut cosine, mut taken) = (1.0, 1.0, 0.0);
    for i in block.rev() {
        let (f, b) = (sine * e[i], cosine * e[i]);
        e[i + 1] = f.hypot(g);
        if e[i + 1] == 0.0 {
            // The block has come apart here; the next step takes its upper part.
            d[i + 1] -= taken;
            e[last] = 0.0;
            return;
        }
        (sine, cosine) = (f / e[i + 1], g / e[i + 1]);
        g = d[i + 1] - taken;
        let r = (d[i] - g) * sine + 2.0 * cosine * b;
        taken = sine * r;
        d[i + 1] = g + taken;
        g = cosine * r - b;
        vectors.rotate_columns(i, i + 1, cosine, sine);
    }
    d[first] -= taken;
    e[first] = g;
    e[last] = 0.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest entry of `V·diag·Vᵀ − A` and of `VᵀV − I`.
    fn errors(a: &Matrix) -> (f64, f64) {
        let n = a.rows();
        let Eigen { values, vectors } = Eigen::of(a);
        let scaled = Matrix::from_fn(n, n, |i, j| vectors[(i, j)] * values[j]);
        let worst = |found: Matrix, want: &Matrix| {
            let pairs = found.values().iter().zip(want.values());
            pairs.map(|(f, w)| (f - w).abs()).fold(0.0, f64::max)
        };
        let turned = vectors.transposed();
        (
            worst(scaled.times(&turned), a),
            worst(turned.times(&vectors), &Matrix::identity(n)),
        )
    }

    #[test]
    fn values_and_vectors_give_the_matrix_back() {
        for n in [0, 1, 2, 3, 10, 65] {
            let full = Matrix::from_fn(n, n, |i, j| ((i * j + i + j) as f64).sin());
            // Rank 3 of n: most eigenvalues are zero.
            let columns = Matrix::from_fn(n, 3, |i, j| ((i * (j + 2)) as f64 * 0.7).cos());
            let deficient = columns.times(&columns.transposed());
            let diagonal = Matrix::from_fn(n, n, |i, j| if i == j { i as f64 } else { 0.0 });
            for a in [full, deficient, diagonal, Matrix::zeros(n, n)] {
                let (back, orthogonal) = errors(&a);
                // n roundings of entries of size up to n.
                let rounding = 4.0 * f64::EPSILON * (n * n).max(1) as f64;
                assert!(
                    back < rounding && orthogonal < rounding,
                    "{n}: {back:e} {orthogonal:e}"
                );
            }
        }
    }

    #[test]
    fn the_second_difference_has_the_known_values() {
        let n = 40;
        let a = Matrix::from_fn(n, n, |i, j| match i.abs_diff(j) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        });
        let mut found = Eigen::of(&a).values;
        found.sort_by(f64::total_cmp);
        for (k, value) in found.iter().enumerate() {
            let angle = std::f64::consts::PI * (k + 1) as f64 / (n + 1) as f64;
            assert!(
                (value - (2.0 - 2.0 * angle.cos())).abs() < 1e-13,
                "{k}: {value}"
            );
        }
    }

    #[test]
    fn what_is_not_a_number_comes_to_an_end() {
        let found = Eigen::of(&Matrix::from_fn(4, 4, |_, _| f64::NAN));
        assert_eq!(found.values.len(), 4);
    }
}
