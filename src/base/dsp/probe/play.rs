//! The box that is measured, and decibels of powers.

/// Plays a whole sound through the box, from rest: as long as what it was given, any constant
/// latency of the box removed.
pub type Play<'a> = dyn FnMut(&[f32]) -> Vec<f32> + 'a;

/// Decibels of a power ratio, not below −160: what is below is rounding.
pub(super) fn power_decibels(power: f64) -> f64 {
    10.0 * power.max(1e-16).log10()
}
