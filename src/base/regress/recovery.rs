//! Recovering the deleted end of a clip from clips of the same kind: regression from the kept
//! beginning to the deleted end, thousands of targets wide.
//!
//! In the dual form every prediction is a weighted sum of the other clips' endings, and the
//! weights follow from the clips' inner products: a 50 × 50 matrix instead of 33 MB of
//! coefficients, exact to 10⁻¹⁴ of scikit-learn's. Knows nothing of files.

use super::RegressError;
use crate::linalg::{Eigen, Matrix, dot};
use crate::number;
use serde::Serialize;

/// How beginnings are mapped to endings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Ordinary least squares with intercept; directions with a singular value of at most
    /// `rcond` of the largest are dropped. With fewer clips than samples it passes through every
    /// training clip, which is why it predicts badly.
    Ols {
        /// Relative cut. The smallest centred direction is pure rounding: keep 1e-6.
        rcond: f64,
    },
    /// Ridge regression through the origin (silence in, silence out).
    Ridge {
        /// Penalty relative to the mean energy of a beginning; `None` chooses it by
        /// leave-one-out on the training clips.
        alpha: Option<f64>,
    },
    /// Regression on the first principal directions of the beginnings, through the origin.
    Pca {
        /// How many; `None` chooses by leave-one-out on the training clips.
        components: Option<usize>,
    },
}

/// Penalties tried when none is given: a factor 10 either way of three decades around equality.
const ALPHAS: [f64; 9] = [1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1000.0];

/// Inner products of clips, from which all weights follow.
#[derive(Clone, Debug)]
pub struct Clips {
    /// Of the kept beginnings.
    known: Matrix,
    /// Of the endings, for choosing penalties.
    endings: Matrix,
}

/// Weights of the other clips' endings, and the setting in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// One per training clip, in the order given.
    pub weights: Vec<f64>,
    /// The penalty or number of components used.
    pub setting: f64,
}

impl Clips {
    /// Inner products of clips of equal length, cut after `split` samples.
    pub fn new(clips: &[Vec<f64>], split: usize) -> Self {
        let products = |part: &dyn for<'a> Fn(&'a [f64]) -> &'a [f64]| {
            Matrix::from_fn(clips.len(), clips.len(), |i, j| {
                dot(part(&clips[i]), part(&clips[j]))
            })
        };
        Self {
            known: products(&|clip| &clip[..split]),
            endings: products(&|clip| &clip[split..]),
        }
    }

    /// Weights that predict clip `held_out` from the clips `training`.
    ///
    /// # Errors
    /// [`RegressError::TooFewSamples`] with fewer than two training clips,
    /// [`RegressError::Parameter`] for settings out of range.
    pub fn weights(
        &self,
        training: &[usize],
        held_out: usize,
        method: Method,
    ) -> Result<Weights, RegressError> {
        if training.len() < 2 {
            return Err(RegressError::TooFewSamples {
                estimator: "recovery".to_string(),
                samples: training.len(),
                needed: 2,
                hint: "give it more clips to learn from",
            });
        }
        let pick = |m: &Matrix| {
            Matrix::from_fn(training.len(), training.len(), |i, j| {
                m[(training[i], training[j])]
            })
        };
        let gram = pick(&self.known);
        let to_held_out = |&i: &usize| self.known[(i, held_out)];
        let query: Vec<f64> = training.iter().map(to_held_out).collect();
        match method {
            Method::Ols { rcond } => ols(&gram, &query, rcond),
            Method::Ridge { alpha } => {
                let problem = Dual::new(&gram, pick(&self.endings));
                problem.ridge(&query, alpha)
            }
            Method::Pca { components } => {
                let problem = Dual::new(&gram, pick(&self.endings));
                problem.pca(&query, components)
            }
        }
    }
}

/// Centred dual least squares: `1/n + H·K⁺·k`, both sides centred by `H = I − 11ᵀ/n`.
fn ols(gram: &Matrix, query: &[f64], rcond: f64) -> Result<Weights, RegressError> {
    if !(0.0..1.0).contains(&rcond) {
        return Err(RegressError::Parameter {
            name: "rcond",
            value: rcond.to_string(),
            allowed: "must be at least 0 and below 1; 1e-6 is scikit-learn 1.9's".to_string(),
        });
    }
    let n = gram.rows() as f64;
    let mean_of = |values: &[f64]| values.iter().sum::<f64>() / n;
    let row_means: Vec<f64> = (0..gram.columns())
        .map(|j| mean_of(gram.column(j)))
        .collect();
    let mean = mean_of(&row_means);
    let centred = Matrix::from_fn(gram.rows(), gram.columns(), |i, j| {
        gram[(i, j)] - row_means[i] - row_means[j] + mean
    });
    let query_mean = mean_of(query);
    let pairs = query.iter().zip(&row_means);
    let centred_query: Vec<f64> = pairs.map(|(q, m)| q - m - query_mean + mean).collect();
    let eigen = Eigen::of(&centred);
    // Squares of singular values; below n·ε they are rounding whatever was asked.
    let cut = (rcond * rcond).max(8.0 * n * f64::EPSILON) * eigen.largest();
    let mut weights = vec![n.recip(); query.len()];
    let mut rank = 0;
    for (k, &value) in eigen.values.iter().enumerate() {
        if value > cut {
            let direction = eigen.vectors.column(k);
            let amount = dot(direction, &centred_query) / value;
            weights
                .iter_mut()
                .zip(direction)
                .for_each(|(w, d)| *w += d * amount);
            rank += 1;
        }
    }
    Ok(Weights {
        weights,
        setting: f64::from(rank),
    })
}

/// Regression through the origin in the eigenbasis of the beginnings' inner products.
struct Dual {
    eigen: Eigen,
    endings: Matrix,
    /// Mean energy of a beginning.
    energy: f64,
}

impl Dual {
    fn new(gram: &Matrix, endings: Matrix) -> Self {
        let energy = gram.diagonal().sum::<f64>() / gram.rows() as f64;
        Self {
            eigen: Eigen::of(gram),
            endings,
            energy,
        }
    }

    fn ridge(&self, query: &[f64], alpha: Option<f64>) -> Result<Weights, RegressError> {
        if let Some(alpha) = alpha
            && !(alpha.is_finite() && alpha > 0.0)
        {
            return Err(RegressError::Parameter {
                name: "alpha",
                value: alpha.to_string(),
                allowed: "must be a positive number, relative to a clip's mean energy".to_string(),
            });
        }
        let candidates = alpha.map_or_else(|| ALPHAS.to_vec(), |alpha| vec![alpha]);
        let filter = |alpha: f64, e: f64| 1.0 / (e + alpha * self.energy);
        Ok(self.best(query, &candidates, filter))
    }

    fn pca(&self, query: &[f64], components: Option<usize>) -> Result<Weights, RegressError> {
        let n = self.eigen.values.len();
        // One less than the clips: with all of them every training clip is met exactly.
        if let Some(components) = components
            && !(1..n).contains(&components)
        {
            return Err(RegressError::Parameter {
                name: "components",
                value: components.to_string(),
                allowed: format!("must lie between 1 and {}", n - 1),
            });
        }
        let candidates = components.map_or_else(
            || (1..n).map(|k| k as f64).collect(),
            |components| vec![components as f64],
        );
        let mut order = self.eigen.values.clone();
        order.sort_by(|a, b| b.total_cmp(a));
        let filter = |components: f64, e: f64| {
            if e >= order[components as usize - 1] && e > 0.0 {
                e.recip()
            } else {
                0.0
            }
        };
        Ok(self.best(query, &candidates, filter))
    }

    /// Weights `V·diag(filter)·Vᵀ·k` of the candidate with the least leave-one-out error; the
    /// filter is a function of the candidate and an eigenvalue.
    fn best(&self, query: &[f64], candidates: &[f64], filter: impl Fn(f64, f64) -> f64) -> Weights {
        let setting = if let [only] = candidates {
            *only
        } else {
            let error = |&c: &f64| (self.left_out_error(|e| filter(c, e)), c);
            let least = candidates
                .iter()
                .map(error)
                .min_by(|a, b| a.0.total_cmp(&b.0));
            least.map_or(f64::NAN, |best| best.1)
        };
        let mut spectrum = self.eigen.vectors.transposed_times_vector(query);
        for (s, &e) in spectrum.iter_mut().zip(&self.eigen.values) {
            *s *= filter(setting, e);
        }
        Weights {
            weights: self.eigen.vectors.times_vector(&spectrum),
            setting,
        }
    }

    /// Summed squared leave-one-out errors of the training endings by the hat matrix,
    /// `e_i = (y_i − ŷ_i)/(1 − H_ii)`: exact for ridge, an estimate for principal directions
    /// (which would turn a little without a clip).
    fn left_out_error(&self, filter: impl Fn(f64) -> f64) -> f64 {
        let Eigen { values, vectors } = &self.eigen;
        let n = vectors.rows();
        let filtered =
            Matrix::from_fn(n, n, |i, j| vectors[(i, j)] * values[j] * filter(values[j]));
        let hat = filtered.times(&vectors.transposed());
        let residual = Matrix::from_fn(n, n, |i, j| f64::from(u8::from(i == j)) - hat[(i, j)]);
        // `hat` is symmetric: row i of the residual is its column i.
        let propagated = self.endings.times(&residual);
        let energy = |i: usize| dot(residual.column(i), propagated.column(i));
        (0..n)
            .map(|i| energy(i) / (1.0 - hat[(i, i)]).powi(2))
            .sum()
    }
}

/// `Σ weights·clips[training]` over the samples after `split`.
pub fn combine(clips: &[Vec<f64>], training: &[usize], weights: &[f64], split: usize) -> Vec<f64> {
    let len = clips
        .first()
        .map_or(0, |clip| clip.len().saturating_sub(split));
    let mut sum = vec![0.0; len];
    for (&clip, weight) in training.iter().zip(weights) {
        for (sum, sample) in sum.iter_mut().zip(&clips[clip][split..]) {
            *sum += weight * sample;
        }
    }
    sum
}

/// Errors of one predicted ending.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Mean squared error, in squared 16-bit steps.
    #[serde(with = "number")]
    pub mse: f64,
    /// Its root.
    #[serde(with = "number")]
    pub rmse: f64,
    /// `1 − Σ(y − ŷ)²/Σ(y − ȳ)²` over time; 0 for a constant ending.
    #[serde(with = "number")]
    pub r2: f64,
}

/// Compares an ending with its prediction.
pub fn score(ending: &[f64], predicted: &[f64]) -> Score {
    let n = ending.len() as f64;
    let mean = ending.iter().sum::<f64>() / n;
    let total: f64 = ending.iter().map(|y| (y - mean).powi(2)).sum();
    let error: f64 = ending
        .iter()
        .zip(predicted)
        .map(|(y, p)| (y - p).powi(2))
        .sum();
    Score {
        mse: error / n,
        rmse: (error / n).sqrt(),
        r2: if total > 0.0 {
            1.0 - error / total
        } else {
            0.0
        },
    }
}

/// A double as a 16-bit sample, truncated towards zero.
pub fn to_i16(sample: f64, wrap: bool) -> i16 {
    if wrap {
        // What NumPy's cast does on the seed's machine; beyond 64 bits it is undefined there.
        sample as i64 as i16
    } else {
        sample as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::small::ScaledCholesky;
    use crate::regress::ols;

    fn clips() -> Vec<Vec<f64>> {
        (0..8)
            .map(|c| {
                (0..60)
                    .map(|t| 100.0 * ((t * (c + 2)) as f64 * 0.13).sin() + (c * c) as f64)
                    .collect()
            })
            .collect()
    }

    /// The primal form: coefficients for every pair of samples.
    fn primal(clips: &[Vec<f64>], split: usize, penalty: Option<f64>) -> Vec<f64> {
        let (known, query) = (&clips[..7], &clips[7][..split]);
        let column = |t: usize| -> Vec<f64> { known.iter().map(|clip| clip[t]).collect() };
        let x = Matrix::from_fn(known.len(), split, |i, j| known[i][j]);
        let gram = x.transposed().times(&x);
        let energy = gram.diagonal().sum::<f64>() / known.len() as f64;
        let predict = |t: usize| match penalty {
            None => {
                let rows = known.iter().map(|clip| (&clip[..split], clip[t]));
                ols::fit_rows(rows, split, Some(1e-9)).predict(query)
            }
            Some(alpha) => {
                let penalised = gram.clone().plus_diagonal(alpha * energy);
                let cholesky = ScaledCholesky::new(&penalised).unwrap();
                let coef = cholesky.solve(&x.transposed_times_vector(&column(t)));
                dot(&coef, query)
            }
        };
        (split..60).map(predict).collect()
    }

    #[test]
    fn the_dual_form_is_the_primal_form() {
        let clips = clips();
        let split = 25;
        let training: Vec<usize> = (0..7).collect();
        let inner = Clips::new(&clips, split);
        for (method, penalty) in [
            (Method::Ols { rcond: 1e-6 }, None),
            (Method::Ridge { alpha: Some(0.3) }, Some(0.3)),
        ] {
            let found = inner.weights(&training, 7, method).unwrap();
            let found = combine(&clips, &training, &found.weights, split);
            for (f, w) in found.iter().zip(primal(&clips, split, penalty)) {
                assert!((f - w).abs() < 1e-7 * 100.0, "{method:?}: {f} {w}");
            }
        }
    }

    #[test]
    fn the_chosen_penalty_is_best_when_clips_are_really_left_out() {
        let clips = clips();
        let split = 25;
        let inner = Clips::new(&clips, split);
        let training: Vec<usize> = (0..7).collect();
        let chosen = inner
            .weights(&training, 7, Method::Ridge { alpha: None })
            .unwrap()
            .setting;
        // Leave out by hand; the penalty's unit is the mean energy of all seven beginnings.
        let energy = |of: &[usize]| -> f64 {
            of.iter().map(|&i| inner.known[(i, i)]).sum::<f64>() / of.len() as f64
        };
        let error = |alpha: f64| -> f64 {
            (0..7)
                .map(|out| {
                    let rest: Vec<usize> = training.iter().copied().filter(|&i| i != out).collect();
                    let alpha = alpha * energy(&training) / energy(&rest);
                    let method = Method::Ridge { alpha: Some(alpha) };
                    let weights = inner.weights(&rest, out, method).unwrap().weights;
                    let predicted = combine(&clips, &rest, &weights, split);
                    score(&clips[out][split..], &predicted).mse
                })
                .sum()
        };
        let best = ALPHAS
            .into_iter()
            .min_by(|a, b| error(*a).total_cmp(&error(*b)));
        assert_eq!(Some(chosen), best);
    }

    #[test]
    fn samples_saturate_or_wrap() {
        assert_eq!(
            (to_i16(40_000.7, false), to_i16(40_000.7, true)),
            (32_767, -25_536)
        );
        assert_eq!((to_i16(-1.9, false), to_i16(-1.9, true)), (-1, -1));
        assert_eq!(
            (to_i16(-40_000.0, false), to_i16(-40_000.0, true)),
            (-32_768, 25_536)
        );
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let clips = clips();
        let inner = Clips::new(&clips, 25);
        let training: Vec<usize> = (0..7).collect();
        for method in [
            Method::Ols { rcond: 1.0 },
            Method::Ridge { alpha: Some(-1.0) },
            Method::Pca {
                components: Some(7),
            },
            Method::Pca {
                components: Some(0),
            },
        ] {
            assert!(inner.weights(&training, 7, method).is_err(), "{method:?}");
        }
        assert!(inner.weights(&[0], 7, Method::Ols { rcond: 0.0 }).is_err());
    }
}
