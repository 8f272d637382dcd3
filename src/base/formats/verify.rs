//! Whether a written file, read again, plays like the network it was written from.

use crate::network::Network;
use crate::random::Noise;
use serde::Serialize;

/// The largest difference accepted between two samples, relative to the larger of full scale and
/// the loudest sample. Both networks hold the same 32-bit weights, so only the order of additions
/// can differ: some thousand roundings of 6e-8, which grow with their square root.
pub const TOLERANCE: f64 = 1e-5;

/// The largest difference accepted between a re-read file on the engine and the trained network's
/// own prediction, in the same measure. The two compute the same functions by other
/// approximations (tanh to 1e-6 each), and a deep network amplifies such differences: a capture
/// of the field (A1 standard, 40 layers of tanh) reaches 1.7e-5. Weights in a wrong order, a bias
/// left out or a delay of one sample change the output by 1e-2 and more.
pub const PREDICTION_TOLERANCE: f64 = 1e-4;

/// How well a re-read file agreed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// The largest difference between two samples, full scale 1.
    pub largest_difference: f64,
    /// The loudest sample of the network itself.
    pub peak: f64,
    /// Samples compared.
    pub samples: usize,
}

/// Why a written file is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError<E: std::error::Error + 'static> {
    /// A network could not be played.
    #[error(transparent)]
    Play(E),
    /// The re-read network plays something else.
    #[error(
        "the written file plays differently: {found:e} at most on a test signal, {allowed:e} is \
         accepted; do not use it and report this"
    )]
    Differs {
        /// The largest difference.
        found: f64,
        /// What would have been accepted.
        allowed: f64,
    },
}

/// Two seconds that visit what matters: silence, a click, a rising sine that overdrives, noise at
/// several levels. The same on every call.
pub fn test_signal(sample_rate: u32) -> Vec<f32> {
    let len = 2 * sample_rate as usize;
    let mut noise = Noise::new(0x2545_F491);
    let sample = |t: usize| {
        let random = noise.next().unwrap_or(0.0);
        let at = t as f32 / len as f32;
        match (at * 8.0) as usize {
            0 => f32::from(t == len / 16),
            1..=3 => (at * at * 2_000.0).sin() * (at - 0.125) * 2.5,
            4 => random * 0.001,
            5 => random * 0.1,
            6 => random * 0.7,
            _ => 0.0,
        }
    };
    (0..len).map(sample).collect()
}

/// Plays the test signal through both networks with `play` and compares.
///
/// # Errors
/// `play` failed, or the difference is above [`TOLERANCE`] or not a number.
pub fn verify<E: std::error::Error + 'static>(
    network: &Network,
    reread: &Network,
    play: impl Fn(&Network, &[f32]) -> Result<Vec<f32>, E>,
) -> Result<Agreement, VerifyError<E>> {
    let signal = test_signal(network.sample_rate);
    let wanted = play(network, &signal).map_err(VerifyError::Play)?;
    let found = play(reread, &signal).map_err(VerifyError::Play)?;
    agree(&wanted, &found, TOLERANCE)
}

/// Compares what the re-read network plays, `found`, with what it should play.
///
/// # Errors
/// The lengths differ, or the difference is above `tolerance` (relative to the larger of full
/// scale and the loudest sample) or not a number.
pub fn agree<E: std::error::Error + 'static>(
    wanted: &[f32],
    found: &[f32],
    tolerance: f64,
) -> Result<Agreement, VerifyError<E>> {
    let peak = wanted
        .iter()
        .fold(0.0f64, |peak, y| peak.max(f64::from(y.abs())));
    let differences = wanted
        .iter()
        .zip(found)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    // `max` would lose a NaN.
    let largest = differences.fold(0.0, |most, d| if d <= most { most } else { d });
    let allowed = tolerance * peak.max(1.0);
    if found.len() == wanted.len() && largest <= allowed {
        let samples = found.len();
        return Ok(Agreement {
            largest_difference: largest,
            peak,
            samples,
        });
    }
    Err(VerifyError::Differs {
        found: largest,
        allowed,
    })
}
