//! Ridge regression from moments, scikit-learn's `Ridge` (solver "cholesky"). The intercept is
//! not penalised.

use super::RegressError;
use super::moments::{Linear, Problem};
use crate::linalg::small::ScaledCholesky;

/// scikit-learn's default penalty.
pub const DEFAULT_ALPHA: f64 = 1.0;

/// Minimises `‖y − X·w‖² + alpha·‖w‖²`.
///
/// # Errors
/// [`RegressError::Parameter`] for a negative `alpha`, [`RegressError::Singular`] when `alpha`
/// is too small to make dependent features solvable.
pub fn fit(problem: &Problem, alpha: f64) -> Result<Linear, RegressError> {
    problem.check("ridge")?;
    if !(alpha.is_finite() && alpha >= 0.0) {
        return Err(RegressError::Parameter {
            name: "alpha",
            value: alpha.to_string(),
            allowed: "must be 0 or a positive number".to_string(),
        });
    }
    let penalised = problem.gram.clone().plus_diagonal(alpha);
    let cholesky = ScaledCholesky::new(&penalised).ok_or_else(|| RegressError::Singular {
        estimator: "ridge".to_string(),
    })?;
    Ok(problem.model(&cholesky.solve(&problem.xty)))
}
