//! Moving a sound by a fraction of a sample.
//!
//! Knows nothing of what the sound is or why it is moved.

use std::f64::consts::PI;

/// Samples on either side that one output sample is made of: a Hann-windowed sinc this long is
/// flat within 0.01 dB up to 0.95 of half the sample rate.
const REACH: usize = 64;

/// `x` made `fraction` of a sample (0 ..= 1) earlier, by a Hann-windowed sinc; beyond its ends
/// there is silence. 0 returns `x` itself.
pub fn advance(x: &[f32], fraction: f64) -> Vec<f32> {
    if fraction == 0.0 {
        return x.to_vec();
    }
    // Output n is the sound at n + fraction: sample n + k lies k − fraction away.
    let taps: Vec<f64> = (0..2 * REACH)
        .map(|k| k as f64 - REACH as f64 + 1.0 - fraction)
        .map(|away| {
            let sinc = if away == 0.0 {
                1.0
            } else {
                (PI * away).sin() / (PI * away)
            };
            sinc * (0.5 + 0.5 * (PI * away / REACH as f64).cos())
        })
        .collect();
    let padded: Vec<f64> = std::iter::repeat_n(0.0, REACH - 1)
        .chain(x.iter().map(|&v| f64::from(v)))
        .chain(std::iter::repeat_n(0.0, REACH))
        .collect();
    padded
        .windows(2 * REACH)
        .map(|near| near.iter().zip(&taps).map(|(v, t)| v * t).sum::<f64>() as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_moves_by_the_fraction_and_nothing_else() {
        let sine = |n: f64| (0.9 * n).sin();
        let x: Vec<f32> = (0..1000).map(|n| sine(f64::from(n)) as f32).collect();
        for fraction in [0.0, 0.25, 0.5, 1.0] {
            let moved = advance(&x, fraction);
            assert_eq!(moved.len(), x.len());
            for (n, v) in moved.iter().enumerate().take(900).skip(100) {
                let wanted = sine(n as f64 + fraction);
                // The window lets 1e-4 of it pass; single precision adds 1e-7.
                assert!((f64::from(*v) - wanted).abs() < 2e-4, "{fraction}, {n}");
            }
        }
    }
}
