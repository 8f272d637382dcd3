//! The distance of two sounds in short-time magnitudes, at three resolutions (Yamamoto et al.
//! 2020).
//!
//! For each of [`RESOLUTIONS`], with W and P the magnitudes of all bins of wet and predicted on
//! Hann windows, frames centred, edges mirrored, none below 10⁻⁴:
//!
//! ```text
//! ‖W − P‖ / ‖W‖  +  mean |ln W − ln P|
//! ```
//!
//! and of these sums the mean. Norms are taken over the whole batch. With pre-emphasis both sides
//! are first x[t] − coefficient·x[t−1], one sample shorter. The wet side is a constant to the
//! gradient.
//!
//! One pass over the frames makes both transforms, the sums of both terms, and keeps what the
//! gradient wants; the gradient, known when all sums are, is the transform back of every frame.

mod backward;
mod forward;
mod operator;
mod plan;
mod shape;

pub use operator::spectral_distance;
pub use shape::{RESOLUTIONS, SpectralDistance};

/// Added to ‖W‖²: far below the power of one 24-bit step, 1.4e-14.
pub(crate) const SILENCE: f32 = 1e-16;

/// The smallest power of a bin: quieter bins count as equal.
pub(crate) const FLOOR: f32 = 1e-8;

/// A root has no slope at 0; moved by a hair it has, and stays 0 for equal sides.
pub(crate) const HAIR: f64 = f32::EPSILON as f64;
