//! From a config's pairs to aligned spans: decode or generate, check, measure the latency,
//! shift, split.
//!
//! Knows no network: what a span may be used for depends on a reach that is asked for later.

use super::aligned::{self, Motion};
use super::check::{self, Expectations, Finding, Severity};
use super::pair::{DryWetPair, Span};
use crate::audio::{Audio, AudioError, SampleRate, decode};
use crate::config::{DataConfig, Latency, PairConfig, Polarity};
use crate::dsp::align::{self, AlignError, AlignOptions, Alignment};
use crate::dsp::shift;
use crate::effects::signals::{self, Signal};
use crate::effects::{Effect, ParameterError};
use crate::progress::{Event, Observer};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Why recordings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file cannot be decoded.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// A recording or a pair is unfit.
    #[error("{0}")]
    Unfit(String),
    /// A generated signal or effect has a parameter out of range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The latency cannot be measured.
    #[error("{label}: {source}")]
    Align {
        /// The pair.
        label: String,
        /// Why not.
        source: AlignError,
    },
    /// The latency was measured but may be wrong.
    #[error(
        "the latency of the training pairs measures {latency} samples with confidence \
         {confidence:.2}, below {needed:.2}; look at it and set data.latency to a number \
         (0 is safe when the recording was made in one session)"
    )]
    Unsure {
        /// Measured.
        latency: i64,
        /// Its confidence.
        confidence: f64,
        /// What is needed.
        needed: f64,
    },
    /// Two parts of the split share samples.
    #[error(
        "{first} and {second} share samples of {pair}; a network tested on what it learned \
         proves nothing: change from/to"
    )]
    Overlap {
        /// "train", "valid" or "test".
        first: &'static str,
        /// Likewise.
        second: &'static str,
        /// The pair.
        pair: String,
    },
}

/// One pair of the config, all channels.
#[derive(Clone, Debug)]
pub struct Excerpt {
    /// File or generated signal.
    pub label: String,
    /// One span per channel.
    pub channels: Vec<Span>,
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
    /// The delays that were removed.
    pub latencies: Vec<LatencyReport>,
    /// What was found out about every pair of files.
    pub pairs: Vec<PairReport>,
}

/// All spans of some excerpts.
pub fn spans(excerpts: &[Excerpt]) -> Vec<Span> {
    let channels = excerpts.iter().flat_map(|e| &e.channels);
    channels.cloned().collect()
}

/// Loads everything the config names. `seed` draws the generated signals.
///
/// # Errors
/// The first recording that is unfit, with what is allowed and what to do.
pub fn load(
    config: &DataConfig,
    seed: u64,
    observer: &dyn Observer,
) -> Result<Recordings, DataError> {
    let config = &with_default_splits(config, observer);
    let mut library = Library {
        config,
        seed,
        observer,
        sources: BTreeMap::new(),
        rate: config.sample_rate.and_then(SampleRate::new),
    };
    for pair in config.train.iter().chain(&config.valid).chain(&config.test) {
        library.load(pair)?;
    }
    let common = library.common_latency()?;
    let mut latencies: Vec<LatencyReport> = common.iter().cloned().collect();
    library.align(common.as_ref(), &mut latencies)?;
    let pairs = library.survey();
    let recordings = Recordings {
        pairs,
        train: library.excerpts(&config.train)?,
        valid: library.excerpts(&config.valid)?,
        test: library.excerpts(&config.test)?,
        sample_rate: library.rate.unwrap_or(DEFAULT_RATE),
        latencies,
    };
    refuse_overlap(&recordings)?;
    Ok(recordings)
}

const DEFAULT_RATE: SampleRate = match SampleRate::new(44_100) {
    Some(rate) => rate,
    None => unreachable!(),
};

/// Where no validation (or test) pair is named, it is the last tenth of every training pair
/// (before the test tenth), never random excerpts: neighbouring samples are too alike.
fn with_default_splits(config: &DataConfig, observer: &dyn Observer) -> DataConfig {
    use crate::config::Position::Percent;
    let mut config = config.clone();
    let mut end = 100.0;
    for (missing, part, name) in [
        (config.test.is_empty(), &mut config.test, "test"),
        (config.valid.is_empty(), &mut config.valid, "validation"),
    ] {
        let whole = config
            .train
            .iter()
            .all(|p| p.from.is_none() && p.to.is_none());
        if !missing || config.train.is_empty() || (!whole && end == 100.0) {
            continue;
        }
        part.clone_from(&config.train);
        for pair in part.iter_mut() {
            pair.from = Some(Percent(end - 10.0));
            pair.to = Some(Percent(end));
        }
        end -= 10.0;
        for pair in &mut config.train {
            pair.to = Some(Percent(end));
        }
        let note = format!(
            "no {name} pairs named: taking {end}% to {}% of each training pair",
            end + 10.0
        );
        observer.event(Event::Note(&note));
    }
    config
}

/// What a pair is loaded under, so that several spans of one file share its samples.
type Key = String;

/// A decoded or generated pair before and after alignment.
struct Source {
    label: String,
    dry: Audio,
    wet: Audio,
    latency: Latency,
    generated: bool,
    /// A generated effect that depends on when the dry begins.
    moves: bool,
    /// Where the knobs stood, in order of their names.
    controls: Vec<f32>,
    pairs: Vec<Arc<DryWetPair>>,
}

struct Library<'a> {
    config: &'a DataConfig,
    seed: u64,
    observer: &'a dyn Observer,
    sources: BTreeMap<Key, Source>,
    rate: Option<SampleRate>,
}

impl Library<'_> {
    fn key(&self, pair: &PairConfig) -> Key {
        let effect = pair.effect.as_ref().or(self.config.effect.as_ref());
        match (&pair.dry, &pair.wet) {
            (Some(dry), Some(wet)) => format!(
                "{dry:?} {wet:?} {:?} {:?}",
                self.latency_of(pair),
                pair.controls
            ),
            _ => format!(
                "{:?} {effect:?} {:?} {:?}",
                pair.signal, pair.seconds, pair.controls
            ),
        }
    }

    fn latency_of(&self, pair: &PairConfig) -> Latency {
        pair.latency.unwrap_or(self.config.latency)
    }

    fn load(&mut self, pair: &PairConfig) -> Result<(), DataError> {
        let key = self.key(pair);
        if self.sources.contains_key(&key) {
            return Ok(());
        }
        let label = pair.label();
        let effect = pair.effect.as_ref().or(self.config.effect.as_ref());
        let (dry, wet, latency) = match (&pair.dry, &pair.wet, &pair.signal, effect) {
            (Some(dry), Some(wet), ..) => {
                let (dry, wet) = self.read(dry, wet, &label)?;
                (dry, wet, self.latency_of(pair))
            }
            (.., Some(signal), Some(effect)) => {
                let seconds = pair.seconds.unwrap_or_default();
                let (dry, wet) = self.generate(signal, effect, seconds, self.sources.len())?;
                // Generated effects answer at once: nothing to measure.
                let known = pair.latency.unwrap_or(Latency::Samples(0));
                (dry, wet, known)
            }
            _ => {
                return Err(DataError::Unfit(format!(
                    "{label}: neither files nor a signal"
                )));
            }
        };
        self.sources.insert(
            key,
            Source {
                label,
                dry,
                wet,
                latency,
                generated: pair.signal.is_some(),
                moves: pair.signal.is_some() && effect.is_some_and(Effect::is_time_varying),
                controls: pair.controls.values().copied().collect(),
                pairs: Vec::new(),
            },
        );
        Ok(())
    }

    fn read(&mut self, dry: &Path, wet: &Path, label: &str) -> Result<(Audio, Audio), DataError> {
        let dry = decode::read(dry)?.audio;
        let wet = decode::read(wet)?.audio;
        let rate = *self.rate.get_or_insert(dry.sample_rate());
        if dry.sample_rate() == wet.sample_rate() && dry.sample_rate() != rate {
            return Err(DataError::Unfit(format!(
                "{label}: {}, but this run is at {rate}; one run has one rate: convert it, or \
                 set data.sample_rate and leave the others out",
                dry.sample_rate()
            )));
        }
        for finding in check::check_pair(&dry, &wet, Expectations::default()) {
            let text = format!("{label}: {}", finding.fact);
            match finding.severity {
                Severity::Error => return Err(DataError::Unfit(text)),
                Severity::Warning => self.observer.event(Event::Warning(&text)),
                Severity::Note => self.observer.event(Event::Note(&text)),
            }
        }
        if dry.channels().len() != wet.channels().len() && dry.channels().len() != 1 {
            return Err(DataError::Unfit(format!(
                "{label}: dry has {} channels, wet {}; they must be equal, or dry mono",
                dry.channels().len(),
                wet.channels().len()
            )));
        }
        Ok((dry, wet))
    }

    fn generate(
        &mut self,
        signal: &Signal,
        effect: &Effect,
        seconds: f64,
        index: usize,
    ) -> Result<(Audio, Audio), DataError> {
        let rate = *self.rate.get_or_insert(DEFAULT_RATE);
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(index as u64);
        let dry = signals::render(signal, rate, seconds, seed)?;
        let wet = effect.process(&dry, rate)?;
        Ok((Audio::mono(rate, dry), Audio::mono(rate, wet)))
    }

    /// One chain, one latency: measured on all training pairs together that leave it to be
    /// measured. `None` when there is nothing to measure.
    fn common_latency(&self) -> Result<Option<LatencyReport>, DataError> {
        let keys: Vec<Key> = self.config.train.iter().map(|p| self.key(p)).collect();
        let mut chosen: Vec<&Source> = Vec::new();
        for (key, source) in &self.sources {
            if keys.contains(key) && source.is_to_be_measured() {
                chosen.push(source);
            }
        }
        let any_auto = self.sources.values().any(Source::is_to_be_measured);
        if chosen.is_empty() && any_auto {
            // Only validation or test pairs are to be measured: they then speak for themselves.
            chosen = self
                .sources
                .values()
                .filter(|s| s.is_to_be_measured())
                .collect();
        }
        if chosen.is_empty() {
            return Ok(None);
        }
        self.observer.event(Event::Start {
            task: "measuring latency",
            total: None,
        });
        let mut pairs: Vec<(&[f32], &[f32])> = Vec::new();
        for source in &chosen {
            for (index, wet) in source.wet.channels().iter().enumerate() {
                let dry = source.dry.channels();
                pairs.push((&dry[index.min(dry.len() - 1)], wet));
            }
        }
        let label = match chosen.as_slice() {
            [one] => one.label.clone(),
            several => format!("{} training pairs together", several.len()),
        };
        let measured = align::estimate_joint(&pairs, &AlignOptions::default());
        self.observer.event(Event::Finish);
        let Alignment {
            latency_samples,
            confidence,
            inverted,
            ..
        } = measured.map_err(|source| DataError::Align {
            label: label.clone(),
            source,
        })?;
        if confidence < align::TRUSTED_CONFIDENCE {
            return Err(DataError::Unsure {
                latency: latency_samples,
                confidence,
                needed: align::TRUSTED_CONFIDENCE,
            });
        }
        Ok(Some(LatencyReport {
            label,
            latency_samples,
            exact_samples: aligned::exact_latency(&pairs, latency_samples),
            confidence: Some(confidence),
            inverted: Some(inverted),
        }))
    }

    /// Builds the aligned pairs of every source.
    fn align(
        &mut self,
        common: Option<&LatencyReport>,
        latencies: &mut Vec<LatencyReport>,
    ) -> Result<(), DataError> {
        for source in self.sources.values_mut() {
            let (latency, inverted, exact) = match (source.latency, common) {
                (Latency::Samples(n), _) => {
                    if !source.generated {
                        latencies.push(LatencyReport {
                            label: source.label.clone(),
                            latency_samples: n,
                            exact_samples: None,
                            confidence: None,
                            inverted: None,
                        });
                    }
                    (n, false, None)
                }
                (Latency::Auto | Latency::Fractional, Some(c)) => {
                    let exact = c.exact_samples;
                    let exact = exact.filter(|_| source.latency == Latency::Fractional);
                    (c.latency_samples, c.inverted == Some(true), exact)
                }
                (Latency::Auto | Latency::Fractional, None) => (0, false, None),
            };
            let turn = inverted && self.config.polarity == Polarity::Correct;
            let fraction = exact.map_or(0.0, |e| (e - latency as f64).clamp(0.0, 1.0));
            source.build_pairs(latency, fraction, turn);
            if source.pairs.iter().any(|p| p.is_empty()) {
                return Err(DataError::Unfit(format!(
                    "{}: nothing is left after removing a latency of {latency} samples",
                    source.label
                )));
            }
        }
        Ok(())
    }

    /// Looks for what would spoil training, and tells of it and of the levels.
    fn survey(&self) -> Vec<PairReport> {
        let files: Vec<&Source> = self.sources.values().filter(|s| !s.generated).collect();
        let reports: Vec<PairReport> = files.par_iter().map(|s| s.survey()).collect();
        for report in &reports {
            for finding in &report.findings {
                let text = format!("{}: {}", report.label, finding.fact);
                self.observer.event(Event::Warning(&text));
            }
        }
        let moving = self.sources.values().filter(|s| s.moves);
        for label in moving.map(|s| &s.label).collect::<BTreeSet<_>>() {
            let text = format!(
                "{label}: its effect changes by a clock of its own; a network hears only dry and \
                 learns the average sound at best"
            );
            self.observer.event(Event::Warning(&text));
        }
        if let Some(note) = describe_gains(&reports) {
            self.observer.event(Event::Note(&note));
        }
        reports
    }

    fn excerpts(&self, pairs: &[PairConfig]) -> Result<Vec<Excerpt>, DataError> {
        let mut excerpts = Vec::new();
        for pair in pairs {
            let Some(source) = self.sources.get(&self.key(pair)) else {
                continue;
            };
            let mut channels = Vec::new();
            let chosen = match pair.channel {
                None => source.pairs.as_slice(),
                Some(n) => source.pairs.get(n - 1..n).ok_or_else(|| {
                    let (label, count) = (&source.label, source.pairs.len());
                    DataError::Unfit(format!("{label}: channel {n} of {count} is asked for"))
                })?,
            };
            for track in chosen {
                let (len, hz) = (track.len(), track.sample_rate().hz());
                let from = pair.from.map_or(0, |p| p.sample(len, hz));
                let to = pair.to.map_or(len, |p| p.sample(len, hz));
                if from >= to {
                    return Err(DataError::Unfit(format!(
                        "{}: from (sample {from}) is not before to (sample {to}); the pair has \
                         {len} samples",
                        source.label
                    )));
                }
                channels.push(Span::new(track.clone(), from..to));
            }
            excerpts.push(Excerpt {
                label: source.label.clone(),
                channels,
            });
        }
        Ok(excerpts)
    }
}

/// How much louder wet is than dry, pair by pair: another level for the same knobs is another
/// take, or a knob that was touched.
fn describe_gains(reports: &[PairReport]) -> Option<String> {
    let gains: Vec<(&str, f64)> = reports
        .iter()
        .filter_map(|r| Some((r.label.as_str(), r.gain_db?)))
        .collect();
    let (first, rest) = gains.split_first()?;
    let name = |label: &str| {
        let name = Path::new(label).file_name();
        name.map_or_else(|| label.to_string(), |n| n.to_string_lossy().into_owned())
    };
    if rest.is_empty() {
        return Some(format!("wet is {:+.1} dB against dry", first.1));
    }
    if gains.len() <= 8 {
        let each = gains
            .iter()
            .map(|(label, db)| format!("{} {db:+.1} dB", name(label)));
        let each = each.collect::<Vec<_>>().join(", ");
        return Some(format!("level of wet against dry: {each}"));
    }
    let (low, high) = gains.iter().fold((f64::MAX, f64::MIN), |(low, high), g| {
        (low.min(g.1), high.max(g.1))
    });
    let count = gains.len();
    Some(format!(
        "level of wet against dry: {low:+.1} to {high:+.1} dB over {count} pairs"
    ))
}

impl Source {
    fn survey(&self) -> PairReport {
        let mut report = PairReport {
            label: self.label.clone(),
            gain_db: None,
            findings: Vec::new(),
        };
        if let Some(pair) = self.pairs.first() {
            report.gain_db = aligned::gain_db(pair.dry(), pair.wet());
            report.findings =
                Motion::measure(pair.dry(), pair.wet(), 0).findings(pair.sample_rate());
        }
        report
    }

    fn is_to_be_measured(&self) -> bool {
        matches!(self.latency, Latency::Auto | Latency::Fractional)
    }

    /// Removes a latency of whole samples and a fraction, and the inversion if asked to.
    fn build_pairs(&mut self, latency: i64, fraction: f64, turn_over: bool) {
        let rate = self.dry.sample_rate();
        let dry = self.dry.channels();
        let count = self.wet.channels().len();
        for (index, wet) in self.wet.channels().iter().enumerate() {
            let name = match count {
                1 => self.label.clone(),
                _ => format!("{} channel {}", self.label, index + 1),
            };
            let mut wet = shift::advance(wet, fraction);
            if turn_over {
                wet.iter_mut().for_each(|x| *x = -*x);
            }
            let dry = dry[index.min(dry.len() - 1)].clone();
            let pair = DryWetPair::aligned(name, rate, dry, wet, latency);
            self.pairs
                .push(Arc::new(pair.with_controls(self.controls.clone())));
        }
    }
}

fn refuse_overlap(recordings: &Recordings) -> Result<(), DataError> {
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
