//! Means and centred second moments of columns, gathered in pieces: all that every linear
//! estimator here needs from data of any length (memory does not grow with the samples).
//!
//! Pieces are centred on their own means and joined exactly (Chan, Golub & LeVeque, "Updating
//! formulae and a pairwise algorithm for computing sample variances", 1979), so features far
//! from zero lose nothing. Knows nothing of estimators.

use super::RegressError;
use crate::linalg::{Matrix, dot};

/// Rows per piece: nine columns of 1024 doubles stay in the L2 cache.
pub const PIECE: usize = 1024;

/// Count, means and scatter `Σ (z − z̄)(z − z̄)ᵀ` of some columns (features, then targets).
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    count: usize,
    mean: Vec<f64>,
    scatter: Matrix,
}

impl Moments {
    /// No rows yet of `columns` columns.
    pub fn new(columns: usize) -> Self {
        Self {
            count: 0,
            mean: vec![0.0; columns],
            scatter: Matrix::zeros(columns, columns),
        }
    }

    /// Moments of whole columns of equal length.
    pub fn of(columns: &[&[f64]]) -> Self {
        let mut moments = Self::new(columns.len());
        let rows = columns.iter().map(|c| c.len()).min().unwrap_or(0);
        for start in (0..rows).step_by(PIECE) {
            let end = (start + PIECE).min(rows);
            let mut piece: Vec<Vec<f64>> = columns.iter().map(|c| c[start..end].to_vec()).collect();
            moments.push(&mut piece);
        }
        moments
    }

    /// Number of rows seen.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.mean.len()
    }

    /// Mean of each column.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// `√(scatter/count)` of a column: its (population) standard deviation.
    pub fn std(&self, column: usize) -> f64 {
        (self.scatter[(column, column)] / self.count as f64).sqrt()
    }

    /// Adds the rows of equally long column pieces, which serve as scratch and come back centred.
    pub fn push(&mut self, piece: &mut [Vec<f64>]) {
        let rows = piece.first().map_or(0, Vec::len);
        if rows == 0 {
            return;
        }
        let mut part = Self::new(piece.len());
        part.count = rows;
        for (column, mean) in piece.iter_mut().zip(part.mean.iter_mut()) {
            *mean = column.iter().sum::<f64>() / rows as f64;
            column.iter_mut().for_each(|z| *z -= *mean);
        }
        for i in 0..piece.len() {
            for j in i..piece.len() {
                let value = dot(&piece[i], &piece[j]);
                part.scatter[(i, j)] = value;
                part.scatter[(j, i)] = value;
            }
        }
        self.merge(&part);
    }

    /// Adds the rows of another set of the same columns.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let total = self.count + other.count;
        let means = other.mean.iter().zip(&self.mean);
        let delta: Vec<f64> = means.map(|(theirs, ours)| theirs - ours).collect();
        let share = other.count as f64 / total as f64;
        let between = self.count as f64 * share;
        for (j, &dj) in delta.iter().enumerate() {
            let theirs = other.scatter.column(j);
            for ((s, o), di) in self
                .scatter
                .column_mut(j)
                .iter_mut()
                .zip(theirs)
                .zip(&delta)
            {
                *s = *s + o + di * dj * between;
            }
            self.mean[j] += dj * share;
        }
        self.count = total;
    }

    /// The least-squares problem of the first `features` columns against column `target`.
    /// Centred with an intercept; without one, moments about zero.
    pub fn problem(&self, features: usize, target: usize, fit_intercept: bool) -> Problem {
        // Without an intercept, what the mean takes out of the moments comes back.
        let weight = if fit_intercept {
            0.0
        } else {
            self.count as f64
        };
        let moment =
            |i: usize, j: usize| self.scatter[(i, j)] + self.mean[i] * self.mean[j] * weight;
        let subtracted = |mean: f64| if fit_intercept { mean } else { 0.0 };
        Problem {
            samples: self.count,
            gram: Matrix::from_fn(features, features, moment),
            xty: (0..features).map(|i| moment(i, target)).collect(),
            yty: moment(target, target),
            x_mean: self.mean[..features]
                .iter()
                .copied()
                .map(subtracted)
                .collect(),
            y_mean: subtracted(self.mean[target]),
        }
    }

    /// Coefficient of determination of `model` on these rows: `1 − Σ(y − ŷ)² / Σ(y − ȳ)²`;
    /// 0 for a constant target, as the mean is then already right. (scikit-learn's `r2_score`
    /// with `force_finite` gives 1 for a perfect and 0 for an imperfect prediction there.)
    pub fn r2(&self, target: usize, model: &Linear) -> f64 {
        let total = self.scatter[(target, target)];
        if total == 0.0 {
            return 0.0;
        }
        1.0 - self.squared_error(target, model) / total
    }

    /// `Σ(y − ŷ)²` of `model` on these rows.
    pub fn squared_error(&self, target: usize, model: &Linear) -> f64 {
        let problem = self.problem(model.coef.len(), target, true);
        let predicted_mean = model.intercept + dot(&model.coef, &problem.x_mean);
        let offset = problem.y_mean - predicted_mean;
        problem.residual_energy(&model.coef) + self.count as f64 * offset * offset
    }
}

/// One target's least-squares problem in terms of moments.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Number of samples `n`.
    pub samples: usize,
    /// `XᵀX`.
    pub gram: Matrix,
    /// `Xᵀy`.
    pub xty: Vec<f64>,
    /// `yᵀy`.
    pub yty: f64,
    /// What was subtracted from the features (zero without an intercept).
    pub x_mean: Vec<f64>,
    /// What was subtracted from the target.
    pub y_mean: f64,
}

impl Problem {
    /// `‖y − X·w‖²`, never below zero.
    pub fn residual_energy(&self, coef: &[f64]) -> f64 {
        let mut slope = self.gram.times_vector(coef);
        slope
            .iter_mut()
            .zip(&self.xty)
            .for_each(|(s, c)| *s -= 2.0 * c);
        (self.yty + dot(&slope, coef)).max(0.0)
    }

    /// The model with these coefficients on the original, uncentred data.
    pub fn model(&self, coef: &[f64]) -> Linear {
        Linear {
            coef: coef.to_vec(),
            intercept: self.y_mean - dot(&self.x_mean, coef),
        }
    }

    /// Refuses moments in which an infinity or NaN has been summed.
    pub(crate) fn check(&self, estimator: &str) -> Result<(), RegressError> {
        if self.samples == 0 {
            return Err(RegressError::TooFewSamples {
                estimator: estimator.to_string(),
                samples: 0,
                needed: 1,
                hint: "give it data",
            });
        }
        if self.yty.is_finite()
            && self
                .gram
                .values()
                .iter()
                .chain(&self.xty)
                .all(|v| v.is_finite())
        {
            return Ok(());
        }
        Err(RegressError::NotFinite {
            what: format!("{estimator}: the features or targets' second moments"),
            value: f64::NAN,
            index: 0,
        })
    }
}

/// `ŷ = coef·x + intercept`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Linear {
    /// One coefficient per feature.
    pub coef: Vec<f64>,
    /// The constant term; 0 for models without one.
    pub intercept: f64,
}

impl Linear {
    /// The prediction for one row of features.
    pub fn predict(&self, features: &[f64]) -> f64 {
        let sum: f64 = self.coef.iter().zip(features).map(|(w, x)| w * x).sum();
        sum + self.intercept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_merges_give_the_two_pass_moments_far_from_zero() {
        let rows = 3 * PIECE + 17;
        let columns: Vec<Vec<f64>> = (0..3)
            .map(|c| {
                (0..rows)
                    .map(|t| 1e6 + ((t * (c + 3)) as f64 * 0.7).sin())
                    .collect()
            })
            .collect();
        let slices: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let whole = Moments::of(&slices);
        let cut =
            |a: usize, b: usize| Moments::of(&slices.iter().map(|c| &c[a..b]).collect::<Vec<_>>());
        let mut joined = cut(0, 5);
        joined.merge(&cut(5, 2000));
        joined.merge(&Moments::new(3));
        joined.merge(&cut(2000, rows));
        for i in 0..3 {
            for j in 0..3 {
                let mean = |c: &[f64]| c.iter().map(|v| v - 1e6).sum::<f64>() / rows as f64;
                let (a, b) = (mean(slices[i]), mean(slices[j]));
                let want: f64 = (0..rows)
                    .map(|t| (slices[i][t] - 1e6 - a) * (slices[j][t] - 1e6 - b))
                    .sum();
                // Samples near 1e6 carry 1e-10; raw sums would lose 1e12·ε·rows = 0.7.
                assert!((whole.scatter[(i, j)] - want).abs() < 1e-6, "{i} {j}");
                assert!((joined.scatter[(i, j)] - want).abs() < 1e-6, "{i} {j}");
            }
        }
        assert_eq!(joined.count(), rows);
    }
}
