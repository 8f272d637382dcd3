//! Samples to integers: scaling, dither, rounding, clipping. Knows no file.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::audio::SampleFormat;

/// Any fixed number: equal sounds must become equal files.
const SEED: u64 = 0x6469_7468_6572;

/// Noise added before rounding to integers of up to 24 bits.
///
/// It is added to every sample, also to those that are integers already: whether a sound
/// "needs" dither cannot be told sample by sample without making the noise follow the sound.
/// For a bit-exact copy of integer material ask for [`Dither::None`]. 32-bit integers hold
/// every `f32` of at least 2⁻⁸ exactly and are never dithered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dither {
    /// Sum of two uniform variables, ±1 quantisation step at most: makes the mean and the
    /// power of the rounding error independent of the sound (Lipshitz, Wannamaker and
    /// Vanderkooy, "Quantization and Dither: A Theoretical Survey", JAES 40, 1992).
    #[default]
    Triangular,
    /// Rounding to nearest only.
    None,
}

/// Turns samples into integers, in the order they are stored.
#[derive(Debug)]
pub(super) struct Quantiser {
    /// 2^(bits − 1), the integer of full scale.
    full_scale: f64,
    /// `None` where nothing is added.
    noise: Option<ChaCha8Rng>,
    clipped: u64,
}

impl Quantiser {
    /// For float formats, which need none, it is never asked.
    pub(super) fn new(format: SampleFormat, dither: Dither) -> Self {
        let (SampleFormat::Int(bits) | SampleFormat::Float(bits)) = format;
        let dithered = dither == Dither::Triangular && bits <= 24;
        Self {
            full_scale: 2f64.powi(i32::from(bits) - 1),
            noise: dithered.then(|| ChaCha8Rng::seed_from_u64(SEED)),
            clipped: 0,
        }
    }

    /// The integer for a sample, within `−2^(bits−1)..2^(bits−1)`; `None` for NaN.
    pub(super) fn quantise(&mut self, sample: f32) -> Option<i32> {
        if sample.is_nan() {
            return None;
        }
        // +1.0 itself has no integer either, but losing one step of it is not clipping.
        self.clipped += u64::from(sample.abs() > 1.0);
        let noise = self.noise.as_mut().map_or(0.0, triangular);
        let integer = (f64::from(sample) * self.full_scale + noise).round_ties_even();
        Some(integer.clamp(-self.full_scale, self.full_scale - 1.0) as i32)
    }

    /// How many samples were beyond ±1.0.
    pub(super) fn clipped(&self) -> u64 {
        self.clipped
    }
}

/// A number in (−1, 1) with triangular density: the difference of two uniform ones.
fn triangular(rng: &mut ChaCha8Rng) -> f64 {
    let (a, b) = (f64::from(rng.next_u32()), f64::from(rng.next_u32()));
    (a - b) / 2f64.powi(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_dither_every_integer_survives() {
        for bits in [8, 16, 24, 32] {
            let mut quantiser = Quantiser::new(SampleFormat::Int(bits), Dither::None);
            let full = 2f64.powi(i32::from(bits) - 1);
            for integer in [-full, 1.0 - full, -1.0, 0.0, 1.0, full / 2.0] {
                let sample = (integer / full) as f32;
                if f64::from(sample) * full == integer {
                    assert_eq!(
                        quantiser.quantise(sample),
                        Some(integer as i32),
                        "{bits} bits"
                    );
                }
            }
        }
    }

    #[test]
    fn beyond_full_scale_is_cut_and_counted() {
        let mut quantiser = Quantiser::new(SampleFormat::Int(16), Dither::Triangular);
        assert_eq!(quantiser.quantise(f32::INFINITY), Some(32767));
        assert_eq!(quantiser.quantise(-1.5), Some(-32768));
        assert_eq!(quantiser.clipped(), 2);
        assert!(quantiser.quantise(1.0).is_some_and(|i| i >= 32766));
        assert_eq!(quantiser.clipped(), 2);
        assert_eq!(quantiser.quantise(f32::NAN), None);
    }

    /// Total error of dithered rounding: power (1/12 + 2/12) step², mean 0, for any level.
    #[test]
    fn dithered_error_has_the_power_theory_gives_it_whatever_the_level() {
        const COUNT: usize = 100_000;
        for level in [0.0, 0.25, 0.5, 0.8] {
            let mut quantiser = Quantiser::new(SampleFormat::Int(16), Dither::Triangular);
            let sample = (level / 32768.0) as f32;
            let errors = (0..COUNT).map(|_| f64::from(quantiser.quantise(sample).unwrap()) - level);
            let (sum, power) = errors.fold((0.0, 0.0), |(s, p), e| (s + e, p + e * e));
            // Standard errors: mean 0.5/√COUNT = 0.0016; power below 0.35/√COUNT = 0.0011.
            // Five of each; plain rounding misses the mean by 0.25 at level 0.25.
            assert!((sum / COUNT as f64).abs() < 0.008, "mean at level {level}");
            assert!(
                (power / COUNT as f64 - 0.25).abs() < 0.006,
                "power at level {level}"
            );
        }
    }
}
