//! Test figures: networks, identity and the classical rows over one and the same samples, and
//! the sounds behind them.
//!
//! Knows neither how a network was trained nor where its weights lie.

use crate::audio::{Audio, SampleFormat, encode};
use crate::config::BaselineConfig;
use crate::data::load::{self, Excerpt, Recordings};
use crate::data::pair::{Reach, Span};
use crate::models::EffectModel;
use crate::progress::{Event, Observer};
use crate::regress::RegressError;
use crate::regress::baseline::{Baseline, Segment};
use crate::report::metrics::{PairRows, Row, SpanSums};
use crate::training::evaluate;
use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The test spans and, per row, the figures over one and the same range of each.
pub(super) struct Tester<'a> {
    recordings: &'a Recordings,
    reach: Reach,
    observer: &'a dyn Observer,
    rows: Vec<Row>,
    by_pair: Vec<PairRows>,
}

impl<'a> Tester<'a> {
    /// Rows are compared over the samples that the longest memory among `networks` and
    /// `baselines` can predict; where that leaves none, that of the networks alone.
    pub(super) fn new(
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
        Self {
            recordings,
            reach: if any(shared) { shared } else { networks },
            observer,
            rows: Vec::new(),
            by_pair: recordings.test.iter().map(pair).collect(),
        }
    }

    /// Samples over which rows are compared.
    pub(super) fn sample_count(&self) -> usize {
        let spans = self.recordings.test.iter().flat_map(|e| &e.channels);
        spans.map(|s| s.predictable(self.reach).len()).sum()
    }

    /// The rows so far, over all test pairs.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The rows so far, pair by pair; empty when there is only one pair.
    pub(super) fn by_pair(&self) -> &[PairRows] {
        match self.by_pair.as_slice() {
            [_] => &[],
            several => several,
        }
    }

    /// Adds a row: `predict` is asked for a range of every channel of every pair of `test` in
    /// order. `test` holds the tester's own samples, perhaps with other knobs.
    pub(super) fn score(
        &mut self,
        name: &str,
        test: &[Excerpt],
        mut predict: impl FnMut(&Span, &Range<usize>) -> Result<Vec<f32>>,
    ) -> Result<()> {
        let spans: usize = test.iter().map(|e| e.channels.len()).sum();
        let task = format!("testing {name}");
        self.observer.event(Event::Start {
            task: &task,
            total: Some(spans as u64),
        });
        let row = |sums: &SpanSums| Row {
            name: name.to_string(),
            metrics: sums.metrics(),
        };
        let mut total = SpanSums::new(self.recordings.sample_rate);
        for (excerpt, pair) in test.iter().zip(&mut self.by_pair) {
            let mut sums = SpanSums::new(self.recordings.sample_rate);
            for span in &excerpt.channels {
                if self.observer.stop_requested() {
                    self.observer.event(Event::Finish);
                    bail!("stopped while {task}");
                }
                let range = span.predictable(self.reach);
                let predicted = predict(span, &range)?;
                sums.add(&span.pair().wet()[range], &predicted);
                self.observer.event(Event::Advance(1));
            }
            total.merge(&sums);
            pair.rows.push(row(&sums));
        }
        self.observer.event(Event::Finish);
        self.rows.push(row(&total));
        Ok(())
    }

    /// Adds a network's row (`test` as in [`Tester::score`]) and hands back its prediction of
    /// every test channel.
    pub(super) fn network(
        &mut self,
        name: &str,
        model: &EffectModel,
        device: &Device,
        test: &[Excerpt],
    ) -> Result<Vec<Vec<f32>>> {
        let mut kept = Vec::new();
        self.score(name, test, |span, range| {
            let predicted = evaluate::predict_span(model, device, span, range);
            kept.push(predicted.clone());
            Ok(predicted)
        })?;
        Ok(kept)
    }

    /// Adds the row of predicting wet = dry.
    pub(super) fn identity(&mut self) -> Result<()> {
        self.score("identity", &self.recordings.test, |span, range| {
            Ok(span.pair().dry()[range.clone()].to_vec())
        })
    }

    /// Adds a classical row.
    pub(super) fn baseline(&mut self, name: &str, fitted: &Baseline) -> Result<()> {
        let context = fitted.receptive_field() - 1;
        self.score(name, &self.recordings.test, |span, range| {
            let dry = span.pair().dry();
            let past = range
                .start
                .saturating_sub(context)
                .max(span.samples().start);
            let past = &dry[past.min(range.start)..range.start];
            Ok(fitted.predict(&dry[range.clone()], past))
        })
    }

    /// Aligned dry, wet and predicted test audio, one file per config pair, all channels.
    pub(super) fn write_audio(
        &self,
        folder: &Path,
        predicted: Vec<Vec<f32>>,
    ) -> Result<Vec<PathBuf>> {
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

/// How far some baselines look back.
pub(super) fn reach_of(baselines: &[BaselineConfig]) -> Reach {
    Reach {
        context: baselines
            .iter()
            .map(BaselineConfig::context)
            .max()
            .unwrap_or(0),
        lookahead: 0,
    }
}

/// A baseline and the wall time of its fit.
pub(super) struct Fitted {
    pub(super) baseline: Baseline,
    pub(super) seconds: f64,
}

/// Fits one baseline on the training spans.
///
/// # Errors
/// As [`Baseline::fit`].
pub(super) fn fit(
    wanted: &BaselineConfig,
    recordings: &Recordings,
    observer: &dyn Observer,
) -> Result<Fitted> {
    let started = Instant::now();
    let spans = load::spans(&recordings.train);
    let memory = reach_of(std::slice::from_ref(wanted));
    let segments: Vec<Segment<'_>> = spans.iter().map(|s| segment(s, memory)).collect();
    let baseline = Baseline::fit(wanted, &segments, observer)
        .with_context(|| format!("fitting {wanted} on the training spans"))?;
    Ok(Fitted {
        baseline,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Fits those that can be fitted; a row beside a network that cannot is a warning, not a reason
/// to lose the network's own figures.
///
/// # Errors
/// When the user asks to stop.
pub(super) fn fit_possible(
    wanted: &[BaselineConfig],
    recordings: &Recordings,
    observer: &dyn Observer,
) -> Result<Vec<Fitted>> {
    let mut fitted = Vec::new();
    for config in wanted {
        match fit(config, recordings, observer) {
            Ok(done) => fitted.push(done),
            Err(error) => match error.downcast_ref::<RegressError>() {
                Some(RegressError::Interrupted { .. }) => return Err(error),
                _ => {
                    let text = format!("no {config} row: {error:#}");
                    observer.event(Event::Warning(&text));
                }
            },
        }
    }
    Ok(fitted)
}

fn segment<'a>(span: &'a Span, memory: Reach) -> Segment<'a> {
    let range = span.predictable(memory);
    let pair = span.pair();
    Segment {
        dry: &pair.dry()[range.clone()],
        wet: &pair.wet()[range.clone()],
        context: &pair.dry()[span.samples().start.min(range.start)..range.start],
    }
}

/// A file name made of an excerpt's label.
fn stem(excerpt: &Excerpt) -> String {
    let name = Path::new(&excerpt.label).file_stem();
    let name = name.map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let name = name.strip_suffix("-dry").unwrap_or(&name);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let cleaned: String = name.chars().take(40).map(plain).collect();
    cleaned.trim_matches('-').to_string()
}
