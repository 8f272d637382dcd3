//! Levels in decibels.

/// The factor of a level in decibels, or the amplitude of one in dBFS: 10^(dB / 20).
pub fn amplitude(db: f64) -> f64 {
    10f64.powf(db / 20.0)
}

/// The level of a factor, or of an amplitude in dBFS: 20 · log10; −∞ for 0.
pub fn decibels(amplitude: f64) -> f64 {
    20.0 * amplitude.log10()
}
