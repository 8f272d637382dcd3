//! Ordinary least squares from moments, scikit-learn's `LinearRegression`.
//!
//! Full rank unless an `rcond` is given: scikit-learn 1.9 began to drop directions whose singular
//! value is below 10⁻⁶ of the largest (its `tol`), which changes predictive convolution's sound;
//! `rcond = 1e-6` asks for that.

use super::RegressError;
use super::moments::{Linear, Problem};
use crate::linalg::small::{ScaledCholesky, Svd, square_root};
use crate::linalg::{Matrix, dot};

/// A fit and how well determined it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Ols {
    /// The model.
    pub model: Linear,
    /// Directions kept.
    pub rank: usize,
    /// Singular values of the (centred) features, largest first.
    pub singular: Vec<f64>,
}

/// The same with an intercept on a handful of rows, straight from them.
pub(crate) fn fit_rows<'a>(
    rows: impl ExactSizeIterator<Item = (&'a [f64], f64)>,
    features: usize,
    rcond: Option<f64>,
) -> Linear {
    let count = rows.len();
    let mut x = Matrix::zeros(count, features);
    let mut y = vec![0.0; count];
    for (i, (row, target)) in rows.enumerate() {
        for (j, value) in row.iter().enumerate() {
            x[(i, j)] = *value;
        }
        y[i] = target;
    }
    let x_mean: Vec<f64> = (0..features).map(|j| centre(x.column_mut(j))).collect();
    let y_mean = centre(&mut y);
    let coef = Svd::new(&x).solve(&y, rcond.unwrap_or(0.0).max(f64::EPSILON));
    Linear {
        intercept: y_mean - dot(&x_mean, &coef),
        coef,
    }
}

/// Subtracts the mean, and says what it was.
fn centre(values: &mut [f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter_mut().for_each(|v| *v -= mean);
    mean
}

/// Minimises `‖y − X·w‖²`; of several minimisers the shortest. Singular values not above
/// `rcond` times the largest count as zero; `None` keeps all that exceed rounding.
///
/// # Errors
/// [`RegressError::Parameter`] for an `rcond` outside `[0, 1)`; moments that are not finite.
pub fn fit(problem: &Problem, rcond: Option<f64>) -> Result<Ols, RegressError> {
    problem.check("ols")?;
    if let Some(rcond) = rcond
        && !(0.0..1.0).contains(&rcond)
    {
        return Err(RegressError::Parameter {
            name: "rcond",
            value: rcond.to_string(),
            allowed: "must be at least 0 and below 1; 1e-6 is scikit-learn 1.9's".to_string(),
        });
    }
    let root = square_root(&problem.gram);
    let svd = Svd::new(&root);
    let cut = rcond.unwrap_or(0.0).max(f64::EPSILON);
    let rank = svd.rank(cut);
    let coef = match ScaledCholesky::new(&problem.gram) {
        // Nothing to cut: the scaled factor solves directly and loses nothing.
        Some(cholesky) if rank == problem.gram.columns() => cholesky.solve(&problem.xty),
        _ => svd.solve_normal(&problem.xty, cut),
    };
    let mut singular = svd.singular;
    singular.sort_by(|a, b| b.total_cmp(a));
    Ok(Ols {
        model: problem.model(&coef),
        rank,
        singular,
    })
}
