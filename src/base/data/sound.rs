//! Where a pair of channels sounds, and where its last tenths of sound begin.
//!
//! Knows channels of samples, not files or spans; judges no level but that of silence.

use super::aligned::{MOMENT, SILENT, sound_power};
use crate::audio::Track;

/// Wet counts as silent from this far below its mean power on: −80 dB, about the last bit of a
/// 16-bit recording.
pub const WET_SILENT: f64 = 1e-8;

/// Wet counts as played from this far below its mean power on: −40 dB. An error in what is softer,
/// measured against that alone, says nothing of how a recording is rendered.
const WET_PLAYED: f64 = 1e-4;

/// Moments for which a sound that dry has ended may still be heard in wet: half a second at
/// 48 kHz.
const RINGING: usize = 12;

/// Which moments of an aligned pair sound: dry does, or did half a second ago, and wet does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sounding {
    moments: Vec<bool>,
    len: usize,
}

impl Sounding {
    /// Looks at one channel of each side: what is not silent.
    pub fn of<'a>(dry: impl Into<Track<'a>>, wet: impl Into<Track<'a>>) -> Self {
        Self::from(dry.into(), wet.into(), WET_SILENT)
    }

    /// The same, but only what is loud enough to be judged by: the end of a dying note is not.
    pub fn played<'a>(dry: impl Into<Track<'a>>, wet: impl Into<Track<'a>>) -> Self {
        Self::from(dry.into(), wet.into(), WET_PLAYED)
    }

    fn from(dry: Track<'_>, wet: Track<'_>, wet_floor: f64) -> Self {
        let len = dry.len().min(wet.len());
        let mut since = usize::MAX;
        let dry = loud_moments(dry, SILENT).into_iter().map(|loud| {
            since = if loud { 0 } else { since.saturating_add(1) };
            since <= RINGING
        });
        let both = dry.zip(loud_moments(wet, wet_floor));
        Self {
            moments: both.map(|(dry, wet)| dry && wet).collect(),
            len,
        }
    }

    /// Where either of two channels sounds.
    pub fn or(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.moments.iter_mut().zip(&other.moments) {
            *mine |= theirs;
        }
        self
    }

    /// Samples of the pair.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// From the first moment that sounds to the end of the last, in samples; `None` when none
    /// does.
    pub fn range(&self) -> Option<std::ops::Range<usize>> {
        let first = self.moments.iter().position(|m| *m)?;
        let last = self.moments.iter().rposition(|m| *m)?;
        Some(first * MOMENT..self.end_of(last))
    }

    /// Where the tenths of the pair from `first_tenth` on begin, and where the last one ends, in
    /// samples: tenths of its length where each of these sounds for at least half of its time, else
    /// tenths of what sounds.
    pub fn tenths_from(&self, first_tenth: usize) -> Tenths {
        let even = |tenth: usize| (tenth as f64 / 10.0 * self.len as f64).round() as usize;
        let sounds = |tenth: usize| {
            let moments = even(tenth) / MOMENT..even(tenth + 1).div_ceil(MOMENT);
            let part = self.moments.get(moments).unwrap_or(&[]);
            2 * part.iter().filter(|m| **m).count() >= part.len()
        };
        if (first_tenth..10).all(sounds) || self.range().is_none() {
            return Tenths {
                bounds: (first_tenth..=10).map(even).collect(),
                even: true,
            };
        }
        let places = self.moments.iter().enumerate();
        let places: Vec<usize> = places.filter(|(_, m)| **m).map(|(i, _)| i).collect();
        let bound = |tenth: usize| match tenth * places.len() / 10 {
            0 => 0,
            n => self.end_of(places[n - 1]),
        };
        Tenths {
            bounds: (first_tenth..=10).map(bound).collect(),
            even: false,
        }
    }

    fn end_of(&self, moment: usize) -> usize {
        ((moment + 1) * MOMENT).min(self.len)
    }
}

/// Where the last tenths of a pair lie.
#[derive(Clone, Debug, PartialEq)]
pub struct Tenths {
    /// The beginning of each, and the end of the last, in samples.
    pub bounds: Vec<usize>,
    /// Whether they are tenths of the length, not of what sounds.
    pub even: bool,
}

/// Whether the power of each moment exceeds `silent` times that of the whole.
fn loud_moments(x: Track<'_>, silent: f64) -> Vec<bool> {
    let least = silent * sound_power(x);
    x.each(MOMENT, |moment| sound_power(moment) > least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<f32> {
        let mut state = 1u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as f32 / u32::MAX as f32 - 0.5
        };
        (0..len).map(next).collect()
    }

    fn sounding(loud: impl Fn(usize) -> bool) -> Sounding {
        let x = noise(100 * MOMENT);
        let x = x.iter().enumerate();
        let x: Vec<f32> = x
            .map(|(n, v)| if loud(n / MOMENT) { *v } else { 0.0 })
            .collect();
        Sounding::of(&x, &x)
    }

    #[test]
    fn a_pair_that_sounds_throughout_is_cut_into_even_tenths() {
        let all = sounding(|_| true);
        let [a, b, c] = [80, 90, 100].map(|m| m * MOMENT);
        assert_eq!(all.tenths_from(8).bounds, [a, b, c]);
        assert_eq!(all.tenths_from(9).bounds, [b, c]);
        // Rests between notes change nothing.
        let played = sounding(|m| m % 5 != 0);
        assert!(played.tenths_from(8).even);
    }

    #[test]
    fn a_silent_tail_or_gap_is_not_held_back() {
        let tail = sounding(|m| m < 75);
        assert_eq!(tail.range(), Some(0..75 * MOMENT));
        let cut = tail.tenths_from(8);
        assert_eq!(cut.bounds, [60, 67, 75].map(|m| m * MOMENT));
        assert!(!cut.even);
        let gap = sounding(|m| !(45..95).contains(&m));
        // 50 moments sound: 40 of them before 40, 45 before 45, the last five at the end.
        assert_eq!(gap.tenths_from(8).bounds, [40, 45, 100].map(|m| m * MOMENT));
        let nothing = sounding(|_| false);
        assert_eq!(nothing.range(), None);
        assert!(nothing.tenths_from(8).even);
    }

    #[test]
    fn the_end_of_a_dying_note_is_not_held_back() {
        let falling = |(n, v): (usize, &f32)| v * 10f32.powf(-5e-2 * n as f32 / MOMENT as f32);
        let note: Vec<f32> = noise(100 * MOMENT)
            .iter()
            .enumerate()
            .map(falling)
            .collect();
        assert_eq!(Sounding::of(&note, &note).range(), Some(0..86 * MOMENT));
        // −1 dB a moment, 13.6 dB above the mean of all at first: 54 of them above −40 dB.
        let cut = Sounding::played(&note, &note).tenths_from(8);
        assert_eq!(cut.bounds, [43, 48, 54].map(|m| m * MOMENT));
    }

    #[test]
    fn wet_noise_after_dry_has_ended_is_no_sound_and_an_offset_neither() {
        let mut dry = noise(100 * MOMENT);
        let wet: Vec<f32> = dry.iter().map(|v| v * 0.5 + 0.1).collect();
        dry[50 * MOMENT..].fill(0.0);
        let found = Sounding::of(&dry, &wet);
        assert_eq!(found.range(), Some(0..(50 + RINGING) * MOMENT));
        let mut cut = wet.clone();
        cut[40 * MOMENT..].fill(0.1);
        let whole = noise(100 * MOMENT);
        let found = Sounding::of(&whole, &cut);
        assert_eq!(found.range(), Some(0..40 * MOMENT));
    }
}
