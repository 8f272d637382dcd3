//! Conjugate gradients with a preconditioner (Hestenes & Stiefel 1952): the solution of equations whose
//! matrix is too large to write down, by its products alone. Knows neither sounds nor filters.

use crate::linalg::dot;

/// A symmetric, positive semidefinite matrix.
pub(super) trait Products {
    /// The matrix times `h`.
    fn product(&mut self, h: &[f64]) -> Vec<f64>;

    /// About what the matrix' inverse makes of `residual`.
    fn precondition(&mut self, residual: &[f64]) -> Vec<f64>;
}

/// Some steps from `h` on towards matrix · h = `target`; ends when the residual's energy is `close` of
/// what it was. `None` when told to stop.
pub(super) fn descend(
    matrix: &mut impl Products,
    target: &[f64],
    h: &mut [f64],
    (steps, close): (usize, f64),
    go_on: &(impl Fn() -> bool + ?Sized),
) -> Option<()> {
    let done = matrix.product(h);
    let mut residual: Vec<f64> = target.iter().zip(done).map(|(t, d)| t - d).collect();
    let mut turned = matrix.precondition(&residual);
    let mut direction = turned.clone();
    let mut size = dot(&residual, &turned);
    let enough = close * size;
    for _ in 0..steps {
        if !go_on() {
            return None;
        }
        if size <= enough || size <= 0.0 {
            break;
        }
        let product = matrix.product(&direction);
        let step = size / dot(&direction, &product);
        h.iter_mut()
            .zip(&direction)
            .for_each(|(h, d)| *h += step * d);
        residual
            .iter_mut()
            .zip(product)
            .for_each(|(r, p)| *r -= step * p);
        turned = matrix.precondition(&residual);
        let before = std::mem::replace(&mut size, dot(&residual, &turned));
        for (d, t) in direction.iter_mut().zip(&turned) {
            *d = t + size / before * *d;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[[4, 1], [1, 3]]`, its diagonal the preconditioner.
    struct Small;

    impl Products for Small {
        fn product(&mut self, h: &[f64]) -> Vec<f64> {
            vec![4.0 * h[0] + h[1], h[0] + 3.0 * h[1]]
        }

        fn precondition(&mut self, residual: &[f64]) -> Vec<f64> {
            vec![residual[0] / 4.0, residual[1] / 3.0]
        }
    }

    #[test]
    fn as_many_steps_as_unknowns_solve() {
        let mut h = [0.0; 2];
        descend(&mut Small, &[1.0, 2.0], &mut h, (2, 0.0), &|| true).unwrap();
        assert!((h[0] - 1.0 / 11.0).abs() < 1e-15 && (h[1] - 7.0 / 11.0).abs() < 1e-15);
        assert!(descend(&mut Small, &[0.0, 0.0], &mut h, (2, 0.0), &|| false).is_none());
    }
}
