//! Random sample consensus (Fischler & Bolles 1981) around least squares, scikit-learn's
//! `RANSACRegressor`, with its random stream, its order of decisions and its three ways to stop.

use super::RegressError;
use super::moments::{Linear, Moments, PIECE};
use super::ols;
use super::random::RandomState;
use super::rows::Rows;
use crate::progress::{Observer, Task};
use rayon::prelude::*;

/// scikit-learn's parameters of that name, and its defaults (`min_samples` = features + 1,
/// `residual_threshold` = median absolute deviation of the target).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ransac {
    /// Most trials.
    pub max_trials: usize,
    /// Most trials that may fail to reach the best consensus.
    pub max_skips: usize,
    /// Wanted probability that one trial was free of outliers.
    pub stop_probability: f64,
    /// Seed of the subsets.
    pub random_state: u32,
    /// Cut of singular values in every inner fit, as in [`ols::fit`].
    pub rcond: Option<f64>,
}

impl Default for Ransac {
    fn default() -> Self {
        Self {
            max_trials: 100,
            max_skips: usize::MAX,
            stop_probability: 0.99,
            random_state: 0,
            rcond: None,
        }
    }
}

/// A fit and what led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// Least squares on the inliers of the best trial.
    pub model: Linear,
    /// Trials begun (the one that found too many skips included, as scikit-learn counts).
    pub n_trials: usize,
    /// Trials with fewer inliers than the best.
    pub n_skips_no_inliers: usize,
    /// Inliers of the best trial.
    pub n_inliers: usize,
    /// Largest residual of an inlier: the median absolute deviation of the target.
    pub residual_threshold: f64,
    /// Rows drawn in each trial.
    pub subsets: Vec<Vec<u32>>,
}

/// The best trial so far.
struct Consensus {
    inliers: Moments,
    score: f64,
}

impl Ransac {
    /// Fits `target` to `rows`.
    ///
    /// # Errors
    /// Too few rows, unequal or non-finite input, settings out of range, no trial with a single
    /// inlier, or a stop asked for by `observer`.
    pub fn fit(
        &self,
        rows: &Rows,
        target: &[f64],
        observer: &dyn Observer,
    ) -> Result<Fitted, RegressError> {
        let subset_len = rows.width() + 1;
        rows.check(target, subset_len, "ransac")?;
        if !(0.0..=1.0).contains(&self.stop_probability) {
            return Err(RegressError::Parameter {
                name: "stop_probability",
                value: self.stop_probability.to_string(),
                allowed: "must lie between 0 and 1".to_string(),
            });
        }
        let residual_threshold = median_absolute_deviation(target);
        let mut random = RandomState::new(self.random_state);
        let mut best: Option<Consensus> = None;
        let mut subsets = Vec::new();
        let (mut n_trials, mut skips) = (0, 0);
        let mut max_trials = self.max_trials as f64;
        let name = "ransac";
        let task = Task::begin(observer, name, Some(self.max_trials as u64));
        while (n_trials as f64) < max_trials {
            n_trials += 1;
            if skips > self.max_skips {
                break;
            }
            task.go_on().map_err(RegressError::interrupted(name))?;
            task.advance(1);
            let subset = random.sample_without_replacement(rows.len() as u32, subset_len as u32);
            let model = self.fit_subset(rows, target, &subset);
            subsets.push(subset);
            let count = count_inliers(rows, target, &model, residual_threshold);
            let needed = best.as_ref().map_or(1, |b| b.inliers.count());
            if count < needed {
                skips += 1;
                continue;
            }
            let inliers = gather_inliers(rows, target, &model, residual_threshold);
            let score = score(&inliers, &model);
            if count == needed && best.as_ref().is_some_and(|b| score < b.score) {
                continue;
            }
            max_trials = max_trials.min(self.trials_needed(count, rows.len(), subset_len));
            best = Some(Consensus { inliers, score });
        }
        drop(task);
        let best = best.ok_or(RegressError::NoConsensus {
            estimator: name,
            trials: subsets.len(),
            threshold: residual_threshold,
        })?;
        let problem = best.inliers.problem(rows.width(), rows.width(), true);
        Ok(Fitted {
            model: ols::fit(&problem, self.rcond)?.model,
            n_trials,
            n_skips_no_inliers: skips,
            n_inliers: best.inliers.count(),
            residual_threshold,
            subsets,
        })
    }

    fn fit_subset(&self, rows: &Rows, target: &[f64], subset: &[u32]) -> Linear {
        ols::fit_rows(
            subset
                .iter()
                .map(|&i| (rows.row(i as usize), target[i as usize])),
            rows.width(),
            self.rcond,
        )
    }

    /// Trials after which one subset was free of outliers with the wanted probability, given the
    /// best share of inliers.
    fn trials_needed(&self, inliers: usize, samples: usize, subset_len: usize) -> f64 {
        let share = inliers as f64 / samples as f64;
        let miss = (1.0 - self.stop_probability).max(f64::EPSILON);
        let spoilt = (1.0 - share.powi(subset_len as i32)).max(f64::EPSILON);
        if miss == 1.0 {
            return 0.0;
        }
        if spoilt == 1.0 {
            return f64::INFINITY;
        }
        (miss.ln() / spoilt.ln()).ceil().abs()
    }
}

fn is_inlier(model: &Linear, x: &[f64], y: f64, threshold: f64) -> bool {
    (y - model.predict(x)).abs() <= threshold
}

fn count_inliers(rows: &Rows, target: &[f64], model: &Linear, threshold: f64) -> usize {
    rows.par_pieces()
        .zip(target.par_chunks(PIECE))
        .map(|(rows, target)| {
            rows.zip(target)
                .filter(|(x, y)| is_inlier(model, x, **y, threshold))
                .count()
        })
        .sum()
}

/// Moments of the inliers, features then target.
fn gather_inliers(rows: &Rows, target: &[f64], model: &Linear, threshold: f64) -> Moments {
    let columns = rows.width() + 1;
    let mut moments = Moments::new(columns);
    let mut piece = vec![Vec::with_capacity(PIECE); columns];
    for (x, &y) in rows.iter().zip(target) {
        if is_inlier(model, x, y, threshold) {
            for (column, value) in piece.iter_mut().zip(x.iter().chain([&y])) {
                column.push(*value);
            }
            if piece[0].len() == PIECE {
                moments.push(&mut piece);
                piece.iter_mut().for_each(Vec::clear);
            }
        }
    }
    moments.push(&mut piece);
    moments
}

/// R² on the inliers. For a constant target scikit-learn gives 1 to a perfect fit, else 0.
fn score(inliers: &Moments, model: &Linear) -> f64 {
    let target = inliers.columns() - 1;
    if inliers.std(target) == 0.0 {
        let perfect = inliers.squared_error(target, model) == 0.0;
        return f64::from(u8::from(perfect));
    }
    inliers.r2(target, model)
}

/// `median |y − median y|`, the middle pair averaged.
fn median_absolute_deviation(y: &[f64]) -> f64 {
    let centre = median(&mut y.to_vec());
    median(&mut y.iter().map(|v| (v - centre).abs()).collect::<Vec<_>>())
}

fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let odd = values.len() % 2 == 1;
    let middle = values.len() / 2;
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = below.iter().copied().max_by(f64::total_cmp);
    match lower {
        Some(lower) if !odd => 0.5 * (lower + *upper),
        _ => *upper,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_single_lists() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&mut [7.0]), 7.0);
        assert_eq!(median_absolute_deviation(&[1.0, 2.0, 3.0, 10.0]), 1.0);
    }
}
