//! Test figures: a network, identity and the classical rows over one and the same samples, and
//! the sounds behind them.
//!
//! Knows neither how a network was trained nor where its weights lie.

use crate::audio::{Audio, SampleFormat, encode};
use crate::config::{Baselines, Config};
use crate::data::load::{self, Excerpt, Recordings};
use crate::data::pair::{Reach, Span};
use crate::models::EffectModel;
use crate::progress::Observer;
use crate::regress::baseline::{Baseline, BaselineConfig, Segment};
use crate::report::metrics::{ErrorSums, Row};
use crate::training::evaluate;
use anyhow::{Context, Result};
use burn::tensor::Device;
use std::path::{Path, PathBuf};

/// The test spans and, per row, the figures over one and the same range.
pub(super) struct Tester<'a> {
    recordings: &'a Recordings,
    reach: Reach,
    /// Predicted samples of every test channel, for the audio files.
    predicted: Vec<Vec<f32>>,
}

impl<'a> Tester<'a> {
    /// Rows are compared over samples that the longest memory among them can predict.
    pub(super) fn new(recordings: &'a Recordings, network: Reach, baselines: &Baselines) -> Self {
        let fir = Reach {
            context: baselines.fir_taps - 1,
            lookahead: 0,
        };
        let shared = network.max(fir);
        let any = |reach: Reach| {
            let mut spans = recordings.test.iter().flat_map(|e| &e.channels);
            spans.any(|s| !s.predictable(reach).is_empty())
        };
        Self {
            recordings,
            reach: if any(shared) { shared } else { network },
            predicted: Vec::new(),
        }
    }

    fn spans(&self) -> impl Iterator<Item = &'a Span> + use<'a> {
        self.recordings.test.iter().flat_map(|e| &e.channels)
    }

    fn row(&self, name: &str, predict: impl Fn(&Span, std::ops::Range<usize>) -> Vec<f32>) -> Row {
        let mut sums = ErrorSums::default();
        for span in self.spans() {
            let range = span.predictable(self.reach);
            let predicted = predict(span, range.clone());
            sums.add(&span.pair().wet()[range], &predicted);
        }
        Row {
            name: name.to_string(),
            metrics: sums.metrics(),
        }
    }

    pub(super) fn network(&mut self, config: &Config, model: &EffectModel, device: &Device) -> Row {
        let mut sums = ErrorSums::default();
        for span in self.spans() {
            let range = span.predictable(self.reach);
            let predicted = evaluate::predict_span(model, device, span, &range);
            sums.add(&span.pair().wet()[range], &predicted);
            self.predicted.push(predicted);
        }
        Row {
            name: config.model.kind().to_string(),
            metrics: sums.metrics(),
        }
    }

    pub(super) fn identity(&self) -> Row {
        self.row("identity", |span, range| span.pair().dry()[range].to_vec())
    }

    pub(super) fn baselines(
        &self,
        wanted: &Baselines,
        observer: &dyn Observer,
    ) -> Result<Vec<Row>> {
        let fir = BaselineConfig::Fir {
            taps: wanted.fir_taps,
            ridge: 0.0,
        };
        let memory = Reach {
            context: wanted.fir_taps - 1,
            lookahead: 0,
        };
        let spans = load::spans(&self.recordings.train);
        let segments: Vec<Segment<'_>> = spans.iter().map(|s| segment(s, memory)).collect();
        let fitted = Baseline::fit(&fir, &segments, observer)
            .with_context(|| format!("fitting {fir} on the training spans"))?;
        let name = fitted.to_string();
        Ok(vec![self.row(&name, |span, range| {
            let dry = span.pair().dry();
            let past = range.start.saturating_sub(memory.context);
            fitted.predict(&dry[range.clone()], &dry[past..range.start])
        })])
    }

    /// Aligned dry, wet and predicted test audio, one file per config pair, all channels.
    pub(super) fn write_audio(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let mut predicted = self.predicted.iter();
        for (index, excerpt) in self.recordings.test.iter().enumerate() {
            let mut sides: [Vec<Vec<f32>>; 3] = Default::default();
            for span in &excerpt.channels {
                let range = span.predictable(self.reach);
                sides[0].push(span.pair().dry()[range.clone()].to_vec());
                sides[1].push(span.pair().wet()[range].to_vec());
                sides[2].extend(predicted.next().cloned());
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
