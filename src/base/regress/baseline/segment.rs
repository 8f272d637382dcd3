//! Time spans that baselines are fitted on and predict. Knows nothing of what is fitted.

use super::expansion::Expansion;
use crate::config::BaselineConfig;
use crate::regress::RegressError;

/// One time span to fit on.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Input of the effect.
    pub dry: &'a [f32],
    /// Its output, as long as `dry` (not read by prediction).
    pub wet: &'a [f32],
    /// Dry samples immediately before `dry`; what lies before those is silence.
    pub context: &'a [f32],
}

/// What is fitted on: a segment, and of a stereo effect the other dry channel's, whose wet is the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard<'a> {
    pub(super) segment: Segment<'a>,
    pub(super) beside: Option<Segment<'a>>,
}

impl<'a> Heard<'a> {
    /// One dry channel.
    pub(super) fn alone(segment: Segment<'a>) -> Self {
        Self {
            segment,
            beside: None,
        }
    }

    /// Dry channels.
    pub(super) fn channels(&self) -> usize {
        1 + usize::from(self.beside.is_some())
    }

    /// Samples.
    pub(super) fn len(&self) -> usize {
        self.segment.dry.len()
    }

    pub(super) fn wet(&self) -> &'a [f32] {
        self.segment.wet
    }

    /// The expansion's signals of every dry channel at `from..to`.
    pub(super) fn derived(&self, expansion: &Expansion, from: isize, to: isize) -> Vec<Vec<f64>> {
        let mut derived = self.segment.derived(expansion, from, to);
        let beside = self.beside.iter();
        derived.extend(beside.flat_map(|segment| segment.derived(expansion, from, to)));
        derived
    }
}

impl Segment<'_> {
    /// Dry samples `from..to` counted from the segment's start: negative positions lie in the
    /// context, and before that in silence.
    pub(super) fn dry_range(&self, from: isize, to: isize) -> Vec<f64> {
        (from..to)
            .map(|t| {
                let sample = if t >= 0 {
                    self.dry.get(t as usize)
                } else {
                    let back = t.unsigned_abs();
                    self.context
                        .len()
                        .checked_sub(back)
                        .and_then(|i| self.context.get(i))
                };
                sample.map_or(0.0, |&x| f64::from(x))
            })
            .collect()
    }

    /// The expansion's signals at `from..to`.
    pub(super) fn derived(&self, expansion: &Expansion, from: isize, to: isize) -> Vec<Vec<f64>> {
        expansion.apply(&self.dry_range(from - expansion.reach() as isize, to))
    }
}

/// Refuses unequal lengths, samples that are not finite, and silence.
pub(super) fn check_segments(
    config: &BaselineConfig,
    segments: &[Segment<'_>],
) -> Result<(), RegressError> {
    for (s, segment) in segments.iter().enumerate() {
        if segment.dry.len() != segment.wet.len() {
            return Err(RegressError::UnequalLengths {
                what: format!("{config}: samples of dry and wet in span {s}"),
                left: segment.dry.len(),
                right: segment.wet.len(),
            });
        }
        for (role, samples) in [
            ("dry", segment.dry),
            ("wet", segment.wet),
            ("dry context", segment.context),
        ] {
            if let Some(index) = samples.iter().position(|x| !x.is_finite()) {
                return Err(RegressError::NotFinite {
                    what: format!("{role} of span {s}"),
                    value: f64::from(samples[index]),
                    index,
                });
            }
        }
    }
    let silent = segments
        .iter()
        .all(|segment| segment.dry.iter().all(|&x| x == 0.0));
    if silent {
        return Err(RegressError::Silent {
            what: "the dry recording".to_string(),
        });
    }
    Ok(())
}
