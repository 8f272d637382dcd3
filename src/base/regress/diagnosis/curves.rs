//! Two models of one input sample or of one moment: a curve, and a gain that moves.
//!
//! Both are given a signal that goes with the wet one (dry, or what a filter made of it) and
//! straighten what is left. Knows nothing of filters.

/// Points of a curve, at equal shares of the samples.
const POINTS: usize = 65;

/// Samples over which one gain is fitted: 23 ms at 44.1 kHz, longer than the period of a low
/// note, shorter than what a compressor's gain takes to move.
const MOMENT: usize = 1024;

/// The mean wet sample for every value of another signal: the best memoryless curve.
pub(super) struct Curve {
    /// Ascending values with the mean wet value around each.
    points: Vec<(f64, f64)>,
}

impl Curve {
    /// Fits to the `chosen` samples; all slices are equally long.
    pub(super) fn fit(input: &[f32], wet: &[f32], chosen: &[bool]) -> Self {
        let mut pairs: Vec<(f32, f32)> = input
            .iter()
            .zip(wet)
            .zip(chosen)
            .filter_map(|(pair, chosen)| chosen.then_some((*pair.0, *pair.1)))
            .collect();
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let size = pairs.len().div_ceil(POINTS).max(1);
        let mut points: Vec<(f64, f64)> = pairs
            .chunks(size)
            .map(|near| {
                let mean = |side: fn(&(f32, f32)) -> f32| {
                    near.iter().map(|p| f64::from(side(p))).sum::<f64>() / near.len() as f64
                };
                (mean(|p| p.0), mean(|p| p.1))
            })
            .collect();
        points.dedup_by(|a, b| a.0 <= b.0);
        Self { points }
    }

    /// The curve's value: straight between points, and on along the end pieces beyond them.
    pub(super) fn at(&self, x: f32) -> f32 {
        let x = f64::from(x);
        let [first, .., last] = self.points.as_slice() else {
            return self.points.first().map_or(0.0, |p| p.1 as f32);
        };
        let after = self.points.partition_point(|p| p.0 < x);
        let after = after.clamp(1, self.points.len() - 1);
        let (a, b) = (self.points[after - 1], self.points[after]);
        let slope = (b.1 - a.1) / (b.0 - a.0);
        // Beyond the ends by no more than the whole width: a few samples lie far out.
        let width = last.0 - first.0;
        let x = x.clamp(first.0 - width, last.0 + width);
        (a.1 + slope * (x - a.0)) as f32
    }
}

/// `input` with the gain of every 1024 samples that makes it most like `wet`.
pub(super) fn with_moving_gain(input: &[f32], wet: &[f32]) -> Vec<f32> {
    input
        .chunks(MOMENT)
        .zip(wet.chunks(MOMENT))
        .flat_map(|(x, w)| {
            let product: f64 = x.iter().zip(w).map(|(x, w)| f64::from(x * w)).sum();
            let power: f64 = x.iter().map(|x| f64::from(x * x)).sum();
            let gain = if power > 0.0 { product / power } else { 0.0 };
            x.iter().map(move |x| (gain * f64::from(*x)) as f32)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_and_a_moving_gain_are_found() {
        let x: Vec<f32> = (0..100_000).map(|n| (0.37 * n as f32).sin()).collect();
        let clipped: Vec<f32> = x.iter().map(|v| (3.0 * v).tanh()).collect();
        let curve = Curve::fit(&x, &clipped, &vec![true; x.len()]);
        for (x, wanted) in x.iter().zip(&clipped) {
            // 65 pieces: where the curve is steepest, between points 0.05 apart, a straight line
            // is off by 3²·0.05²/8·0.77 < 0.003 and a bin's mean by as much again.
            assert!((curve.at(*x) - wanted).abs() < 0.01, "{x}");
        }
        let fading: Vec<f32> = x
            .iter()
            .enumerate()
            .map(|(n, v)| v * (-1e-5 * n as f32).exp())
            .collect();
        let followed = with_moving_gain(&x, &fading);
        // The gain moves by 1 % within 1024 samples.
        assert!(
            followed
                .iter()
                .zip(&fading)
                .all(|(a, b)| (a - b).abs() < 0.006)
        );
    }

    #[test]
    fn a_single_value_makes_no_curve_but_a_level() {
        let curve = Curve::fit(&[0.5; 10], &[0.25; 10], &[true; 10]);
        assert_eq!((curve.at(-1.0), curve.at(0.5)), (0.25, 0.25));
    }
}
