//! Test sounds: what to feed an effect to learn it, from single impulses to phrases of a
//! plucked string. All mono, all repeatable from a seed.
//!
//! Knows nothing of the effects.

mod noise;
mod pluck;
mod sweep;
mod wave;

use serde::{Deserialize, Serialize};

pub use self::noise::{Noise, NoiseColour};
pub use self::pluck::PluckedString;
pub use self::sweep::{Impulse, SineSweep};
pub use self::wave::{Motion, MovingWave, Shape};
use super::{ParameterError, within};
use crate::audio::SampleRate;
use crate::audio::level::amplitude;

/// The longest sound, in seconds.
const MAX_SECONDS: f64 = 6.0 * 3600.0;

/// A test sound with its settings.
///
/// In all of them `level_dbfs`, from −120 to 0, is the peak: the largest magnitude of the
/// sound, in decibels relative to full scale (±1.0).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Signal {
    /// A periodic wave that moves through a range of pitches.
    MovingWave(MovingWave),
    /// White or pink noise.
    Noise(Noise),
    /// Melodies and chords of plucked strings.
    PluckedString(PluckedString),
    /// One sine through a range of frequencies, once.
    SineSweep(SineSweep),
    /// A single sample.
    Impulse(Impulse),
}

impl Signal {
    /// Holds every parameter to its range at this rate.
    ///
    /// # Errors
    /// [`ParameterError`] for the first parameter that is out of range.
    pub fn check(&self, rate: SampleRate) -> Result<(), ParameterError> {
        let hz = f64::from(rate.hz());
        let (owner, level_dbfs) = match self {
            Self::MovingWave(s) => ("moving-wave", s.level_dbfs),
            Self::Noise(s) => ("noise", s.level_dbfs),
            Self::PluckedString(s) => ("plucked-string", s.level_dbfs),
            Self::SineSweep(s) => ("sine-sweep", s.level_dbfs),
            Self::Impulse(s) => ("impulse", s.level_dbfs),
        };
        within(owner, "level_dbfs", level_dbfs, -120.0..=0.0)?;
        match self {
            Self::MovingWave(s) => s.check(hz),
            Self::Noise(_) => Ok(()),
            Self::PluckedString(s) => s.check(hz),
            Self::SineSweep(s) => s.check(hz),
            Self::Impulse(s) => s.check(),
        }
    }

    fn level_dbfs(&self) -> f64 {
        match self {
            Self::MovingWave(s) => s.level_dbfs,
            Self::Noise(s) => s.level_dbfs,
            Self::PluckedString(s) => s.level_dbfs,
            Self::SineSweep(s) => s.level_dbfs,
            Self::Impulse(s) => s.level_dbfs,
        }
    }
}

/// `round(seconds · rate)` samples of a signal, with its peak at `level_dbfs`. Signals
/// without chance ignore the seed.
///
/// # Errors
/// [`ParameterError`] for the first parameter that is out of range, `seconds` (up to six
/// hours) included.
pub fn render(
    signal: &Signal,
    rate: SampleRate,
    seconds: f64,
    seed: u64,
) -> Result<Vec<f32>, ParameterError> {
    signal.check(rate)?;
    within("signal", "seconds", seconds, 0.0..=MAX_SECONDS)?;
    let hz = f64::from(rate.hz());
    let len = (seconds * hz).round() as usize;
    let mut sound = match signal {
        Signal::MovingWave(s) => s.render(hz, len, seed),
        Signal::Noise(s) => s.render(hz, len, seed),
        Signal::PluckedString(s) => s.render(hz, len, seed),
        Signal::SineSweep(s) => s.render(hz, len),
        Signal::Impulse(s) => s.render(hz, len),
    };
    scale_to_peak(&mut sound, amplitude(signal.level_dbfs()) as f32);
    Ok(sound)
}

/// Multiplies so that the largest magnitude is `peak`; silence stays silence.
fn scale_to_peak(sound: &mut [f32], peak: f32) {
    let largest = sound.iter().fold(0f32, |m, x| m.max(x.abs()));
    if largest > 0.0 {
        for x in sound.iter_mut() {
            // In this order nothing can exceed the peak by rounding.
            *x = *x / largest * peak;
        }
    }
}
