//! Whether two recordings belong together: what ties one to the other, and how much it takes.
//!
//! Knows figures, not sounds.

use crate::dsp::align::Alignment;
use crate::regress::diagnosis::Diagnosis;
use serde::Serialize;

/// Strength, in standard deviations of chance, from which on wet follows dry throughout. Over the
/// table of pairs (`benches/pairs`) those that belong together have 8 and more, others up to 6.5.
const FOLLOWS: f64 = 7.5;

/// Share of wet that the best model explains from which on there is a tie. Two sounds that do not
/// belong together leave more than 0.95 of wet on stretches that were not fitted on.
const EXPLAINS: f64 = 0.12;

/// The same where wet does not follow throughout: a held note, a latency that was given.
const EXPLAINS_WELL: f64 = 0.3;

/// The same where wet must be where it was measured: of wets that a repeating dry was aligned with a
/// repetition off, less is explained.
const EXPLAINS_MOST: f64 = 0.7;

/// Likeness of the two levels' courses from which on wet is made of dry, whatever became of its
/// waveform.
const SAME_COURSE: f64 = 0.9;

/// What ties wet to dry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bond {
    /// How far wet follows dry throughout, in standard deviations of chance; `None` where it was
    /// not measured.
    pub strength: Option<f64>,
    /// Share of wet that the best quick model explains, 0 ..= 1; `None` where none was fitted.
    pub explained: Option<f64>,
    /// Correlation of the courses of the two levels, frame by frame; `None` in short recordings.
    pub likeness: Option<f64>,
}

impl Bond {
    pub(super) fn new(
        measured: Option<&Alignment>,
        diagnosis: Option<&Diagnosis>,
        likeness: Option<f64>,
    ) -> Self {
        Self {
            strength: measured.map(|m| m.strength),
            explained: diagnosis.map(|d| d.leaves.explained()),
            likeness,
        }
    }

    fn follows(&self) -> bool {
        self.strength.is_some_and(|s| s >= FOLLOWS)
    }

    fn same_course(&self) -> bool {
        self.likeness.is_some_and(|l| l >= SAME_COURSE)
    }

    /// Whether there is a tie; where nothing could be fitted, nothing is denied.
    pub(super) fn holds(&self) -> bool {
        let Some(explained) = self.explained else {
            return true;
        };
        explained >= EXPLAINS_WELL
            || (explained >= EXPLAINS && self.follows())
            || self.same_course()
    }

    /// Whether wet is known to begin where it was measured, if not on which sample.
    pub(super) fn places(&self, measured: &Alignment) -> bool {
        let explained = self.explained.is_some_and(|e| e >= EXPLAINS_MOST);
        measured.is_placed() || (explained && measured.follows())
    }

    /// Whether wet is made of dry, and no static model says how: its waveform is turned over faster
    /// than any filter follows (vibrato, ring modulator, pitch shifter).
    pub(super) fn moves_too_fast(&self) -> bool {
        self.explained.is_some_and(|e| e < EXPLAINS_WELL) && self.same_course()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tie_takes_an_explanation() {
        let bond = |strength, explained, likeness| Bond {
            strength: Some(strength),
            explained: Some(explained),
            likeness: Some(likeness),
        };
        assert!(bond(20.0, 0.9, 0.9).holds() && bond(3.0, 0.9, 0.2).holds());
        // A common beat makes two sounds follow each other, and explains nothing.
        assert!(!bond(20.0, 0.03, 0.5).holds());
        assert!(!bond(5.0, 0.15, 0.5).holds());
        assert!(bond(4.0, 0.0, 0.97).holds() && bond(4.0, 0.0, 0.97).moves_too_fast());
        assert!(Bond::default().holds());
    }
}
