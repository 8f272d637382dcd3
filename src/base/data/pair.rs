//! A dry and a wet track that belong together: equal rate, equal length, aligned. It cannot
//! be built otherwise.
//!
//! Knows nothing of windows or of where the tracks came from.

use super::aligned::sound_power;
use super::sound::WET_SILENT;
use crate::audio::{AudioChannels, SampleRate};
use std::ops::Range;
use std::sync::Arc;

/// One channel of dry sound and the same passage through the effect, wet lag removed.
#[derive(Clone, Debug, PartialEq)]
pub struct DryWetPair {
    name: String,
    sample_rate: SampleRate,
    // Shared, so that a pair whose knobs are told otherwise is no second hour of sound.
    dry: Arc<Vec<f32>>,
    wet: Arc<Vec<f32>>,
    controls: Vec<f32>,
}

impl DryWetPair {
    /// Removes `latency_samples` (positive: wet lags) and cuts both sides to the samples that
    /// they share.
    pub fn aligned(
        name: impl Into<String>,
        sample_rate: SampleRate,
        mut dry: Vec<f32>,
        mut wet: Vec<f32>,
        latency_samples: i64,
    ) -> Self {
        let lag = usize::try_from(latency_samples.unsigned_abs()).unwrap_or(usize::MAX);
        let late = if latency_samples > 0 {
            &mut wet
        } else {
            &mut dry
        };
        late.drain(..lag.min(late.len()));
        let len = dry.len().min(wet.len());
        dry.truncate(len);
        wet.truncate(len);
        Self {
            name: name.into(),
            sample_rate,
            dry: Arc::new(dry),
            wet: Arc::new(wet),
            controls: Vec::new(),
        }
    }

    /// Recorded with the knobs at these values, in the run's order of knobs.
    pub fn with_controls(self, controls: Vec<f32>) -> Self {
        Self { controls, ..self }
    }

    /// Where the knobs stood.
    pub fn controls(&self) -> &[f32] {
        &self.controls
    }

    /// How messages name it: file and channel.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The rate of both sides.
    pub fn sample_rate(&self) -> SampleRate {
        self.sample_rate
    }

    /// Samples per side.
    pub fn len(&self) -> usize {
        self.dry.len()
    }

    /// Whether no sample is shared.
    pub fn is_empty(&self) -> bool {
        self.dry.is_empty()
    }

    /// Without the effect.
    pub fn dry(&self) -> &[f32] {
        &self.dry
    }

    /// With the effect.
    pub fn wet(&self) -> &[f32] {
        &self.wet
    }

    /// Copies dry samples `from..from + out.len()`; beyond the recording there is silence.
    pub fn copy_dry(&self, from: i64, out: &mut [f32]) {
        let len = self.dry.len() as i64;
        let inside = from.clamp(0, len)..(from + out.len() as i64).clamp(0, len);
        out.fill(0.0);
        if inside.start < inside.end {
            let target = (inside.start - from) as usize..(inside.end - from) as usize;
            out[target].copy_from_slice(&self.dry[inside.start as usize..inside.end as usize]);
        }
    }
}

/// How many samples around an output sample a network needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Past input samples: receptive field − 1 − lookahead.
    pub context: usize,
    /// Future input samples; 0 for a causal network.
    pub lookahead: usize,
    /// Milliseconds at a recording's beginning that tell where a clock stands and are not scored, where
    /// nothing else of the recording does.
    pub opening_ms: usize,
}

impl Reach {
    /// The larger of both on either side.
    pub fn max(self, other: Self) -> Self {
        Self {
            context: self.context.max(other.context),
            lookahead: self.lookahead.max(other.lookahead),
            opening_ms: self.opening_ms.max(other.opening_ms),
        }
    }
}

/// A stretch of time of one pair, the unit that is given to training, validation or test; of a stereo
/// effect that is learned as one, of both sides at once.
#[derive(Clone, Debug)]
pub struct Span {
    pair: Arc<DryWetPair>,
    /// The other side of a stereo effect, and how many channels of dry the two have.
    right: Option<(Arc<DryWetPair>, usize)>,
    samples: Range<usize>,
}

impl Span {
    /// The samples of `pair` in `samples`, cut to its length.
    pub fn new(pair: Arc<DryWetPair>, samples: Range<usize>) -> Self {
        let end = samples.end.min(pair.len());
        Self {
            samples: samples.start.min(end)..end,
            pair,
            right: None,
        }
    }

    /// Both sides of a stereo effect that hears so many channels, as one. Both are of one recording, so
    /// equally long.
    pub fn stereo(left: &Self, right: &Self, dry_channels: usize) -> Self {
        Self {
            right: Some((right.pair.clone(), dry_channels)),
            ..left.clone()
        }
    }

    /// The pair it is part of; of a stereo effect the left side.
    pub fn pair(&self) -> &Arc<DryWetPair> {
        &self.pair
    }

    /// Channels of sound that are heard and predicted at once.
    pub fn audio_channels(&self) -> AudioChannels {
        match &self.right {
            None => AudioChannels::MONO,
            Some((_, dry)) => AudioChannels::stereo(*dry),
        }
    }

    /// What is predicted, channel by channel: the pair, or the left side and the right.
    pub fn sides(&self) -> impl Iterator<Item = &Arc<DryWetPair>> {
        let right = self.right.as_ref().map(|(right, _)| right);
        std::iter::once(&self.pair).chain(right)
    }

    /// What is heard, channel by channel: each pair's dry side.
    pub fn heard(&self) -> impl Iterator<Item = &Arc<DryWetPair>> {
        self.sides().take(self.audio_channels().dry)
    }

    /// Its place in the pair.
    pub fn samples(&self) -> Range<usize> {
        self.samples.clone()
    }

    /// The output samples that can be predicted from this span alone. Where the span begins
    /// (or ends) inside the recording, what lies beyond belongs to another span and must not
    /// be heard, so the first `context` (last `lookahead`) samples serve as input only. At
    /// the recording's own ends there is silence beyond, and every sample counts.
    pub fn predictable(&self, reach: Reach) -> Range<usize> {
        let opening = reach.opening_ms * self.pair.sample_rate().hz() as usize / 1000;
        let rest = self.pair.len() - self.samples.end;
        let start = match self.samples.start {
            // What follows tells a clock as well.
            0 if rest > opening / 2 => 0,
            0 => opening,
            inside => inside + reach.context,
        };
        let end = if self.samples.end == self.pair.len() {
            self.samples.end
        } else {
            self.samples.end.saturating_sub(reach.lookahead)
        };
        start.min(end)..end
    }

    /// Whether wet sounds in what can be predicted of it.
    pub fn sounds(&self, reach: Reach) -> bool {
        self.sides().any(|pair| {
            let wet = pair.wet();
            sound_power(&wet[self.predictable(reach)]) > WET_SILENT * sound_power(wet)
        })
    }

    /// Whether the two share a sample of the same pair.
    pub fn overlaps(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pair, &other.pair)
            && self.samples.start < other.samples.end
            && other.samples.start < self.samples.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(latency: i64) -> DryWetPair {
        let rate = SampleRate::new(100).unwrap();
        let dry: Vec<f32> = (0..10).map(|i| i as f32).collect();
        let wet: Vec<f32> = (0..10).map(|i| (i - latency) as f32).collect();
        DryWetPair::aligned("p", rate, dry, wet, latency)
    }

    #[test]
    fn alignment_makes_equal_samples_meet() {
        for latency in [-12, -3, 0, 4, 25] {
            let pair = pair(latency);
            assert_eq!(pair.dry(), pair.wet(), "latency {latency}");
            assert_eq!(pair.len(), 10 - (latency.unsigned_abs() as usize).min(10));
        }
    }

    #[test]
    fn a_span_of_silence_does_not_sound() {
        let rate = SampleRate::new(100).unwrap();
        let wet: Vec<f32> = (0..10)
            .map(|i| if i < 6 { i as f32 } else { 0.0 })
            .collect();
        let pair = Arc::new(DryWetPair::aligned("p", rate, wet.clone(), wet, 0));
        let span = |range| Span::new(pair.clone(), range);
        let none = Reach::default();
        assert!(span(0..3).sounds(none) && span(4..9).sounds(none));
        let reach = Reach {
            context: 2,
            ..Reach::default()
        };
        // 4 and 5 are its context.
        assert!(!span(4..9).sounds(reach) && !span(7..7).sounds(none));
    }

    #[test]
    fn beyond_the_recording_is_silence() {
        let pair = pair(0);
        let mut out = [9.0; 5];
        pair.copy_dry(-2, &mut out);
        assert_eq!(out, [0.0, 0.0, 0.0, 1.0, 2.0]);
        pair.copy_dry(8, &mut out);
        assert_eq!(out, [8.0, 9.0, 0.0, 0.0, 0.0]);
        pair.copy_dry(40, &mut out);
        assert_eq!(out, [0.0; 5]);
    }

    #[test]
    fn a_span_hears_nothing_of_its_neighbours() {
        let pair = Arc::new(pair(0));
        let reach = Reach {
            context: 2,
            lookahead: 1,
            ..Reach::default()
        };
        let first = Span::new(pair.clone(), 0..5);
        let second = Span::new(pair.clone(), 5..99);
        assert_eq!(first.predictable(reach), 0..4);
        assert_eq!(second.predictable(reach), 7..10);
        assert!(!first.overlaps(&second));
        assert!(first.overlaps(&Span::new(pair.clone(), 4..6)));
        assert_eq!(Span::new(pair.clone(), 8..9).predictable(reach).len(), 0);
        // 30 ms at 100 Hz of a recording's own beginning tell a clock.
        let clocked = Reach {
            opening_ms: 30,
            ..reach
        };
        assert_eq!(Span::new(pair, 0..99).predictable(clocked), 3..10);
        assert_eq!(first.predictable(clocked), 0..4);
        assert_eq!(second.predictable(clocked), 7..10);
    }
}
