//! The lasso path by least angle regression (Efron, Hastie, Johnstone & Tibshirani 2004) from
//! moments, with the conventions of scikit-learn's `lars_path(method="lasso")`.

use super::moments::Problem;
use crate::linalg::{Matrix, dot};

/// Penalties closer than this are one (single-precision epsilon, as in scikit-learn).
const EQUALITY_TOLERANCE: f64 = f32::EPSILON as f64;
/// Keeps divisions defined without changing any quotient.
const TINY: f64 = f32::MIN_POSITIVE as f64;

/// Coefficients at the penalties where the path bends; between them they are linear in `alpha`.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Penalties, decreasing: `max|xᵀ(y − X·w)|/n`.
    pub alphas: Vec<f64>,
    /// Coefficients at each penalty.
    pub coefs: Vec<Vec<f64>>,
    /// Features in use at the end, in order of entry.
    pub active: Vec<usize>,
    /// Steps done.
    pub n_iter: usize,
}

impl Path {
    /// Coefficients where the path ended.
    pub fn last(&self) -> Vec<f64> {
        self.coefs.last().cloned().unwrap_or_default()
    }

    /// Coefficients at any penalty, by linear interpolation; those at the ends beyond them.
    pub fn at(&self, alpha: f64) -> Vec<f64> {
        let after = self.alphas.partition_point(|&a| a > alpha);
        match (after.checked_sub(1), self.alphas.get(after)) {
            (None, _) => self.coefs.first().cloned().unwrap_or_default(),
            (Some(_), None) => self.last(),
            (Some(before), Some(&low)) => {
                let high = self.alphas[before];
                let share = (alpha - low) / (high - low);
                between(&self.coefs[after], &self.coefs[before], share)
            }
        }
    }
}

/// `from + (to − from)·share`.
fn between(from: &[f64], to: &[f64], share: f64) -> Vec<f64> {
    let pairs = from.iter().zip(to);
    pairs.map(|(from, to)| from + (to - from) * share).collect()
}

/// Follows the path from the largest useful penalty down to `alpha_min`, at most `max_iter`
/// steps. `eps` is the least Cholesky pivot of the features in use.
pub fn lasso_path(problem: &Problem, alpha_min: f64, max_iter: usize, eps: f64) -> Path {
    let features = problem.gram.columns();
    let samples = problem.samples as f64;
    let mut state = State::new(problem, eps);
    let mut path = Path {
        alphas: Vec::new(),
        coefs: Vec::new(),
        active: Vec::new(),
        n_iter: 0,
    };
    let mut coef = vec![0.0; features];
    let mut dropped = false;
    loop {
        let (entering, strength) = state.strongest();
        let alpha = strength / samples;
        if alpha <= alpha_min + EQUALITY_TOLERANCE {
            let (alpha, coef) = match (path.alphas.last(), path.coefs.last()) {
                (Some(&before), Some(old)) if (alpha - alpha_min).abs() > EQUALITY_TOLERANCE => {
                    let share = (before - alpha_min) / (before - alpha);
                    (alpha_min, between(old, &coef, share))
                }
                (None, _) if (alpha - alpha_min).abs() > EQUALITY_TOLERANCE => (alpha_min, coef),
                _ => (alpha, coef),
            };
            path.alphas.push(alpha);
            path.coefs.push(coef);
            break;
        }
        // Rounding in the correlations has overtaken what is left of them.
        let rising = path.alphas.last().is_some_and(|&before| before < alpha);
        path.alphas.push(alpha);
        path.coefs.push(coef.clone());
        if path.n_iter >= max_iter || state.active.len() >= features {
            break;
        }
        if !dropped && !state.enter(entering) {
            path.alphas.pop();
            path.coefs.pop();
            continue;
        }
        if rising {
            break;
        }
        let step = state.step(&coef, strength);
        coef = step.coef;
        dropped = !step.leaving.is_empty();
        state.leave(&step.leaving, problem, &coef);
        path.n_iter += 1;
    }
    path.active = state.active;
    path
}

struct State<'a> {
    gram: &'a Matrix,
    /// `xᵀ(y − X·w)` of every feature; kept up only for the idle ones.
    correlation: Vec<f64>,
    active: Vec<usize>,
    signs: Vec<f64>,
    /// Features never to enter: they depend on the active ones.
    banned: Vec<usize>,
    /// Least Cholesky pivot.
    eps: f64,
}

struct Step {
    coef: Vec<f64>,
    /// Places in `active` whose coefficient has reached zero, last first.
    leaving: Vec<usize>,
}

impl<'a> State<'a> {
    fn new(problem: &'a Problem, eps: f64) -> Self {
        Self {
            gram: &problem.gram,
            correlation: problem.xty.clone(),
            active: Vec::new(),
            signs: Vec::new(),
            banned: Vec::new(),
            eps,
        }
    }

    fn idle(&self) -> Vec<usize> {
        let taken = |j: &usize| self.active.contains(j) || self.banned.contains(j);
        (0..self.correlation.len()).filter(|j| !taken(j)).collect()
    }

    /// The idle feature that correlates most with the residual, and how much; strength 0 when
    /// none is idle.
    fn strongest(&self) -> (usize, f64) {
        let mut best = (0, 0.0);
        for j in self.idle() {
            let strength = self.correlation[j].abs();
            if strength > best.1 {
                best = (j, strength);
            }
        }
        best
    }

    /// Takes a feature into use; `false` when it depends on those in use (pivot below 10⁻⁷).
    fn enter(&mut self, feature: usize) -> bool {
        self.active.push(feature);
        let pivot = self.factor().pop().and_then(|row| row.last().copied());
        if pivot.is_none_or(|pivot| pivot < 1e-7) {
            self.active.pop();
            self.banned.push(feature);
            return false;
        }
        self.signs.push(self.correlation[feature].signum());
        true
    }

    /// Entries of `feature`'s Gram column at the active features.
    fn column(&self, feature: usize) -> Vec<f64> {
        let entry = |&i: &usize| self.gram[(i, feature)];
        self.active.iter().map(entry).collect()
    }

    /// Rows of the active Gram matrix's Cholesky factor, no pivot below `eps`: so dependent
    /// features are damped instead of dividing by nothing, as in scikit-learn.
    fn factor(&self) -> Vec<Vec<f64>> {
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for (k, &feature) in self.active.iter().enumerate() {
            let mut row = Vec::with_capacity(k + 1);
            for (earlier, &other) in rows.iter().zip(&self.active) {
                let dot: f64 = earlier
                    .iter()
                    .zip(&row)
                    .map(|(a, b): (&f64, &f64)| a * b)
                    .sum();
                row.push((self.gram[(feature, other)] - dot) / earlier[row.len()]);
            }
            let explained: f64 = row.iter().map(|l| l * l).sum();
            let left = self.gram[(feature, feature)] - explained;
            row.push(left.abs().sqrt().max(self.eps));
            rows.push(row);
        }
        rows
    }

    /// Moves the active coefficients along the direction that keeps their correlations equal,
    /// until an idle feature correlates as much or a coefficient reaches zero.
    fn step(&mut self, coef: &[f64], strength: f64) -> Step {
        let (direction, slope) = self.direction();
        let mut length = strength / slope;
        let mut falls = Vec::new();
        for j in self.idle() {
            // Rounded as scikit-learn does, so that exact orthogonality stays exact.
            let fall = (dot(&self.column(j), &direction) * 1e15).round_ties_even() / 1e15;
            let correlation = self.correlation[j];
            for candidate in [
                (strength - correlation) / (slope - fall + TINY),
                (strength + correlation) / (slope + fall + TINY),
            ] {
                if candidate > 0.0 {
                    length = length.min(candidate);
                }
            }
            falls.push((j, fall));
        }
        let zeros: Vec<f64> = (0..self.active.len())
            .map(|k| -coef[self.active[k]] / (direction[k] + TINY))
            .collect();
        let first_zero = zeros
            .iter()
            .copied()
            .filter(|&z| z > 0.0)
            .fold(f64::INFINITY, f64::min);
        let mut leaving = Vec::new();
        if first_zero < length {
            length = first_zero;
            leaving = (0..zeros.len())
                .rev()
                .filter(|&k| zeros[k] == length)
                .collect();
        }
        let mut moved = vec![0.0; coef.len()];
        for (k, &j) in self.active.iter().enumerate() {
            moved[j] = coef[j] + length * direction[k];
        }
        for (j, fall) in falls {
            self.correlation[j] -= length * fall;
        }
        Step {
            coef: moved,
            leaving,
        }
    }

    /// Unit equiangular direction `A·G⁻¹·s` and the common slope `A = 1/√(sᵀG⁻¹s)`.
    fn direction(&self) -> (Vec<f64>, f64) {
        let rows = self.factor();
        let mut solved = self.signs.clone();
        for (k, row) in rows.iter().enumerate() {
            let dot: f64 = row[..k].iter().zip(&solved).map(|(l, x)| l * x).sum();
            solved[k] = (solved[k] - dot) / row[k];
        }
        for k in (0..rows.len()).rev() {
            let below = rows.iter().zip(&solved).skip(k + 1);
            let dot: f64 = below.map(|(row, x)| row[k] * x).sum();
            solved[k] = (solved[k] - dot) / rows[k][k];
        }
        let products = solved.iter().zip(&self.signs).map(|(x, s)| x * s);
        let slope = products.sum::<f64>().sqrt().recip();
        solved.iter_mut().for_each(|x| *x *= slope);
        (solved, slope)
    }

    /// Takes features out of use and recomputes their correlations from the start.
    fn leave(&mut self, places: &[usize], problem: &Problem, coef: &[f64]) {
        for &place in places {
            let j = self.active.remove(place);
            self.signs.remove(place);
            self.correlation[j] = problem.xty[j] - dot(self.gram.column(j), coef);
        }
    }
}
