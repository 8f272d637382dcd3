//! The range of levels that a sound covers: how soft its soft passages are, and how loud its loud ones.
//! Knows no file and no effect.

use super::level::decibels;
use super::track::Track;
use serde::{Deserialize, Serialize};

/// Samples over which a level is taken.
pub const MOMENT: usize = 2048;

/// A moment this far below the mean power is silence: −60 dB.
pub const SILENT: f64 = 1e-6;

/// Share of the moments at either end that is left aside: a click, the last breath of a fade.
const ASIDE: f64 = 0.02;

/// Levels (RMS of 2048 samples) between which all but a fiftieth at either end lies of what sounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelRange {
    /// In dBFS.
    pub softest_dbfs: f64,
    /// In dBFS.
    pub loudest_dbfs: f64,
}

/// Hears a sound block by block.
#[derive(Clone, Debug, Default)]
pub struct LevelMeter {
    powers: Vec<f64>,
    /// Of the moment under way: energy and samples.
    sum: f64,
    count: usize,
}

impl LevelMeter {
    /// Hears more of one channel.
    pub fn push(&mut self, x: &[f32]) {
        for &x in x {
            self.sum += f64::from(x).powi(2);
            self.count += 1;
            if self.count == MOMENT {
                self.powers.push(self.sum / MOMENT as f64);
                (self.sum, self.count) = (0.0, 0);
            }
        }
    }

    /// What was heard; `None` where nothing sounds for a moment.
    pub fn range(&self) -> Option<LevelRange> {
        let mean = self.powers.iter().sum::<f64>() / self.powers.len().max(1) as f64;
        let loud = |power: &&f64| **power > SILENT * mean && power.is_finite();
        let mut powers: Vec<f64> = self.powers.iter().filter(loud).copied().collect();
        powers.sort_by(f64::total_cmp);
        let last = powers.len().checked_sub(1)?;
        let aside = (ASIDE * last as f64) as usize;
        Some(LevelRange {
            softest_dbfs: 0.5 * decibels(powers[aside]),
            loudest_dbfs: 0.5 * decibels(powers[last - aside]),
        })
    }
}

impl LevelRange {
    /// Of these sounds together.
    pub fn of<'a>(sounds: impl IntoIterator<Item = impl Into<Track<'a>>>) -> Option<Self> {
        // Moments are of one sound each.
        let power = |moment: &[f32]| -> f64 {
            let mut meter = LevelMeter::default();
            meter.push(moment);
            meter.powers.iter().sum()
        };
        let mut meter = LevelMeter::default();
        for sound in sounds {
            let mut moments = sound.into().in_wholes_of(MOMENT).each(MOMENT, power);
            meter.powers.append(&mut moments);
        }
        meter.range()
    }
}

/// Decibels that another sound may lie beyond before it is worth a word.
const WORTH_A_WORD: f64 = 6.0;

impl LevelRange {
    /// In words, where `other` lies beyond this range on either side.
    pub fn beyond(&self, other: &Self) -> Option<String> {
        let softer = other.softest_dbfs < self.softest_dbfs - WORTH_A_WORD;
        let louder = other.loudest_dbfs > self.loudest_dbfs + WORTH_A_WORD;
        (softer || louder).then(|| format!("{other}, learned was {self}"))
    }
}

impl std::fmt::Display for LevelRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.0} to {:.0} dBFS",
            self.softest_dbfs, self.loudest_dbfs
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_rare_moments_do_not_widen_the_range() {
        // A hundred moments of −20 dBFS, fifty of −40, one of 0, fifty of silence.
        let at = |level: f32, moments: usize| vec![level; moments * MOMENT];
        let x = [at(0.1, 100), at(0.01, 50), at(1.0, 1), at(0.0, 50)].concat();
        let found = LevelRange::of([x.as_slice()]).unwrap();
        assert!((found.softest_dbfs + 40.0).abs() < 1e-6, "{found:?}");
        assert!((found.loudest_dbfs + 20.0).abs() < 1e-6, "{found:?}");
        assert_eq!(found.to_string(), "-40 to -20 dBFS");
        let mut meter = LevelMeter::default();
        x.chunks(777).for_each(|block| meter.push(block));
        assert_eq!(meter.range(), Some(found));
        let other = |softest_dbfs, loudest_dbfs| LevelRange {
            softest_dbfs,
            loudest_dbfs,
        };
        assert_eq!(found.beyond(&other(-45.0, -15.0)), None);
        assert!(found.beyond(&other(-47.0, -20.0)).is_some());
        let louder = found.beyond(&other(-30.0, -10.0)).unwrap();
        assert_eq!(louder, "-30 to -10 dBFS, learned was -40 to -20 dBFS");
        assert_eq!(LevelRange::of([&[0.0; 5000][..]]), None);
        assert_eq!(LevelRange::of([&[1.0; 100][..]]), None);
    }
}
