//! Lasso by least angle regression at one penalty, scikit-learn's `LassoLars`, and with the
//! penalty chosen by cross-validation, its `LassoLarsCV`; both from moments.

use super::RegressError;
use super::lars::{Path, lasso_path};
use super::moments::{Linear, Moments};

/// scikit-learn's `LassoLars` parameters and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LassoLars {
    /// Penalty.
    pub alpha: f64,
    /// Whether to centre.
    pub fit_intercept: bool,
    /// Most steps.
    pub max_iter: usize,
    /// Least Cholesky pivot.
    pub eps: f64,
}

impl Default for LassoLars {
    fn default() -> Self {
        Self {
            alpha: 1.0,
            fit_intercept: true,
            max_iter: 500,
            eps: f64::EPSILON,
        }
    }
}

/// A fit and the path that led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The model at `alpha`.
    pub model: Linear,
    /// The penalty it was taken at.
    pub alpha: f64,
    /// The path down to it.
    pub path: Path,
}

impl LassoLars {
    /// Fits column `target` of `moments` to its first `features` columns.
    ///
    /// # Errors
    /// [`RegressError::Parameter`] for a negative penalty; moments that are not finite.
    pub fn fit(
        &self,
        moments: &Moments,
        features: usize,
        target: usize,
    ) -> Result<Fitted, RegressError> {
        if !(self.alpha.is_finite() && self.alpha >= 0.0) {
            return Err(RegressError::Parameter {
                name: "alpha",
                value: self.alpha.to_string(),
                allowed: "must be 0 or a positive number".to_string(),
            });
        }
        let problem = moments.problem(features, target, self.fit_intercept);
        problem.check("lasso-lars")?;
        let path = lasso_path(&problem, self.alpha, self.max_iter, self.eps);
        Ok(Fitted {
            model: problem.model(&path.last()),
            alpha: self.alpha,
            path,
        })
    }
}

/// scikit-learn's `LassoLarsCV` parameters and defaults; the folds are contiguous.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LassoLarsCv {
    /// Whether to centre.
    pub fit_intercept: bool,
    /// Most steps of each path.
    pub max_iter: usize,
    /// Most penalties at which the folds are compared.
    pub max_n_alphas: usize,
    /// Least Cholesky pivot.
    pub eps: f64,
}

impl LassoLarsCv {
    /// Number of folds.
    pub const FOLDS: usize = 5;
}

impl Default for LassoLarsCv {
    fn default() -> Self {
        Self {
            fit_intercept: true,
            max_iter: 500,
            max_n_alphas: 1000,
            eps: f64::EPSILON,
        }
    }
}

/// A fit and the comparison that chose its penalty.
#[derive(Clone, Debug, PartialEq)]
pub struct CvFitted {
    /// The refit on all samples at the chosen penalty.
    pub fitted: Fitted,
    /// Penalties compared, increasing.
    pub cv_alphas: Vec<f64>,
    /// Mean squared error on each fold left out (`mse[alpha][fold]`).
    pub mse: Vec<Vec<f64>>,
}

/// Samples of each of `folds` contiguous folds: the first `samples % folds` have one more.
pub fn fold_sizes(samples: usize, folds: usize) -> Vec<usize> {
    (0..folds)
        .map(|k| samples / folds + usize::from(k < samples % folds))
        .collect()
}

impl LassoLarsCv {
    /// Fits from the moments of each fold: the paths of the other folds are judged on it. Since a
    /// path is linear in the penalty between its bends, errors at any penalty follow from the
    /// interpolated coefficients.
    ///
    /// # Errors
    /// [`RegressError::TooFewSamples`] when a fold is empty or the rest too short to centre.
    pub fn fit(
        &self,
        folds: &[Moments],
        features: usize,
        target: usize,
    ) -> Result<CvFitted, RegressError> {
        let samples = folds.iter().map(Moments::count).sum();
        if folds.len() < 2 || folds.iter().any(|fold| fold.count() == 0) {
            return Err(RegressError::TooFewSamples {
                estimator: "lasso-lars-cv".to_string(),
                samples,
                needed: Self::FOLDS,
                hint: "one for each fold of the cross-validation",
            });
        }
        let join = |left_out: Option<usize>| {
            let mut moments = Moments::new(folds[0].columns());
            let kept = folds
                .iter()
                .enumerate()
                .filter(|(k, _)| Some(*k) != left_out);
            kept.for_each(|(_, fold)| moments.merge(fold));
            moments
        };
        let mut paths = Vec::new();
        for k in 0..folds.len() {
            let problem = join(Some(k)).problem(features, target, self.fit_intercept);
            problem.check("lasso-lars-cv")?;
            let path = lasso_path(&problem, 0.0, self.max_iter, self.eps);
            let models: Vec<Linear> = path.coefs.iter().map(|w| problem.model(w)).collect();
            paths.push(FoldPath { path, models });
        }
        let cv_alphas = self.compared(&paths);
        let mse: Vec<Vec<f64>> = cv_alphas
            .iter()
            .map(|&alpha| {
                paths
                    .iter()
                    .zip(folds)
                    .map(|(path, fold)| {
                        fold.squared_error(target, &path.at(alpha)) / fold.count() as f64
                    })
                    .collect()
            })
            .collect();
        let best = best_alpha(&cv_alphas, &mse);
        let refit = LassoLars {
            alpha: best,
            fit_intercept: self.fit_intercept,
            max_iter: self.max_iter,
            eps: self.eps,
        };
        Ok(CvFitted {
            fitted: refit.fit(&join(None), features, target)?,
            cv_alphas,
            mse,
        })
    }

    /// Every penalty where some fold's path bends, thinned to `max_n_alphas`.
    fn compared(&self, paths: &[FoldPath]) -> Vec<f64> {
        let mut all: Vec<f64> = paths.iter().flat_map(|p| p.path.alphas.clone()).collect();
        all.sort_by(f64::total_cmp);
        // Two folds' paths may bend at one penalty but for rounding.
        all.dedup_by(|later, earlier| (*later - *earlier).abs() <= 1e-13 * earlier.abs());
        let stride = (all.len() / self.max_n_alphas.max(1)).max(1);
        all.into_iter().step_by(stride).collect()
    }
}

struct FoldPath {
    path: Path,
    /// The uncentred model at each bend.
    models: Vec<Linear>,
}

impl FoldPath {
    fn at(&self, alpha: f64) -> Linear {
        let with_intercept = |model: &Linear| {
            let mut all = model.coef.clone();
            all.push(model.intercept);
            all
        };
        let augmented = Path {
            alphas: self.path.alphas.clone(),
            coefs: self.models.iter().map(with_intercept).collect(),
            active: Vec::new(),
            n_iter: 0,
        };
        let mut coef = augmented.at(alpha);
        let intercept = coef.pop().unwrap_or(0.0);
        Linear { coef, intercept }
    }
}

/// The first penalty with the least mean error over the folds.
fn best_alpha(alphas: &[f64], mse: &[Vec<f64>]) -> f64 {
    let mut best = (f64::INFINITY, 0.0);
    for (&alpha, errors) in alphas.iter().zip(mse) {
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        if mean < best.0 {
            best = (mean, alpha);
        }
    }
    best.1
}
