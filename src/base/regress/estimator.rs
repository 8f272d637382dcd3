//! The estimators of predictive convolution by name, with the notebook's parameters, behind one
//! `fit`. Knows nothing of where features come from.

use super::RegressError;
use super::bayesian_ridge::BayesianRidge;
use super::lasso_lars::{LassoLars, LassoLarsCv};
use super::moments::{Linear, Moments};
use super::passive_aggressive::PassiveAggressive;
use super::ransac::Ransac;
use super::rows::Rows;
use super::{ols, ridge};
use crate::progress::Observer;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// A linear estimator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Estimator {
    /// Ordinary least squares.
    Ols,
    /// Ordinary least squares through the origin.
    OlsNoIntercept,
    /// Ridge regression.
    Ridge,
    /// Ridge regression with penalties found by evidence.
    BayesianRidge,
    /// Lasso by least angle regression.
    LassoLars,
    /// The same, its penalty found by cross-validation.
    LassoLarsCv,
    /// Passive-aggressive regression.
    PassiveAggressive,
    /// Least squares on a random sample consensus.
    Ransac,
}

impl Estimator {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Ols,
        Self::OlsNoIntercept,
        Self::Ridge,
        Self::BayesianRidge,
        Self::LassoLars,
        Self::LassoLarsCv,
        Self::PassiveAggressive,
        Self::Ransac,
    ];

    /// The name users type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ols => "ols",
            Self::OlsNoIntercept => "ols-no-intercept",
            Self::Ridge => "ridge",
            Self::BayesianRidge => "bayesian-ridge",
            Self::LassoLars => "lasso-lars",
            Self::LassoLarsCv => "lasso-lars-cv",
            Self::PassiveAggressive => "passive-aggressive",
            Self::Ransac => "ransac",
        }
    }

    /// Whether it visits single samples, so that all rows must be kept in memory.
    pub fn needs_rows(self) -> bool {
        matches!(self, Self::PassiveAggressive | Self::Ransac)
    }

    /// Fewest samples it can be fitted on with this many features.
    pub fn samples_needed(self, features: usize) -> usize {
        match self {
            // Each path is fitted without one fold, and must still determine every feature.
            Self::LassoLarsCv => {
                (features + 1).div_ceil(LassoLarsCv::FOLDS - 1) * LassoLarsCv::FOLDS
            }
            Self::OlsNoIntercept => features,
            _ => features + 1,
        }
    }
}

impl fmt::Display for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Estimator {
    type Err = RegressError;

    fn from_str(name: &str) -> Result<Self, RegressError> {
        Self::ALL
            .into_iter()
            .find(|e| e.name() == name)
            .ok_or_else(|| RegressError::Parameter {
                name: "estimator",
                value: name.to_string(),
                allowed: format!("choose one of {}", Self::ALL.map(Self::name).join(", ")),
            })
    }
}

/// What may be changed about an estimator; `None` is the notebook's value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    /// Singular values below this share of the largest are dropped (`ols`, `ols-no-intercept`,
    /// `ransac`).
    pub rcond: Option<f64>,
    /// Penalty of `ridge` (1) and `lasso-lars` (0.42).
    pub alpha: Option<f64>,
    /// Seed of `passive-aggressive` (42) and `ransac` (0).
    pub seed: Option<u32>,
}

/// What estimators fit to: columns, the first of which are features.
#[derive(Clone, Debug)]
pub struct Data {
    /// Number of features; targets follow.
    pub features: usize,
    /// Moments of all columns, one per contiguous fold.
    pub folds: Vec<Moments>,
    /// The features of every row, for estimators that need them.
    pub rows: Option<Rows>,
    /// The targets of every row, likewise.
    pub targets: Vec<Vec<f64>>,
}

/// A fitted model and what its estimator has to say about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// The model.
    #[serde(flatten)]
    pub model: Linear,
    /// Iterations, steps or passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_iter: Option<usize>,
    /// Noise precision (`bayesian-ridge`) or penalty (`ridge`, `lasso-lars`, `lasso-lars-cv`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// Weight precision (`bayesian-ridge`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// Directions kept (`ols`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// Trials (`ransac`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_trials: Option<usize>,
    /// Inliers (`ransac`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_inliers: Option<usize>,
}

impl From<Linear> for Fit {
    fn from(model: Linear) -> Self {
        Self {
            model,
            n_iter: None,
            alpha: None,
            lambda: None,
            rank: None,
            n_trials: None,
            n_inliers: None,
        }
    }
}

impl Data {
    /// Moments of all rows.
    pub fn moments(&self) -> Moments {
        let mut all = Moments::new(self.folds.first().map_or(0, Moments::columns));
        self.folds.iter().for_each(|fold| all.merge(fold));
        all
    }

    /// Fits target number `target` (counted from 0).
    ///
    /// # Errors
    /// Too few samples, settings out of range, or what the estimator itself refuses.
    pub fn fit(
        &self,
        estimator: Estimator,
        settings: &Settings,
        target: usize,
        observer: &dyn Observer,
    ) -> Result<Fit, RegressError> {
        let moments = self.moments();
        let needed = estimator.samples_needed(self.features);
        if moments.count() < needed {
            return Err(RegressError::TooFewSamples {
                estimator: estimator.to_string(),
                samples: moments.count(),
                needed,
                hint: "use a longer recording or another estimator",
            });
        }
        match estimator {
            Estimator::Ols => self.least_squares(&moments, settings, target, true),
            Estimator::OlsNoIntercept => self.least_squares(&moments, settings, target, false),
            Estimator::Ridge | Estimator::BayesianRidge => {
                self.fit_ridge(&moments, estimator, settings, target)
            }
            Estimator::LassoLars | Estimator::LassoLarsCv => {
                self.fit_lasso(&moments, estimator, settings, target)
            }
            Estimator::PassiveAggressive | Estimator::Ransac => {
                self.fit_rows(estimator, settings, target, observer)
            }
        }
    }

    fn least_squares(
        &self,
        moments: &Moments,
        settings: &Settings,
        target: usize,
        fit_intercept: bool,
    ) -> Result<Fit, RegressError> {
        let problem = moments.problem(self.features, self.features + target, fit_intercept);
        let fitted = ols::fit(&problem, settings.rcond)?;
        Ok(Fit {
            rank: Some(fitted.rank),
            ..fitted.model.into()
        })
    }

    fn fit_ridge(
        &self,
        moments: &Moments,
        estimator: Estimator,
        settings: &Settings,
        target: usize,
    ) -> Result<Fit, RegressError> {
        let problem = moments.problem(self.features, self.features + target, true);
        if estimator == Estimator::Ridge {
            let alpha = settings.alpha.unwrap_or(ridge::DEFAULT_ALPHA);
            return Ok(Fit {
                alpha: Some(alpha),
                ..ridge::fit(&problem, alpha)?.into()
            });
        }
        let fitted = BayesianRidge::default().fit(&problem)?;
        Ok(Fit {
            n_iter: Some(fitted.n_iter),
            alpha: Some(fitted.alpha),
            lambda: Some(fitted.lambda),
            ..fitted.model.into()
        })
    }

    fn fit_lasso(
        &self,
        moments: &Moments,
        estimator: Estimator,
        settings: &Settings,
        target: usize,
    ) -> Result<Fit, RegressError> {
        let column = self.features + target;
        let fitted = if estimator == Estimator::LassoLars {
            notebook_lasso_lars(settings).fit(moments, self.features, column)?
        } else {
            let cv = notebook_lasso_lars_cv();
            cv.fit(&self.folds, self.features, column)?.fitted
        };
        Ok(Fit {
            n_iter: Some(fitted.path.n_iter),
            alpha: Some(fitted.alpha),
            ..fitted.model.into()
        })
    }

    fn fit_rows(
        &self,
        estimator: Estimator,
        settings: &Settings,
        target: usize,
        observer: &dyn Observer,
    ) -> Result<Fit, RegressError> {
        let (Some(rows), Some(target)) = (&self.rows, self.targets.get(target)) else {
            return Err(RegressError::TooFewSamples {
                estimator: estimator.to_string(),
                samples: 0,
                needed: estimator.samples_needed(self.features),
                hint: "its rows must be kept in memory",
            });
        };
        if estimator == Estimator::PassiveAggressive {
            let fitted = notebook_passive_aggressive(settings).fit(rows, target, observer)?;
            return Ok(Fit {
                n_iter: Some(fitted.n_iter),
                ..fitted.model.into()
            });
        }
        let fitted = notebook_ransac(settings).fit(rows, target, observer)?;
        Ok(Fit {
            n_trials: Some(fitted.n_trials),
            n_inliers: Some(fitted.n_inliers),
            ..fitted.model.into()
        })
    }
}

/// `LassoLars(alpha=0.42, fit_intercept=False, eps=0.2, max_iter=200)`.
pub fn notebook_lasso_lars(settings: &Settings) -> LassoLars {
    LassoLars {
        alpha: settings.alpha.unwrap_or(0.42),
        fit_intercept: false,
        max_iter: 200,
        eps: 0.2,
    }
}

/// `LassoLarsCV(max_iter=20, fit_intercept=False)`.
pub fn notebook_lasso_lars_cv() -> LassoLarsCv {
    LassoLarsCv {
        fit_intercept: false,
        max_iter: 20,
        ..LassoLarsCv::default()
    }
}

/// `PassiveAggressiveRegressor(C=0.42, random_state=42, max_iter=580)`.
pub fn notebook_passive_aggressive(settings: &Settings) -> PassiveAggressive {
    PassiveAggressive {
        c: 0.42,
        random_state: settings.seed.unwrap_or(42),
        max_iter: 580,
        ..PassiveAggressive::default()
    }
}

/// `RANSACRegressor(stop_probability=0.42, max_skips=50)`; the notebook gave no seed.
pub fn notebook_ransac(settings: &Settings) -> Ransac {
    Ransac {
        stop_probability: 0.42,
        max_skips: 50,
        random_state: settings.seed.unwrap_or(0),
        rcond: settings.rcond,
        ..Ransac::default()
    }
}
