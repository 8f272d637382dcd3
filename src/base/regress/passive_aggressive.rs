//! Passive-aggressive regression (Crammer et al. 2006, PA-I with the ε-insensitive loss),
//! scikit-learn's `PassiveAggressiveRegressor`, reproduced bit by bit: one sample at a time in its
//! shuffled order, sums from left to right, no fused operations.

use super::RegressError;
use super::moments::Linear;
use super::random::{RandomState, rand_r};
use super::rows::Rows;
use crate::progress::{Observer, Task};

/// scikit-learn's parameters of that name, and its defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PassiveAggressive {
    /// Largest step (`C`).
    pub c: f64,
    /// Errors below this cost nothing.
    pub epsilon: f64,
    /// Most passes over the samples.
    pub max_iter: usize,
    /// Least improvement of the mean loss that counts, absolute.
    pub tol: f64,
    /// Passes without improvement before stopping.
    pub n_iter_no_change: usize,
    /// Seed of the order of samples.
    pub random_state: u32,
}

impl Default for PassiveAggressive {
    fn default() -> Self {
        Self {
            c: 1.0,
            epsilon: 0.1,
            max_iter: 1000,
            tol: 1e-3,
            n_iter_no_change: 5,
            random_state: 0,
        }
    }
}

/// A fit and what led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The model after the last sample of the last pass.
    pub model: Linear,
    /// Passes done.
    pub n_iter: usize,
    /// Mean loss met during each pass.
    pub losses: Vec<f64>,
}

impl PassiveAggressive {
    /// Fits `target` to `rows`.
    ///
    /// # Errors
    /// [`RegressError::Parameter`] for a `c` that is not positive or `max_iter` 0, empty, unequal
    /// or non-finite input, or a stop asked for by `observer`.
    pub fn fit(
        &self,
        rows: &Rows,
        target: &[f64],
        observer: &dyn Observer,
    ) -> Result<Fitted, RegressError> {
        self.check()?;
        rows.check(target, 1, "passive-aggressive")?;
        let seed = RandomState::new(self.random_state).randint(i32::MAX as u32);
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        let mut model = Linear {
            coef: vec![0.0; rows.width()],
            intercept: 0.0,
        };
        let mut losses: Vec<f64> = Vec::new();
        let (mut best, mut unimproved) = (f64::INFINITY, 0);
        let name = "passive-aggressive";
        let task = Task::begin(observer, name, None);
        while losses.len() < self.max_iter && unimproved < self.n_iter_no_change {
            task.go_on().map_err(RegressError::interrupted(name))?;
            shuffle(&mut order, seed);
            let loss = self.pass(&mut model, rows, target, &order);
            unimproved = if loss > best - self.tol {
                unimproved + 1
            } else {
                0
            };
            best = best.min(loss);
            losses.push(loss);
            task.status(&format!(
                "{name}: pass {}, mean loss {loss:.4e}",
                losses.len()
            ));
        }
        Ok(Fitted {
            model,
            n_iter: losses.len(),
            losses,
        })
    }

    fn check(&self) -> Result<(), RegressError> {
        let refused = |name, value: String, allowed: &str| {
            Err(RegressError::Parameter {
                name,
                value,
                allowed: allowed.to_string(),
            })
        };
        if !(self.c.is_finite() && self.c > 0.0) {
            return refused("C", self.c.to_string(), "must be a positive number");
        }
        if self.max_iter == 0 {
            return refused("max_iter", "0".to_string(), "must be at least 1");
        }
        Ok(())
    }

    /// One pass; returns the mean loss met.
    fn pass(&self, model: &mut Linear, rows: &Rows, target: &[f64], order: &[u32]) -> f64 {
        let mut total = 0.0;
        for &i in order {
            let (x, y) = (rows.row(i as usize), target[i as usize]);
            let mut predicted = 0.0;
            for (w, x) in model.coef.iter().zip(x) {
                predicted += w * x;
            }
            predicted += model.intercept;
            let loss = ((y - predicted).abs() - self.epsilon).max(0.0);
            total += loss;
            let mut energy = 0.0;
            for x in x {
                energy += x * x;
            }
            if energy == 0.0 {
                continue;
            }
            let mut step = self.c.min(loss / energy);
            if y - predicted < 0.0 {
                step = -step;
            }
            if step != 0.0 {
                for (w, x) in model.coef.iter_mut().zip(x) {
                    *w += x * step;
                }
                model.intercept += step;
            }
        }
        total / order.len() as f64
    }
}

/// Fisher–Yates from the front. scikit-learn hands the seed over by value, so every pass applies
/// the same permutation to the order the one before left.
fn shuffle(order: &mut [u32], mut seed: u32) {
    let n = order.len();
    for i in 0..n.saturating_sub(1) {
        let j = i + rand_r(&mut seed) as usize % (n - i);
        order.swap(i, j);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_scikit_learns() {
        // RandomState(42).randint(0, 2³¹−1), and the first indices of two epochs over 4099
        // samples, from the reference run.
        let seed = RandomState::new(42).randint(i32::MAX as u32);
        assert_eq!(seed, 1_608_637_542);
        let mut order: Vec<u32> = (0..4099).collect();
        shuffle(&mut order, seed);
        assert_eq!(order[..8], [605, 30, 2858, 1740, 2844, 804, 280, 1656]);
        shuffle(&mut order, seed);
        assert_eq!(order[..8], [527, 3741, 2754, 1650, 1503, 1996, 2472, 3336]);
    }
}
