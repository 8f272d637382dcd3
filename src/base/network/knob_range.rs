//! The numbers that a knob shows, and what a network hears of them. Knows no knob's name.

use serde::{Deserialize, Serialize};

/// The numbers at which a network hears 0 and 1: what musicians read off a knob (−36 dB, a ratio of 8) is
/// seldom what a network learns well from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct KnobRange([f32; 2]);

impl KnobRange {
    /// From the number heard as 0 to that heard as 1; `None` unless they are finite and apart.
    pub fn new(zero: f32, one: f32) -> Option<Self> {
        Some(Self([zero, one])).filter(Self::is_valid)
    }

    /// The lowest and the highest of a knob's numbers, where they are not all from 0 to 1: a network that
    /// heard them as they are would hear little else. Of a knob that was never turned, 0 and its number.
    pub fn covering(numbers: impl Iterator<Item = f64> + Clone) -> Option<[f64; 2]> {
        let low = numbers.clone().fold(f64::INFINITY, f64::min);
        let high = numbers.fold(f64::NEG_INFINITY, f64::max);
        let fits = low >= 0.0 && high <= 1.0;
        let low = if low == high { 0.0 } else { low };
        (!fits).then_some([low, high])
    }

    /// Whether both ends, which a file may name, are finite and apart.
    pub fn is_valid(&self) -> bool {
        let [zero, one] = self.0;
        zero.is_finite() && one.is_finite() && (one - zero).is_normal()
    }

    /// What the network hears where the knob shows `number`.
    pub fn heard(&self, number: f32) -> f32 {
        let [zero, one] = self.0;
        (number - zero) / (one - zero)
    }

    /// The way back.
    pub fn number(&self, heard: f32) -> f32 {
        let [zero, one] = self.0;
        zero + heard * (one - zero)
    }

    /// Both ends.
    pub fn ends(&self) -> [f32; 2] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_what_is_heard_are_one_scale() {
        let range = KnobRange::new(-36.0, -18.0).unwrap();
        assert_eq!(
            [-36.0, -27.0, -18.0].map(|n| range.heard(n)),
            [0.0, 0.5, 1.0]
        );
        assert_eq!(
            [0.0, 0.5, 1.0].map(|h| range.number(h)),
            [-36.0, -27.0, -18.0]
        );
        assert_eq!(KnobRange::covering([].into_iter()), None);
        assert_eq!(KnobRange::covering([0.0].into_iter()), None);
        assert_eq!(KnobRange::covering([-5.0].into_iter()), Some([0.0, -5.0]));
        assert_eq!(KnobRange::new(2.0, 2.0), None);
        assert_eq!(KnobRange::new(0.0, f32::NAN), None);
        assert_eq!(KnobRange::new(-f32::MAX, f32::MAX), None);
    }
}
