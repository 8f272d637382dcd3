//! Principal components of frame features, with a sign that does not depend on the solver.
//!
//! Knows nothing of sound: rows in, coordinates out.

use super::features::Matrix;
use crate::linalg::{self, Eigen};
use rayon::prelude::*;

/// Rows summed into one partial covariance; fixed, so that the sum's order and with it every
/// bit of the result does not depend on the number of threads.
const CHUNK: usize = 1024;

/// The axes along which rows vary, widest first.
#[derive(Clone, Debug)]
pub struct Pca {
    mean: Vec<f64>,
    /// Unit vectors, one row per component.
    components: Vec<Vec<f64>>,
    variances: Vec<f64>,
}

impl Pca {
    /// Eigenvectors of the rows' covariance. Each one's largest loading (by size, the first of
    /// equals) is positive, as in scikit-learn since 1.5.
    pub fn fit(rows: &Matrix) -> Self {
        let columns = rows.columns();
        let mean = column_means(rows);
        let eigen = Eigen::of(&covariance(rows, &mean));
        let mut by_variance: Vec<usize> = (0..columns).collect();
        by_variance.sort_by(|&a, &b| eigen.values[b].total_cmp(&eigen.values[a]));
        let component = |&i: &usize| oriented(eigen.vectors.column(i));
        Self {
            components: by_variance.iter().map(component).collect(),
            // Rounding leaves empty directions slightly below zero.
            variances: by_variance
                .iter()
                .map(|&i| eigen.values[i].max(0.0))
                .collect(),
            mean,
        }
    }

    /// The components' variances (divisor rows − 1), largest first.
    pub fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// The share of all variance that component `i` carries; zero if nothing varies.
    pub fn explained(&self, i: usize) -> f64 {
        let total: f64 = self.variances.iter().sum();
        match self.variances.get(i) {
            Some(variance) if total > 0.0 => variance / total,
            _ => 0.0,
        }
    }

    /// Coordinates along component `i`, one per row.
    pub fn scores(&self, rows: &Matrix, i: usize) -> Vec<f64> {
        let Some(component) = self.components.get(i) else {
            return vec![0.0; rows.rows()];
        };
        rows.iter()
            .map(|row| project(row, &self.mean, component))
            .collect()
    }

    /// All coordinates: the rows turned so that the first columns vary most. Distances stay
    /// what they were.
    pub fn rotate(&self, rows: &Matrix) -> Matrix {
        let mut values = vec![0.0; rows.rows() * rows.columns()];
        let turned = values.par_chunks_mut(rows.columns().max(1));
        turned.enumerate().for_each(|(i, turned)| {
            for (x, component) in turned.iter_mut().zip(&self.components) {
                *x = project(rows.row(i), &self.mean, component) as f32;
            }
        });
        Matrix::new(rows.columns(), values)
    }
}

fn project(row: &[f32], mean: &[f64], component: &[f64]) -> f64 {
    let centred = row.iter().zip(mean).map(|(&x, m)| f64::from(x) - m);
    centred.zip(component).map(|(x, c)| x * c).sum()
}

fn column_means(rows: &Matrix) -> Vec<f64> {
    let mut sums = vec![0.0; rows.columns()];
    for row in rows.iter() {
        for (sum, &x) in sums.iter_mut().zip(row) {
            *sum += f64::from(x);
        }
    }
    let count = rows.rows().max(1) as f64;
    sums.into_iter().map(|sum| sum / count).collect()
}

fn covariance(rows: &Matrix, mean: &[f64]) -> linalg::Matrix {
    let columns = rows.columns();
    let starts: Vec<usize> = (0..rows.rows()).step_by(CHUNK).collect();
    let partial = |&start: &usize| {
        let mut sum = vec![0.0; columns * columns];
        let mut centred = vec![0.0; columns];
        for i in start..(start + CHUNK).min(rows.rows()) {
            for ((c, &x), m) in centred.iter_mut().zip(rows.row(i)).zip(mean) {
                *c = f64::from(x) - m;
            }
            for (line, &a) in sum.chunks_exact_mut(columns).zip(&centred) {
                for (s, &b) in line.iter_mut().zip(&centred) {
                    *s += a * b;
                }
            }
        }
        sum
    };
    let partials: Vec<Vec<f64>> = starts.par_iter().map(partial).collect();
    let mut total = linalg::Matrix::zeros(columns, columns);
    for sum in partials {
        for (t, s) in total.values_mut().iter_mut().zip(sum) {
            *t += s;
        }
    }
    let divisor = rows.rows().saturating_sub(1).max(1) as f64;
    total.values_mut().iter_mut().for_each(|t| *t /= divisor);
    total
}

/// The vector or its opposite: the one whose largest loading is positive.
fn oriented(vector: &[f64]) -> Vec<f64> {
    let mut vector = vector.to_vec();
    let mut largest = 0.0_f64;
    for &x in &vector {
        if x.abs() > largest.abs() {
            largest = x;
        }
    }
    if largest < 0.0 {
        vector.iter_mut().for_each(|x| *x = -*x);
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_on_a_line_have_one_component() {
        let points = (0..50).flat_map(|i| [3.0 * i as f32, -4.0 * i as f32, 7.0]);
        let rows = Matrix::new(3, points.collect());
        let pca = Pca::fit(&rows);
        assert!((pca.explained(0) - 1.0).abs() < 1e-12);
        // The direction is (3, −4, 0) / 5; its largest loading must be positive.
        let scores = pca.scores(&rows, 0);
        for (i, score) in scores.iter().enumerate() {
            assert!(
                (score - 5.0 * (24.5 - i as f64)).abs() < 1e-9,
                "{i}: {score}"
            );
        }
    }

    #[test]
    fn turning_keeps_distances() {
        let values = (0..40 * 6).map(|i| ((i * i + 7 * i) % 31) as f32 - 15.0);
        let rows = Matrix::new(6, values.collect());
        let turned = Pca::fit(&rows).rotate(&rows);
        for (i, j) in [(0, 1), (3, 39), (20, 21)] {
            // Six single-precision coordinates of size up to 40.
            assert!((rows.distance(i, j) - turned.distance(i, j)).abs() < 1e-4);
        }
    }
}
