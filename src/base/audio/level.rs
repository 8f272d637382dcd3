//! Levels: in decibels, and of samples.

/// The factor of a level in decibels, or the amplitude of one in dBFS: 10^(dB / 20).
pub fn amplitude(db: f64) -> f64 {
    10f64.powf(db / 20.0)
}

/// The level of a factor, or of an amplitude in dBFS: 20 · log10; −∞ for 0.
pub fn decibels(amplitude: f64) -> f64 {
    20.0 * amplitude.log10()
}

/// The mean square of `x`; NaN of no samples.
pub fn power(x: &[f32]) -> f64 {
    x.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / x.len() as f64
}

/// The mean of `x`, and the RMS around it; 0 for no samples.
pub fn mean_and_rms(x: &[f32]) -> (f64, f64) {
    let len = x.len().max(1) as f64;
    let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / len;
    let power = x
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>()
        / len;
    (mean, power.sqrt())
}

/// A sound with every sample moved by its last bit, up and down in turn: the least change that it can have.
pub fn by_a_bit(dry: &[f32]) -> Vec<f32> {
    let sides = [1.0 + f32::EPSILON, 1.0 - f32::EPSILON];
    dry.iter()
        .zip(sides.iter().cycle())
        .map(|(x, side)| x * side)
        .collect()
}
