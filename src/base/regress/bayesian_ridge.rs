//! Bayesian ridge regression from moments, scikit-learn's `BayesianRidge`: noise precision
//! `alpha` and weight precision `lambda` are estimated by maximising the evidence (MacKay 1992,
//! Tipping 2001), with its stopping rule, which is absolute and in unscaled coefficients.

use super::RegressError;
use super::moments::{Linear, Problem};
use crate::linalg::dot;
use crate::linalg::small::ScaledCholesky;

/// scikit-learn's parameters of that name, and its defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BayesianRidge {
    /// Most updates of `alpha` and `lambda`.
    pub max_iter: usize,
    /// Stop when `Σ|w_old − w|` falls below this.
    pub tol: f64,
    /// Shape of the Gamma prior over `alpha`.
    pub alpha_1: f64,
    /// Rate of the Gamma prior over `alpha`.
    pub alpha_2: f64,
    /// Shape of the Gamma prior over `lambda`.
    pub lambda_1: f64,
    /// Rate of the Gamma prior over `lambda`.
    pub lambda_2: f64,
}

impl Default for BayesianRidge {
    fn default() -> Self {
        Self {
            max_iter: 300,
            tol: 1e-3,
            alpha_1: 1e-6,
            alpha_2: 1e-6,
            lambda_1: 1e-6,
            lambda_2: 1e-6,
        }
    }
}

/// A fit and what led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The posterior mean.
    pub model: Linear,
    /// Updates done.
    pub n_iter: usize,
    /// Estimated noise precision.
    pub alpha: f64,
    /// Estimated weight precision.
    pub lambda: f64,
    /// Log marginal likelihood before each update, and one more for the final precisions (that
    /// last one mixes the final error with the coefficients before it, as scikit-learn does).
    pub scores: Vec<f64>,
}

/// Posterior mean for given precisions, with what the updates need.
struct Posterior {
    coef: Vec<f64>,
    /// `‖y − X·w‖²`.
    error: f64,
    /// `Σ alpha·e/(lambda + alpha·e)` over the Gram matrix's eigenvalues `e`: the number of
    /// coefficients that the data, not the prior, determine.
    gamma: f64,
    /// `ln det (lambda·I + alpha·XᵀX)`.
    log_det: f64,
}

impl BayesianRidge {
    /// Fits. Takes microseconds whatever the number of samples.
    ///
    /// # Errors
    /// [`RegressError::Parameter`] for `max_iter` 0; moments that are not finite.
    pub fn fit(&self, problem: &Problem) -> Result<Fitted, RegressError> {
        problem.check("bayesian-ridge")?;
        if self.max_iter == 0 {
            return Err(RegressError::Parameter {
                name: "max_iter",
                value: "0".to_string(),
                allowed: "must be at least 1".to_string(),
            });
        }
        let samples = problem.samples as f64;
        let mut alpha = 1.0 / (problem.yty / samples + f64::EPSILON);
        let mut lambda = 1.0;
        let mut scores = Vec::new();
        let mut previous: Option<Vec<f64>> = None;
        let mut n_iter = 0;
        while n_iter < self.max_iter {
            let posterior = posterior(problem, alpha, lambda)?;
            let coef = posterior.coef.clone();
            scores.push(self.evidence(problem, alpha, lambda, &coef, &posterior));
            lambda =
                (posterior.gamma + 2.0 * self.lambda_1) / (dot(&coef, &coef) + 2.0 * self.lambda_2);
            alpha = (samples - posterior.gamma + 2.0 * self.alpha_1)
                / (posterior.error + 2.0 * self.alpha_2);
            n_iter += 1;
            let change = previous.as_ref().map(|old| distance(old, &coef));
            previous = Some(coef);
            if change.is_some_and(|change| change < self.tol) {
                break;
            }
        }
        let last = posterior(problem, alpha, lambda)?;
        let before = previous.unwrap_or_else(|| last.coef.clone());
        scores.push(self.evidence(problem, alpha, lambda, &before, &last));
        Ok(Fitted {
            model: problem.model(&last.coef),
            n_iter,
            alpha,
            lambda,
            scores,
        })
    }

    fn evidence(
        &self,
        problem: &Problem,
        alpha: f64,
        lambda: f64,
        coef: &[f64],
        posterior: &Posterior,
    ) -> f64 {
        let (n, p) = (problem.samples as f64, problem.gram.columns() as f64);
        self.lambda_1 * lambda.ln() - self.lambda_2 * lambda + self.alpha_1 * alpha.ln()
            - self.alpha_2 * alpha
            + 0.5
                * (p * lambda.ln() + n * alpha.ln()
                    - alpha * posterior.error
                    - lambda * dot(coef, coef)
                    - posterior.log_det
                    - n * std::f64::consts::TAU.ln())
    }
}

/// `Σ|a − b|`.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

fn posterior(problem: &Problem, alpha: f64, lambda: f64) -> Result<Posterior, RegressError> {
    let features = problem.gram.columns();
    let penalised = problem.gram.clone().plus_diagonal(lambda / alpha);
    let cholesky = ScaledCholesky::new(&penalised).ok_or_else(|| RegressError::Singular {
        estimator: "bayesian-ridge".to_string(),
    })?;
    let coef = cholesky.solve(&problem.xty);
    let gamma = (0..features)
        .map(|j| cholesky.solve(problem.gram.column(j))[j])
        .sum();
    Ok(Posterior {
        error: problem.residual_energy(&coef),
        gamma,
        log_det: cholesky.log_det() + features as f64 * alpha.ln(),
        coef,
    })
}
