//! From a config's pairs to aligned spans: decode or generate, check, measure the latency,
//! shift, split.
//!
//! Knows no network: what a span may be used for depends on a reach that is asked for later.

use super::channels;
use super::check::{self, Expectations};
pub use super::error::DataError;
use super::finding::{Fact, Severity};
use super::latency::{Measured, disagreement, measure};
use super::pair::Span;
use super::recordings::refuse_overlap;
pub use super::recordings::{Excerpt, LatencyReport, PairReport, Recordings, spans, units};
use super::sound::Sounding;
use super::source::Source;
use super::splits::with_default_splits;
use crate::audio::decode::{self, NotFinite};
use crate::audio::{Audio, AudioChannels, SampleRate};
use crate::config::{DataConfig, Latency, PairConfig, Polarity, Stereo};
use crate::dsp::align;
use crate::effects::Effect;
use crate::effects::signals::{self, Signal};
use crate::progress::{Event, Observer, Task};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Loads everything the config names. `seed` draws the generated signals.
///
/// # Errors
/// The first recording that is unfit, with what is allowed and what to do.
pub fn load(
    config: &DataConfig,
    seed: u64,
    observer: &dyn Observer,
) -> Result<Recordings, DataError> {
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
    let measured = library.measured_latencies()?;
    let mut latencies = measured.as_ref().map_or_else(Vec::new, Measured::reports);
    library.align(measured.as_ref(), &mut latencies)?;
    let config = &with_default_splits(config, |pair| library.sounding(pair), observer);
    let pairs = library.survey();
    let moving = library.sources.values().filter(|s| s.moves);
    let moving: BTreeSet<String> = moving.map(|s| s.label.clone()).collect();
    let recordings = Recordings {
        pairs,
        moving: moving.into_iter().collect(),
        train: library.excerpts(&config.train)?,
        valid: library.excerpts(&config.valid)?,
        test: library.excerpts(&config.test)?,
        dry_channels: library.dry_channels(),
        sample_rate: library.rate.unwrap_or(DEFAULT_RATE),
        latencies,
    };
    refuse_overlap(&recordings)?;
    if config.stereo == Stereo::Joint {
        let audio = AudioChannels::stereo(config.dry_channels.unwrap_or(recordings.dry_channels));
        for part in [&recordings.train, &recordings.valid, &recordings.test] {
            units(part, audio)?;
        }
    }
    Ok(recordings)
}

const DEFAULT_RATE: SampleRate = match SampleRate::new(44_100) {
    Some(rate) => rate,
    None => unreachable!(),
};

/// Pairs whose responses are averaged, where many share one latency.
const SUREST: usize = 12;

/// What a pair is loaded under, so that several spans of one file share its samples.
type Key = String;

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
        let (dry, wet, used, latency) = match (&pair.dry, &pair.wet, &pair.signal, effect) {
            (Some(dry), Some(wet), ..) => {
                let (dry, wet, used) = self.read(dry, wet, &label, &key)?;
                (dry, wet, used, self.latency_of(pair))
            }
            (.., Some(signal), Some(effect)) => {
                let seconds = pair.seconds.unwrap_or_default();
                let (dry, wet) = self.generate(signal, effect, seconds, self.sources.len())?;
                // Generated effects answer at once: nothing to measure.
                let known = pair.latency.unwrap_or(Latency::Samples(0));
                let used = (0..wet.channels().len()).collect();
                (dry, wet, used, known)
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
                dry_channels: dry.channels().len(),
                dry,
                wet,
                used,
                latency,
                generated: pair.signal.is_some(),
                moves: pair.signal.is_some() && effect.is_some_and(Effect::is_time_varying),
                controls: self.config.heard(&pair.controls),
                pairs: Vec::new(),
            },
        );
        Ok(())
    }

    /// Dry channels of every generated pair: as the config says, else as many as the effect needs that
    /// needs most. So the same config means the same sound before and after training names the number.
    fn generated_channels(&self) -> usize {
        let config = self.config;
        let pairs = config.train.iter().chain(&config.valid).chain(&config.test);
        let effects = pairs.filter_map(|pair| pair.effect.as_ref());
        let effects = effects.chain(&config.effect);
        let least = effects.map(|effect| effect.audio_channels().dry).max();
        config.dry_channels.or(least).unwrap_or(1)
    }

    /// The most that a dry side has of two.
    fn dry_channels(&self) -> usize {
        let each = self.sources.values().map(|source| source.dry_channels);
        each.max().unwrap_or(1).min(2)
    }

    /// Both recordings, and the channels of them that the pairs of this key use.
    fn read(
        &mut self,
        dry: &Path,
        wet: &Path,
        label: &str,
        key: &Key,
    ) -> Result<(Audio, Audio, Vec<usize>), DataError> {
        // What is not finite is a finding below.
        let read = |path| decode::read_as(path, NotFinite::Keep);
        let (dry, wet) = rayon::join(|| read(dry), || read(wet));
        let (dry, wet) = (dry?.audio, wet?.audio);
        let rate = *self.rate.get_or_insert(dry.sample_rate());
        if dry.sample_rate() == wet.sample_rate() && dry.sample_rate() != rate {
            return Err(DataError::Unfit(format!(
                "{label}: {}, but this run is at {rate}; one run has one rate: convert it, or \
                 set data.sample_rate and leave the others out",
                dry.sample_rate()
            )));
        }
        let used = self.channels(key, &dry, &wet, label)?;
        let unfit = |reason| DataError::Unfit(format!("{label}: {reason}"));
        let sides = (dry.tracks(), wet.tracks());
        let picked_dry = channels::picked(&sides.0, &used).map_err(unfit)?;
        let picked_wet = channels::picked(&sides.1, &used).map_err(unfit)?;
        for finding in check::check_pair(&picked_dry, &picked_wet, Expectations::default()) {
            let is_joint = self.config.stereo == Stereo::Joint;
            if is_joint && matches!(finding.fact, Fact::ChannelsDiffer { .. }) {
                continue;
            }
            let finding = channels::as_recorded(finding, &used, &sides.0, &sides.1);
            let text = format!("{label}: {}", finding.message());
            match finding.severity {
                Severity::Error => return Err(DataError::Unfit(text)),
                Severity::Warning => self.observer.event(Event::Warning(&text)),
                Severity::Note => self.observer.event(Event::Note(&text)),
            }
        }
        Ok((dry, wet, used))
    }

    /// The channels (from 0) that the pairs of `key` use: all, unless each of them names its one.
    fn channels(
        &self,
        key: &Key,
        dry: &Audio,
        wet: &Audio,
        label: &str,
    ) -> Result<Vec<usize>, DataError> {
        let (dry, wet) = (dry.channels().len(), wet.channels().len());
        let parts = [&self.config.train, &self.config.valid, &self.config.test];
        let pairs = parts.into_iter().flatten();
        let pairs = pairs.filter(|pair| self.key(pair) == *key);
        let named: Option<BTreeSet<usize>> = pairs.map(|pair| pair.channel).collect();
        match named {
            Some(named) => Ok(named.into_iter().map(|channel| channel - 1).collect()),
            None if dry == wet || dry == 1 => Ok((0..wet).collect()),
            None => Err(DataError::Unfit(format!(
                "{label}: dry has {dry} channels, wet {wet}; they must be equal, or dry mono, or \
                 one must be chosen (channel = 1)"
            ))),
        }
    }

    /// Where the channels that a pair uses sound, and their rate in hertz.
    fn sounding(&self, pair: &PairConfig) -> Option<(Sounding, u32)> {
        let source = self.sources.get(&self.key(pair))?;
        Some((source.played()?, source.dry.sample_rate().hz()))
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
        let channels = self.generated_channels().max(effect.audio_channels().dry);
        // Left and right play different things.
        let draw = |channel: usize| {
            let seed = seed ^ ((channel as u64) << 32);
            signals::render(signal, rate, seconds, seed)
        };
        let dry = (0..channels).map(draw).collect::<Result<Vec<_>, _>>()?;
        let wet = effect.process_channels(&dry, rate)?;
        let unfit = |error: crate::audio::AudioError| DataError::Unfit(error.to_string());
        let audio = |channels| Audio::new(rate, channels).map_err(unfit);
        Ok((audio(dry)?, audio(wet)?))
    }

    /// One chain, one latency: measured on the training pairs together, if all pairs that leave it
    /// to be measured agree when each is measured by itself. `None` when there is nothing to measure.
    fn measured_latencies(&self) -> Result<Option<Measured>, DataError> {
        let keys: BTreeSet<Key> = self.config.train.iter().map(|p| self.key(p)).collect();
        let open = || self.sources.iter().filter(|(_, s)| s.is_to_be_measured());
        let mut chosen: Vec<(&Key, &Source)> =
            open().filter(|(key, _)| keys.contains(*key)).collect();
        if chosen.is_empty() {
            // Only validation or test pairs are to be measured: they then speak for themselves.
            chosen = open().collect();
        }
        if chosen.is_empty() {
            return Ok(None);
        }
        let _task = Task::begin(self.observer, "measuring latency", None);
        let every: Vec<(&Key, &Source)> = open().collect();
        let each: Vec<(Key, LatencyReport)> = match every.as_slice() {
            [_] => Vec::new(),
            several => several
                .par_iter()
                // One that cannot be measured by itself says nothing against the others.
                .filter_map(|(key, source)| {
                    let (report, _) = measure(&source.label, &[*source]).ok()?;
                    Some(((*key).clone(), report))
                })
                .collect(),
        };
        if let Some(disagreeing) = disagreement(&each) {
            return disagreeing.map(Some);
        }
        let label = match chosen.as_slice() {
            [(_, one)] => one.label.clone(),
            several => format!("{} training pairs together", several.len()),
        };
        // The surest of them; the others agree or say nothing.
        let confidence = |key: &Key| {
            let own = each.iter().find(|(other, _)| other == key);
            own.and_then(|(_, report)| report.confidence).unwrap_or(0.0)
        };
        chosen.sort_by(|a, b| confidence(b.0).total_cmp(&confidence(a.0)));
        let sources: Vec<&Source> = chosen
            .iter()
            .map(|(_, source)| *source)
            .take(SUREST)
            .collect();
        let (common, placed) = measure(&label, &sources)?;
        let (latency, confidence) = (common.latency_samples, common.confidence.unwrap_or(0.0));
        let needed = align::TRUSTED_CONFIDENCE;
        if !placed {
            return Err(DataError::Unsure {
                latency,
                confidence,
                needed,
            });
        }
        if confidence < needed {
            let text = format!(
                "{label}: the latency is known to some samples only ({latency} with a confidence of \
                 {confidence:.2}; rather early than late): set data.latency if you know it"
            );
            self.observer.event(Event::Warning(&text));
        }
        Ok(Some(Measured::Common(common)))
    }

    /// Builds the aligned pairs of every source.
    fn align(
        &mut self,
        measured: Option<&Measured>,
        latencies: &mut Vec<LatencyReport>,
    ) -> Result<(), DataError> {
        let polarity = self.config.polarity;
        for (key, source) in &mut self.sources {
            let (latency, inverted, exact) = match (source.latency, measured) {
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
                (Latency::Auto | Latency::Fractional, Some(measured)) => {
                    let found = measured.of(key, &source.label)?;
                    let exact = found.exact_samples;
                    let exact = exact.filter(|_| source.latency == Latency::Fractional);
                    (found.latency_samples, found.inverted == Some(true), exact)
                }
                (Latency::Auto | Latency::Fractional, None) => (0, false, None),
            };
            let turn = inverted && polarity == Polarity::Correct;
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
            // What moves is for whoever knows whether it can be learned.
            let told = report.findings.iter().filter(|f| !f.fact.is_motion());
            for finding in told {
                let text = format!("{}: {}", report.label, finding.message());
                self.observer.event(Event::Warning(&text));
            }
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
            let chosen = source.used.iter().filter_map(|channel| {
                let asked = pair.channel.is_none_or(|n| n - 1 == *channel);
                source.pair(*channel).filter(|_| asked)
            });
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
