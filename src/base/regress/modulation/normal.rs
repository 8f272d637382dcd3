//! Normal equations of small least-squares problems, gathered row by row or in panels of rows.

use crate::linalg::{add_gram, cholesky, dot};

/// `Σ a·aᵀ` (lower triangle, column-major), `Σ a·y` and `Σ y²`.
#[derive(Clone, Debug)]
pub(super) struct Normal {
    unknowns: usize,
    gram: Vec<f64>,
    target: Vec<f64>,
    energy: f64,
}

impl Normal {
    pub(super) fn new(unknowns: usize) -> Self {
        Self {
            unknowns,
            gram: vec![0.0; unknowns * unknowns],
            target: vec![0.0; unknowns],
            energy: 0.0,
        }
    }

    /// Adds the equation `a·solution = y`.
    pub(super) fn add_row(&mut self, a: &[f64], y: f64, weight: f64) {
        self.energy += weight * y * y;
        for (j, aj) in a.iter().enumerate() {
            let aj = weight * aj;
            self.target[j] += aj * y;
            for (to, ai) in self.gram[j * self.unknowns + j..].iter_mut().zip(&a[j..]) {
                *to += aj * ai;
            }
        }
    }

    /// Adds sums over equations of fewer unknowns, `y` behind them: those of the `places`.
    pub(super) fn add_panel(&mut self, panel: &Panel, places: &[usize]) {
        let n = places.len();
        for (j, to) in places.iter().enumerate() {
            let column = &panel.sums[j * (n + 1)..(j + 1) * (n + 1)];
            self.target[*to] += column[n];
            for (i, row) in places.iter().enumerate() {
                if row >= to {
                    self.gram[to * self.unknowns + row] += column[i];
                }
            }
        }
        self.energy += panel.sums[(n + 1) * (n + 1) - 1];
    }

    /// How much less the squares' sum is with `solution` than with zeros.
    pub(super) fn explained(&self, solution: &[f64]) -> f64 {
        let n = self.unknowns;
        let mut explained = 2.0 * dot(&self.target, solution);
        for j in 0..n {
            for i in j..n {
                let twice = if i == j { 1.0 } else { 2.0 };
                explained -= twice * self.gram[j * n + i] * solution[i] * solution[j];
            }
        }
        explained
    }

    /// The squares' sum.
    pub(super) fn energy(&self) -> f64 {
        self.energy
    }

    /// The share of the squares' sum that `solution` leaves.
    pub(super) fn left(&self, solution: &[f64]) -> f64 {
        let energy = self.energy.max(f64::MIN_POSITIVE);
        ((energy - self.explained(solution)) / energy).max(0.0)
    }

    /// The solution, `damping` (relative to each unknown's own power) added to the diagonal.
    /// `None` where they are singular.
    pub(super) fn solve(&self, damping: impl Fn(usize) -> f64) -> Option<Vec<f64>> {
        let n = self.unknowns;
        let power = |i: usize| self.gram[i * n + i];
        let scale: Vec<f64> = (0..n).map(|i| power(i).max(1e-30).sqrt().recip()).collect();
        let mut gram = self.gram.clone();
        for j in 0..n {
            for i in j..n {
                gram[j * n + i] *= scale[i] * scale[j];
            }
            gram[j * n + j] += damping(j);
        }
        cholesky::factor(&mut gram, n, 0.0, |_| true).ok()?;
        let mut solution: Vec<f64> = self.target.iter().zip(&scale).map(|(t, s)| t * s).collect();
        cholesky::solve(&gram, &mut solution);
        Some(solution.iter().zip(&scale).map(|(x, s)| x * s).collect())
    }
}

/// `Σ r·rᵀ` over rows `r` of unknowns' coefficients with `y` behind them.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    width: usize,
    sums: Vec<f64>,
}

impl Panel {
    /// Of so many unknowns.
    pub(super) fn new(unknowns: usize) -> Self {
        let width = unknowns + 1;
        Self {
            width,
            sums: vec![0.0; width * width],
        }
    }

    /// Adds rows, one after another.
    pub(super) fn add(&mut self, rows: &[f64]) {
        add_gram(rows, self.width, &mut self.sums);
    }
}
