//! Normal equations of small least-squares problems, gathered row by row or column by column.

use crate::linalg::{cholesky, dot};

/// `Σ a·aᵀ` (lower triangle, column-major) and `Σ a·y`.
#[derive(Clone, Debug)]
pub(super) struct Normal {
    unknowns: usize,
    gram: Vec<f64>,
    target: Vec<f64>,
}

/// Samples of all columns that are multiplied at a time: they stay in the cache.
const PIECE: usize = 1024;

impl Normal {
    pub(super) fn new(unknowns: usize) -> Self {
        Self {
            unknowns,
            gram: vec![0.0; unknowns * unknowns],
            target: vec![0.0; unknowns],
        }
    }

    /// Adds the equation `a·solution = y`.
    pub(super) fn add_row(&mut self, a: &[f64], y: f64, weight: f64) {
        for (j, aj) in a.iter().enumerate() {
            let aj = weight * aj;
            self.target[j] += aj * y;
            for (to, ai) in self.gram[j * self.unknowns + j..].iter_mut().zip(&a[j..]) {
                *to += aj * ai;
            }
        }
    }

    /// Adds the equations whose coefficients stand in columns.
    pub(super) fn add_columns(&mut self, columns: &[Vec<f64>], y: &[f64]) {
        for from in (0..y.len()).step_by(PIECE) {
            let to = (from + PIECE).min(y.len());
            let y = &y[from..to];
            for (j, left) in columns.iter().enumerate() {
                let left = &left[from..to];
                self.target[j] += dot(left, y);
                for (i, right) in columns.iter().enumerate().skip(j) {
                    self.gram[j * self.unknowns + i] += dot(left, &right[from..to]);
                }
            }
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        let both = self.gram.iter_mut().zip(&other.gram);
        both.for_each(|(a, b)| *a += b);
        let both = self.target.iter_mut().zip(&other.target);
        both.for_each(|(a, b)| *a += b);
    }

    /// How much less the squares' sum is with `solution` than with zeros.
    pub(super) fn explained(&self, solution: &[f64]) -> f64 {
        let n = self.unknowns;
        let mut explained = 2.0 * dot(&self.target, solution);
        for j in 0..n {
            for i in j..n {
                let twice = if i == j { 1.0 } else { 2.0 };
                explained -= twice * self.gram[j * n + i] * solution[i] * solution[j];
            }
        }
        explained
    }

    /// The solution, `damping` (relative to each unknown's own power) added to the diagonal.
    /// `None` where they are singular.
    pub(super) fn solve(&self, damping: impl Fn(usize) -> f64) -> Option<Vec<f64>> {
        let n = self.unknowns;
        let power = |i: usize| self.gram[i * n + i];
        let scale: Vec<f64> = (0..n).map(|i| power(i).max(1e-30).sqrt().recip()).collect();
        let mut gram = self.gram.clone();
        for j in 0..n {
            for i in j..n {
                gram[j * n + i] *= scale[i] * scale[j];
            }
            gram[j * n + j] += damping(j);
        }
        cholesky::factor(&mut gram, n, 0.0, |_| true).ok()?;
        let mut solution: Vec<f64> = self.target.iter().zip(&scale).map(|(t, s)| t * s).collect();
        cholesky::solve(&gram, &mut solution);
        Some(solution.iter().zip(&scale).map(|(x, s)| x * s).collect())
    }
}
