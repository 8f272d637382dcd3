//! What a run learns from and is judged on, and what was found out about it. Knows nothing of how
//! it is loaded.

use super::error::DataError;
use super::finding::Finding;
use super::pair::Span;
use crate::audio::{AudioChannels, SampleRate};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One pair of the config, all channels.
#[derive(Clone, Debug)]
pub struct Excerpt {
    /// File or generated signal.
    pub label: String,
    /// One span per channel.
    pub channels: Vec<Span>,
}

impl Excerpt {
    /// What a model of these channels predicts at once: each channel by itself, or both sides together.
    ///
    /// # Errors
    /// A stereo effect is asked for where there are not two channels, or one that hears one where dry has
    /// two.
    pub fn units(&self, audio: AudioChannels) -> Result<Vec<Span>, DataError> {
        if audio.is_mono() {
            return Ok(self.channels.clone());
        }
        let unfit = |why: String| Err(DataError::Unfit(format!("{}: {why}", self.label)));
        let [left, right] = self.channels.as_slice() else {
            return unfit(format!(
                "a stereo effect ({audio}) has two wet channels, left and right, and {} in use here: give a \
                 wet of two, and no channel = at the pair",
                match self.channels.len() {
                    1 => "one is".to_string(),
                    n => format!("{n} are"),
                }
            ));
        };
        if audio.dry == 1 && self.dry_channels() == 2 {
            return unfit(format!(
                "dry has two channels, and the effect hears one ({audio}): give a mono dry, or train on \
                 stereo ones"
            ));
        }
        Ok(vec![Span::stereo(left, right, audio.dry)])
    }

    /// How many channels dry has: 1 where all of wet's are made of one and the same.
    pub fn dry_channels(&self) -> usize {
        let dry = |span: &Span| span.pair().dry().as_ptr_range();
        let same = |a: &Span, b: &Span| dry(a) == dry(b) || a.pair().dry() == b.pair().dry();
        match self.channels.split_first() {
            Some((first, others)) if others.iter().any(|other| !same(first, other)) => {
                self.channels.len()
            }
            _ => 1,
        }
    }
}

/// What was measured or decided about the wet side's delay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyReport {
    /// Which pairs.
    pub label: String,
    /// Positive: wet lags.
    pub latency_samples: i64,
    /// The same to a fraction of a sample, where the response is a plain delay; removed in full
    /// only with `latency = "fractional"`.
    pub exact_samples: Option<f64>,
    /// `None` where it was given, not measured.
    pub confidence: Option<f64>,
    /// Whether the response begins downwards; `None` where it was not measured.
    pub inverted: Option<bool>,
}

impl fmt::Display for LatencyReport {
    /// "latency 118 samples (measured …)" for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = match self.confidence {
            Some(confidence) => format!("measured, confidence {confidence:.2}"),
            None => "given".to_string(),
        };
        let polarity = match self.inverted {
            Some(true) => ", inverted polarity",
            _ => "",
        };
        let exact = self
            .exact_samples
            .map_or_else(String::new, |exact| format!("{exact:.2} to a fraction, "));
        write!(
            f,
            "latency {} samples ({exact}{origin}{polarity}): {}",
            self.latency_samples, self.label
        )
    }
}

/// What was found out about one pair of files once it was aligned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairReport {
    /// The pair.
    pub label: String,
    /// How much louder wet is than dry (RMS, first channel); `None` if one is silent.
    pub gain_db: Option<f64>,
    /// What may spoil training: clocks that drift, effects that move.
    pub findings: Vec<Finding>,
}

/// Everything a run learns from and is judged on.
#[derive(Clone, Debug)]
pub struct Recordings {
    /// Of all pairs.
    pub sample_rate: SampleRate,
    /// To learn from.
    pub train: Vec<Excerpt>,
    /// To choose the best epoch.
    pub valid: Vec<Excerpt>,
    /// For the final figures.
    pub test: Vec<Excerpt>,
    /// Channels of dry that a stereo effect of these recordings hears: 1 or 2.
    pub dry_channels: usize,
    /// Generated recordings of effects that move by a clock of their own.
    pub moving: Vec<String>,
    /// The delays that were removed.
    pub latencies: Vec<LatencyReport>,
    /// What was found out about every pair of files.
    pub pairs: Vec<PairReport>,
}

/// What a model of these channels learns from or is judged on in some excerpts.
///
/// # Errors
/// As [`Excerpt::units`].
pub fn units(excerpts: &[Excerpt], audio: AudioChannels) -> Result<Vec<Span>, DataError> {
    let each = excerpts.iter().map(|excerpt| excerpt.units(audio));
    Ok(each.collect::<Result<Vec<_>, _>>()?.concat())
}

/// All spans of some excerpts, channel by channel.
pub fn spans(excerpts: &[Excerpt]) -> Vec<Span> {
    let channels = excerpts.iter().flat_map(|e| &e.channels);
    channels.cloned().collect()
}

/// Refuses samples that two of the three parts share.
pub(super) fn refuse_overlap(recordings: &Recordings) -> Result<(), DataError> {
    let parts = [
        ("train", spans(&recordings.train)),
        ("valid", spans(&recordings.valid)),
        ("test", spans(&recordings.test)),
    ];
    for (i, (first, left)) in parts.iter().enumerate() {
        for (second, right) in &parts[i + 1..] {
            for a in left {
                if right.iter().any(|b| a.overlaps(b)) {
                    return Err(DataError::Overlap {
                        first,
                        second,
                        pair: a.pair().name().to_string(),
                    });
                }
            }
        }
    }
    Ok(())
}
