//! Whether a written file, read again, plays like the network it was written from.

use crate::audio::level::by_a_bit;
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

/// Parts of [`test_signal`], of one kind of sound each.
const PARTS: usize = 8;

/// How many times further than by the last bit of its input two forms of a network may move its
/// answer: each sample passes some tens of roundings and approximations of the last bits.
const BY_BITS: f64 = 50.0;

/// A third of the smallest fault. Where a network's answer hangs on its input's last bit so much that
/// more would have to be accepted, as that of a memory in chaos does, nothing can be told.
const MOST: f64 = 3e-3;

/// How well a re-read file agreed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// The largest difference between two samples, full scale 1.
    pub largest_difference: f64,
    /// The loudest sample of the network itself.
    pub peak: f64,
    /// Samples compared: all before those to which the network answers by chance.
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
    /// The answer hangs on the last bit of the input wherever something sounds.
    #[error(
        "the file cannot be compared with the network: to sounds that differ in their last bit it \
         answers differently at every level; train it on more, and softer and louder, playing"
    )]
    Erratic,
}

/// Two seconds that visit what matters: silence, a click, noise at several levels, a rising sine that
/// overdrives, from soft to loud, so that what chaos there may be comes last. The same on every call.
pub fn test_signal(sample_rate: u32) -> Vec<f32> {
    let len = 2 * sample_rate as usize;
    let mut noise = Noise::new(0x2545_F491);
    let sample = |t: usize| {
        let random = noise.next().unwrap_or(0.0);
        let at = t as f32 / len as f32;
        match (at * 8.0) as usize {
            0 => f32::from(t == len / 16),
            1 => random * 0.001,
            2 => random * 0.1,
            3 => random * 0.7,
            4..=6 => {
                let at = at - 0.375;
                (at * at * 2_000.0).sin() * (at - 0.125) * 2.5
            }
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
    let play = |network, signal: &[f32]| play(network, signal).map_err(VerifyError::Play);
    let wanted = play(network, &signal)?;
    let found = play(reread, &signal)?;
    let swayed = play(reread, &by_a_bit(&signal))?;
    agree(&wanted, &found, &swayed, TOLERANCE)
}

/// Compares what the re-read network plays to [`test_signal`], `found`, with what it should play;
/// `swayed` is what it plays to the same signal moved [`by_a_bit`].
///
/// # Errors
/// The lengths differ, or the difference is above `tolerance` (relative to the larger of full
/// scale and the loudest sample; a multiple of the sway where that is more) or not a number; or
/// nothing that sounds can be compared.
pub fn agree<E: std::error::Error + 'static>(
    wanted: &[f32],
    found: &[f32],
    swayed: &[f32],
    tolerance: f64,
) -> Result<Agreement, VerifyError<E>> {
    let peak = wanted
        .iter()
        .fold(0.0f64, |peak, y| peak.max(f64::from(y.abs())));
    let scale = peak.max(1.0);
    let differs = |found, allowed| Err(VerifyError::Differs { found, allowed });
    if found.len() != wanted.len() || swayed.len() != wanted.len() {
        return differs(f64::INFINITY, tolerance * scale);
    }
    let mut agreement = Agreement {
        largest_difference: 0.0,
        peak,
        samples: 0,
    };
    let mut sounding = 0;
    let len = wanted.len().div_ceil(PARTS).max(1);
    let parts = wanted.chunks(len).zip(found.chunks(len));
    for (number, ((wanted, found), swayed)) in parts.zip(swayed.chunks(len)).enumerate() {
        let allowed = (tolerance * scale).max(BY_BITS * largest(found, swayed));
        if allowed > MOST * scale {
            // A memory carries on what chaos has made of it.
            break;
        }
        let difference = largest(wanted, found);
        // One that is no number is too large, too.
        if difference.is_nan() || difference > allowed {
            return differs(difference, allowed);
        }
        agreement.largest_difference = agreement.largest_difference.max(difference);
        agreement.samples += wanted.len();
        // The last part is silent.
        sounding += usize::from(number + 1 < PARTS);
    }
    match sounding {
        0 if !wanted.is_empty() => Err(VerifyError::Erratic),
        _ => Ok(agreement),
    }
}

/// The largest difference of two signals; NaN where one of them is.
fn largest(a: &[f32], b: &[f32]) -> f64 {
    let differences = a
        .iter()
        .zip(b)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    // `max` would lose a NaN.
    differences.fold(0.0, |most, d| if d <= most { most } else { d })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn agreed(found: &[f32], swayed: &[f32]) -> Result<Agreement, VerifyError<Infallible>> {
        agree(&[0.5; 16], found, swayed, 1e-5)
    }

    #[test]
    fn what_differs_is_refused() {
        let same = [0.5; 16];
        assert_eq!(agreed(&same, &same).unwrap().samples, 16);
        let with = |at: usize, value: f32| {
            let mut signal = same;
            signal[at] = value;
            signal
        };
        for other in [with(3, 0.5001), with(15, 0.5001), with(7, f32::NAN)] {
            let refused = agreed(&other, &other);
            assert!(
                matches!(refused, Err(VerifyError::Differs { .. })),
                "{refused:?}"
            );
        }
        assert!(agreed(&same[..15], &same[..15]).is_err());
    }

    #[test]
    fn from_where_the_last_bit_decides_nothing_is_compared_and_before_all() {
        let same = [0.5; 16];
        let (mut found, mut swayed) = (same, same);
        // The fourth part of two samples in chaos, and a memory of it.
        (found[6], swayed[6]) = (0.9, -0.7);
        found[8] = 0.6;
        assert_eq!(agreed(&found, &swayed).unwrap().samples, 6);
        // A part that sways a little may differ by a little more than that.
        (found[3], swayed[3]) = (0.501, 0.50101);
        assert!(agreed(&found, &swayed).is_err());
        (found[3], swayed[3]) = (0.5004, 0.50041);
        assert!(agreed(&found, &swayed).is_ok());
        let nowhere = agreed(&[0.9; 16], &[0.1; 16]);
        assert!(matches!(nowhere, Err(VerifyError::Erratic)));
    }
}
