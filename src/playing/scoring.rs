//! Test figures: networks, identity and the classical rows over one and the same samples, and
//! the sounds behind them.
//!
//! Knows neither how a model was made nor how its figures are shown.

use super::cost::Cost;
use super::playable::Playable;
use super::spans::Predicted;
use crate::audio::{Audio, AudioChannels, SampleFormat, encode};
use crate::data::load::{Excerpt, Recordings};
use crate::data::pair::{Reach, Span};
use crate::progress::{Event, Observer, Task};
use crate::report::metrics::{PairRows, QuietPassages, Row, SIDES, SpanSums};
use crate::report::own_delay::{own_delay, without_delay};
use crate::training::modulation::PhaseReport;
use anyhow::{Result, bail, ensure};
use serde::Serialize;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A model in a table: its figures and what it takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelRow {
    /// Name and figures.
    #[serde(flatten)]
    pub row: Row,
    /// Absent for identity, which takes nothing.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// The run's folder or the model's file, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::files::path_text_if_any")]
    pub model: Option<PathBuf>,
}

/// The test spans and, per row, the figures over one and the same range of each.
pub struct Tester<'a> {
    recordings: &'a Recordings,
    reach: Reach,
    observer: &'a dyn Observer,
    rows: Vec<Row>,
    by_pair: Vec<PairRows>,
    /// Left and right over all pairs of two channels.
    by_side: [PairRows; 2],
    /// Whether they are asked for.
    is_stereo: bool,
}

impl<'a> Tester<'a> {
    /// Rows are compared over the samples that the longest memory among `networks` and
    /// `baselines` can predict; where that leaves none, that of the networks alone.
    pub fn new(
        recordings: &'a Recordings,
        networks: Reach,
        baselines: Reach,
        observer: &'a dyn Observer,
    ) -> Self {
        let shared = networks.max(baselines);
        let any = |reach: Reach| {
            let mut spans = recordings.test.iter().flat_map(|e| &e.channels);
            spans.any(|s| !s.predictable(reach).is_empty())
        };
        let pair = |excerpt: &Excerpt| PairRows {
            label: excerpt.label.clone(),
            rows: Vec::new(),
        };
        let tester = Self {
            recordings,
            reach: if any(shared) { shared } else { networks },
            observer,
            rows: Vec::new(),
            by_pair: recordings.test.iter().map(pair).collect(),
            by_side: SIDES.map(|label| PairRows {
                label: label.to_string(),
                rows: Vec::new(),
            }),
            is_stereo: false,
        };
        let (scored, given) = (tester.sample_count(), tester.samples_given());
        if scored < given {
            observer.event(Event::Note(&format!(
                "{scored} of the {given} test samples are scored: where a test span begins inside a \
                 recording, the first {} are what the models hear before",
                tester.reach.context
            )));
        }
        tester
    }

    /// With rows of each side, where a stereo effect is among the models.
    pub fn with_sides(self, any: bool) -> Self {
        Self {
            is_stereo: any,
            ..self
        }
    }

    /// Samples of all test spans.
    fn samples_given(&self) -> usize {
        let spans = self.recordings.test.iter().flat_map(|e| &e.channels);
        spans.map(|s| s.samples().len()).sum()
    }

    /// Samples over which rows are compared.
    pub fn sample_count(&self) -> usize {
        let spans = self.recordings.test.iter().flat_map(|e| &e.channels);
        spans.map(|s| s.predictable(self.reach).len()).sum()
    }

    /// The rows so far, over all test pairs.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The rows so far, pair by pair where there are several, and side by side where a stereo effect is
    /// among the models.
    pub fn by_pair(&self) -> Vec<PairRows> {
        let pairs = self.by_pair.iter().filter(|_| self.by_pair.len() > 1);
        let sides = self.by_side.iter().filter(|_| self.is_stereo);
        pairs.chain(sides).cloned().collect()
    }

    /// Adds a model's row, and says where its oscillator stood in each test channel, where it has one. `test`
    /// holds the tester's own samples, perhaps with other knobs.
    ///
    /// # Errors
    /// A network that cannot be played, or the user asks to stop.
    pub fn score(&mut self, model: &Playable, test: &[Excerpt]) -> Result<Vec<PhaseReport>> {
        self.add(&model.name, model.audio_channels(), test, model.predict()?)
    }

    /// The same, handing back the prediction of every test channel, too.
    ///
    /// # Errors
    /// As [`Tester::score`].
    pub fn predictions(
        &mut self,
        model: &Playable,
        test: &[Excerpt],
    ) -> Result<(Vec<Vec<f32>>, Vec<PhaseReport>)> {
        let mut predict = model.predict()?;
        let mut kept = Vec::new();
        let phases = self.add(&model.name, model.audio_channels(), test, |span, range| {
            let predicted = predict(span, range)?;
            kept.extend(predicted.wet.iter().cloned());
            Ok(predicted)
        })?;
        Ok((kept, phases))
    }

    /// Adds the row of predicting wet = dry.
    ///
    /// # Errors
    /// The user asks to stop.
    pub fn identity(&mut self) -> Result<()> {
        let mono = AudioChannels::MONO;
        self.add(Row::IDENTITY, mono, &self.recordings.test, |span, range| {
            Ok(vec![span.pair().dry()[range.clone()].to_vec()].into())
        })?;
        Ok(())
    }

    /// Adds a row: `predict` is asked for a range of every channel of every pair of `test` in
    /// order, of both at once where the model is one of stereo.
    fn add(
        &mut self,
        name: &str,
        audio: AudioChannels,
        test: &[Excerpt],
        mut predict: impl FnMut(&Span, &Range<usize>) -> Result<Predicted>,
    ) -> Result<Vec<PhaseReport>> {
        let spans: usize = test.iter().map(|e| e.channels.len() / audio.wet).sum();
        let what = format!("testing {name}");
        let task = Task::begin(self.observer, &what, Some(spans as u64));
        let mut predicted: Vec<Vec<f32>> = Vec::new();
        let mut phases = Vec::new();
        for excerpt in test {
            for span in excerpt.units(audio)? {
                ensure!(task.go_on().is_ok(), "stopped while {what}");
                let range = span.predictable(self.reach);
                let Predicted { wet, phase } = predict(&span, &range)?;
                predicted.extend(wet);
                if let Some(phase) = phase.filter(|_| !range.is_empty()) {
                    self.observer.event(Event::Note(&phase.to_string()));
                    phases.push(phase);
                }
                task.advance(1);
            }
        }
        let channels = || {
            test.iter()
                .flat_map(|e| e.channels.iter().map(move |span| (e, span)))
        };
        let mut sounds: Vec<(&[f32], Vec<f32>)> = Vec::new();
        for ((excerpt, span), predicted) in channels().zip(predicted) {
            let range = span.predictable(self.reach);
            check_finite(name, &excerpt.label, range.start, &predicted)?;
            sounds.push((&span.pair().wet()[range], predicted));
        }
        // The recording's latency was removed from wet; a model's own is removed from its sound.
        let own_delay_samples = match name {
            Row::IDENTITY => 0,
            _ => own_delay(&sounds),
        };
        let row = |sums: &SpanSums| Row {
            name: name.to_string(),
            metrics: sums.metrics(),
            own_delay_samples,
        };
        let mut sounds = sounds.iter();
        let mut total = SpanSums::new(self.recordings.sample_rate);
        let mut of_sides = [0, 1].map(|_| SpanSums::new(self.recordings.sample_rate));
        for (excerpt, pair) in test.iter().zip(&mut self.by_pair) {
            let mut sums = SpanSums::new(self.recordings.sample_rate);
            let count = excerpt.channels.len();
            for (at, (wet, predicted)) in sounds.by_ref().take(count).enumerate() {
                let (wet, predicted) = without_delay(wet, predicted, own_delay_samples);
                sums.add(wet, predicted);
                if self.is_stereo && count == of_sides.len() {
                    of_sides[at].add(wet, predicted);
                }
            }
            total.merge(&sums);
            pair.rows.push(row(&sums));
        }
        let asked = self.by_side.iter_mut().filter(|_| self.is_stereo);
        for (side, sums) in asked.zip(&of_sides) {
            side.rows.push(row(sums));
        }
        self.rows.push(row(&total));
        Ok(phases)
    }

    /// The rows of identity and then of `models`, which were tested in this order, with what
    /// each takes.
    ///
    /// # Errors
    /// A network that the engine cannot play.
    pub fn with_costs(&self, models: &[&Playable]) -> Result<Vec<ModelRow>> {
        let models = std::iter::once(None).chain(models.iter().map(Some));
        let row = |(row, model): (&Row, Option<&&Playable>)| {
            let rate = self.recordings.sample_rate;
            Ok(ModelRow {
                row: row.clone(),
                cost: model.map(|model| model.cost(rate)).transpose()?,
                model: model.and_then(|model| model.path.clone()),
            })
        };
        self.rows.iter().zip(models).map(row).collect()
    }

    /// How the softest passages of the test compare, given the prediction of every channel.
    pub fn quiet_passages(&self, predicted: &[Vec<f32>]) -> Option<QuietPassages> {
        let spans = self.recordings.test.iter().flat_map(|e| &e.channels);
        let sides = spans.zip(predicted).map(|(span, predicted)| {
            let (pair, range) = (span.pair(), span.predictable(self.reach));
            [
                &pair.dry()[range.clone()],
                &pair.wet()[range],
                predicted.as_slice(),
            ]
        });
        QuietPassages::of(&sides.collect::<Vec<_>>())
    }

    /// Aligned dry, wet and predicted test audio, one file per config pair, all channels.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write_audio(&self, folder: &Path, predicted: Vec<Vec<f32>>) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let mut predicted = predicted.into_iter();
        for (index, excerpt) in self.recordings.test.iter().enumerate() {
            let mut sides: [Vec<Vec<f32>>; 3] = Default::default();
            for span in &excerpt.channels {
                let range = span.predictable(self.reach);
                sides[0].push(span.pair().dry()[range.clone()].to_vec());
                sides[1].push(span.pair().wet()[range].to_vec());
                sides[2].extend(predicted.next());
            }
            let stem = stem(excerpt);
            for (side, channels) in ["dry", "wet", "predicted"].iter().zip(sides) {
                let path = folder.join(format!("{}-{stem}-{side}.wav", index + 1));
                let audio = Audio::new(self.recordings.sample_rate, channels)?;
                encode::write(&path, &audio, SampleFormat::Float(32))?;
                files.push(path);
            }
        }
        Ok(files)
    }
}

/// Refuses a prediction that overflowed: no figure could be made of it.
fn check_finite(name: &str, label: &str, start: usize, predicted: &[f32]) -> Result<()> {
    let Some(at) = predicted.iter().position(|x| !x.is_finite()) else {
        return Ok(());
    };
    bail!(
        "{name} answers {} at sample {} of {label}; it cannot be scored there: its weights are \
         too large, or the recording is",
        predicted[at],
        start + at
    )
}

/// A file name made of an excerpt's label.
fn stem(excerpt: &Excerpt) -> String {
    let name = Path::new(&excerpt.label).file_stem();
    let name = name.map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let name = name.strip_suffix("-wet").unwrap_or(&name);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let cleaned: String = name.chars().take(40).map(plain).collect();
    cleaned.trim_matches('-').to_string()
}
