//! Ordinary least squares from moments, scikit-learn's `LinearRegression`.
//!
//! Full rank unless an `rcond` is given: scikit-learn 1.9 began to drop directions whose singular
//! value is below 10⁻⁶ of the largest (its `tol`), which changes predictive convolution's sound;
//! `rcond = 1e-6` asks for that.

use super::RegressError;
use super::moments::{Linear, Problem};
use super::small::{ScaledCholesky, Svd, square_root};
use nalgebra::{DMatrix, DVector};

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
    let mut x = DMatrix::zeros(count, features);
    let mut y = DVector::zeros(count);
    for (i, (row, target)) in rows.enumerate() {
        for (j, value) in row.iter().enumerate() {
            x[(i, j)] = *value;
        }
        y[i] = target;
    }
    let x_mean = x.row_mean().transpose();
    let y_mean = y.mean();
    for mut row in x.row_iter_mut() {
        row -= x_mean.transpose();
    }
    y.add_scalar_mut(-y_mean);
    let coef = Svd::new(&x).solve(&y, rcond.unwrap_or(0.0).max(f64::EPSILON));
    Linear {
        intercept: y_mean - x_mean.dot(&coef),
        coef: coef.as_slice().to_vec(),
    }
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
        Some(cholesky) if rank == problem.gram.ncols() => cholesky.solve(&problem.xty),
        _ => svd.solve_normal(&problem.xty, cut),
    };
    let mut singular: Vec<f64> = svd.singular.as_slice().to_vec();
    singular.sort_by(|a, b| b.total_cmp(a));
    Ok(Ols {
        model: problem.model(&coef),
        rank,
        singular,
    })
}
