//! Analysis windows on plain slices, and where they sit inside a transform.
//!
//! Knows nothing of transforms, files or what the windowed samples are for.

use std::f64::consts::TAU;

/// The periodic Hann window of `len` samples, `w[i] = ½ − ½ cos(2πi / len)`.
///
/// Periodic (divisor `len`, not `len − 1`) as librosa's and scipy's `get_window` default:
/// copies shifted by `len / k` samples then add up to a constant for every k ≥ 2.
pub fn hann(len: usize) -> Vec<f64> {
    (0..len)
        .map(|i| 0.5 - 0.5 * (TAU * i as f64 / len as f64).cos())
        .collect()
}

/// Puts `window` in the middle of `len` zeros; of an odd surplus the larger half goes behind
/// (librosa's `pad_center`). A window that is longer than `len` is cut at its end.
pub fn pad_centre(window: &[f64], len: usize) -> Vec<f64> {
    let before = len.saturating_sub(window.len()) / 2;
    let mut padded = vec![0.0; len];
    for (slot, value) in padded[before..].iter_mut().zip(window) {
        *slot = *value;
    }
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifted_hann_windows_add_up_to_a_constant() {
        for (len, hop) in [(8, 4), (12, 4), (2000, 400), (1200, 240)] {
            let window = hann(len);
            for i in 0..hop {
                let sum: f64 = window.iter().skip(i).step_by(hop).sum();
                let expected = len as f64 / hop as f64 / 2.0;
                // Rounding of at most a few hundred additions of values up to 1.
                assert!((sum - expected).abs() < 1e-12, "{len} {hop} {i}: {sum}");
            }
        }
    }

    #[test]
    fn an_odd_surplus_goes_behind() {
        assert_eq!(pad_centre(&[1.0, 2.0], 5), [0.0, 1.0, 2.0, 0.0, 0.0]);
        assert_eq!(pad_centre(&[1.0, 2.0], 2), [1.0, 2.0]);
    }
}
