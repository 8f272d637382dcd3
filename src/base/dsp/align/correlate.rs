//! Cross-correlation over a range of lags, block by block.
//!
//! Knows nothing of what the sounds are or what the lags mean.

use crate::dsp::fft::RealFft;
use std::ops::{Range, RangeInclusive};

/// `Σ x[n]·y[n + lag]` for every lag in `lags`, over `n` in `span`; samples of `y` outside it
/// count as zero.
///
/// `lags` must not be empty and `span` must lie inside `x`.
pub fn correlate(x: &[f64], y: &[f64], span: Range<usize>, lags: RangeInclusive<i64>) -> Vec<f64> {
    let (first, last) = (*lags.start(), *lags.end());
    let count = (last - first + 1) as usize;
    let longest = (span.len() + count).next_power_of_two();
    let mut fft = RealFft::new(
        (4 * count)
            .next_power_of_two()
            .max(16_384)
            .min(longest)
            .max(2),
    );
    let block = fft.len() - count + 1;
    let (mut a, mut b, mut sum) = (fft.spectrum(), fft.spectrum(), fft.spectrum());
    for start in span.clone().step_by(block) {
        let end = span.end.min(start + block);
        fft.forward(x[start..end].iter().copied(), &mut a);
        let from = start as i64 + first;
        let lead = (-from).max(0) as usize;
        let tail = y.get(from.max(0) as usize..).unwrap_or(&[]);
        let wanted = (end - start + count - 1).saturating_sub(lead);
        let piece = tail.iter().take(wanted).copied();
        fft.forward(std::iter::repeat_n(0.0, lead).chain(piece), &mut b);
        for ((s, a), b) in sum.iter_mut().zip(&a).zip(&b) {
            *s += a.conj() * b;
        }
    }
    fft.inverse(&mut sum)[..count].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_give_the_sum_of_the_definition() {
        let x: Vec<f64> = (0..20_011).map(|n| ((n * n % 977) as f64).sin()).collect();
        let y: Vec<f64> = (0..19_000).map(|n| ((n * n % 1009) as f64).cos()).collect();
        for (span, lags) in [
            (0..20_011, -40..=60),
            (500..900, 3..=3),
            (19_990..20_011, -5000..=-900),
        ] {
            let fast = correlate(&x, &y, span.clone(), lags.clone());
            assert_eq!(fast.len(), lags.clone().count());
            for (value, lag) in fast.iter().zip(lags) {
                let slow: f64 = span
                    .clone()
                    .filter_map(|n| Some(x[n] * y.get(usize::try_from(n as i64 + lag).ok()?)?))
                    .sum();
                // 20000 products of size ≤ 1 in double precision.
                assert!(
                    (value - slow).abs() < 1e-8,
                    "lag {lag}: {value} is not {slow}"
                );
            }
        }
    }
}
