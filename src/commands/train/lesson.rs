//! What every network of a training learns from, and how one is taught: recordings, what is taught
//! beside them, and where.

use super::taught::Taught;
use crate::config::{BaselineConfig, Config, MAX_UNKNOWNS, ModelConfig};
use crate::data::load::{self, DataError, Excerpt, Recordings};
use crate::data::pair::{Reach, Span};
use crate::data::sound::Sounding;
use crate::data::windows::Windows;
use crate::models::{self, EffectModel, Fir};
use crate::playing::fitting;
use crate::playing::playable::Source;
use crate::progress::Observer;
use crate::regress::baseline::Baseline;
use crate::training::history::EpochRow;
use crate::training::idle::{Idle, recorded_idle};
use crate::training::level;
use crate::training::run_dir::{Progress, RunDir, State};
use crate::training::{self, Pace, Session, TrainingError, evaluate};
use crate::training::{modulation, silence, stereo, tail};
use anyhow::{Result, bail};
use burn::module::Module;
use burn::tensor::Device;
use std::time::Duration;

/// The same for every network.
#[derive(Clone, Copy)]
pub struct Lesson<'a> {
    pub recordings: &'a Recordings,
    pub taught: &'a Taught,
    pub device: &'a Device,
    /// As [`Session::others`].
    pub others: &'a [Device],
}

impl Lesson<'_> {
    /// The network of `config` before its first step: a filter is solved for, and a tail, a motion is
    /// found; the rest is drawn from the seed.
    pub(super) fn new_model(
        &self,
        config: &Config,
        observer: &dyn Observer,
    ) -> Result<EffectModel> {
        let ModelConfig::Fir(fir) = &config.model else {
            let model = models::of_config(config, self.device);
            let spans = self.spans(&self.recordings.train, config)?;
            let model = tail::begin(model, config, &spans, observer)?;
            return Ok(modulation::begin(model, config, &spans, observer)?);
        };
        let audio = config.data.audio_channels();
        if !audio.is_mono() {
            let spans = self.spans(&self.recordings.train, config)?;
            let filters = stereo::filters(&spans, fir.taps, observer)?;
            return Ok(Fir::of_sides(&filters, self.device).into());
        }
        if fir.taps > MAX_UNKNOWNS {
            let spans = load::spans(&self.recordings.train);
            let taps = tail::alone(&spans, fir.taps, observer)?;
            return Ok(Fir::solved(&taps, self.device).into());
        }
        let wanted = BaselineConfig::Fir {
            taps: fir.taps,
            ridge: 0.0,
        };
        let fitted = fitting::fit(&wanted, self.recordings, audio, observer)?;
        match fitted.source {
            Source::Baseline(saved) => match saved.baseline {
                Baseline::Fir { taps, .. } => {
                    let taps: Vec<f32> = taps.iter().map(|&tap| tap as f32).collect();
                    Ok(Fir::solved(&taps, self.device).into())
                }
                other => bail!("a filter was asked for, {other:?} was fitted"),
            },
            _ => bail!("a filter was asked for, and none was fitted"),
        }
    }

    /// The recordings cut into windows for `model`.
    ///
    /// # Errors
    /// None is long enough, or one part says nothing.
    pub(super) fn windows(&self, config: &Config, model: &EffectModel) -> Result<Windows> {
        let mut spans = self.spans(&self.recordings.train, config)?;
        let longest = spans.iter().map(|s| s.samples().len()).max().unwrap_or(0);
        let reach = evaluate::reach(model);
        let window_len = config.windows.window_len;
        // What is not scored is learned from all the same.
        let heard = Reach {
            opening_ms: 0,
            ..reach
        };
        let holds_window = |span: &Span| span.predictable(heard).len() >= window_len;
        let any = spans.iter().any(holds_window);
        // A clock cannot be told from silence.
        let silent = match reach.opening_ms {
            // A gain is silent in silence by itself.
            0 if !model.is_gain() => {
                let recorded = Windows::cut(spans.clone(), window_len, config.windows.hop, heard);
                silence::between_settings(&spans, recorded.len(), window_len)
            }
            _ => Vec::new(),
        };
        spans.extend_from_slice(self.taught.spans());
        spans.extend(silent);
        let windows = Windows::cut(spans, window_len, config.windows.hop, heard)
            .per_epoch(config.windows.per_epoch);
        if !any {
            bail!(
                "the longest training span has {longest} samples, but a window needs {} ({} of \
                 output, {} around it): lower windows.window_len or record more",
                windows.input_len(),
                windows.window_len(),
                reach.context + reach.lookahead,
            );
        }
        self.refuse_unusable(reach)?;
        Ok(windows)
    }

    fn refuse_unusable(&self, reach: Reach) -> Result<()> {
        if self.recordings.valid.is_empty() {
            bail!(
                "no validation span: the training pairs name spans of their own, so nothing is held \
                 back by itself; add a [[data.valid]] table, or name whole pairs"
            );
        }
        for (part, excerpts) in [
            ("training", &self.recordings.train),
            ("validation", &self.recordings.valid),
            ("test", &self.recordings.test),
        ] {
            refuse_unusable(part, &load::spans(excerpts), reach)?;
        }
        Ok(())
    }

    /// Teaches `model` in `run`, from where the run stands.
    ///
    /// # Errors
    /// As [`training::train`]; a state that cannot be read.
    pub(super) fn train(
        &self,
        (config, windows): (&Config, &Windows),
        run: &RunDir,
        model: EffectModel,
        save_every: Duration,
        observer: &dyn Observer,
        on_epoch: impl FnMut(&EpochRow, bool),
    ) -> Result<Progress, TrainingError> {
        let valid = self.spans(&self.recordings.valid, config)?;
        let session = self.session(config, windows, &valid, save_every)?;
        // Parameters are created where gradients can reach them.
        let finished = |model| session.finished(model);
        let state = run.load_state(model.train(), config, finished, observer)?;
        training::train(&session, run, state, observer, on_epoch)
    }

    /// What a batch of `config`, and its validation, take.
    ///
    /// # Errors
    /// As [`training::pace`].
    pub(super) fn pace(
        &self,
        config: &Config,
        windows: Windows,
        model: &EffectModel,
        observer: &dyn Observer,
    ) -> Result<Pace, TrainingError> {
        let windows = windows.per_epoch(Some(config.training.batch_size));
        let valid = self.spans(&self.recordings.valid, config)?;
        let session = self.session(config, &windows, &valid, Duration::MAX)?;
        let state = State::begun(model.clone().train(), &config.training);
        training::pace(&session, state, observer)
    }

    /// What a network is to put out in silence.
    pub(super) fn idle(&self, config: &Config) -> Result<Idle, DataError> {
        let spans = self.spans(&self.recordings.train, config)?;
        Ok(recorded_idle(&spans))
    }

    /// What the network of `config` learns from or is judged on at once.
    pub(super) fn spans(
        &self,
        excerpts: &[Excerpt],
        config: &Config,
    ) -> Result<Vec<Span>, DataError> {
        load::units(excerpts, config.data.audio_channels())
    }

    fn session<'a>(
        &'a self,
        config: &'a Config,
        windows: &'a Windows,
        valid: &'a [Span],
        save_every: Duration,
    ) -> Result<Session<'a>, DataError> {
        let spans = self.spans(&self.recordings.train, config)?;
        Ok(Session {
            config,
            device: self.device,
            others: self.others,
            windows,
            target_gain: level::target_gain(&config.training, &spans),
            idle: recorded_idle(&spans),
            valid,
            save_every,
        })
    }
}

/// Refuses a part whose spans are all too short, or all silent: it would say nothing. No part at
/// all is none.
fn refuse_unusable(part: &str, spans: &[Span], reach: Reach) -> Result<()> {
    let Some(first) = spans.first() else {
        return Ok(());
    };
    if spans.iter().all(|s| s.predictable(reach).is_empty()) {
        bail!(
            "no {part} sample can be predicted: every {part} span is shorter than the network's \
             context of {} samples; use longer spans",
            reach.context + reach.lookahead
        );
    }
    if spans.iter().any(|s| s.sounds(reach)) {
        return Ok(());
    }
    let pair = first.pair();
    let seconds = |sample: usize| pair.sample_rate().seconds(sample);
    let sounds = Sounding::of(pair.dry(), pair.wet()).range();
    let sounds = sounds.map_or_else(String::new, |range| {
        format!(
            ", such as from {:.2} to {:.2} s of {}",
            seconds(range.start),
            seconds(range.end),
            pair.name()
        )
    });
    bail!(
        "every {part} span is silent ({:.2} to {:.2} s of {}): nothing can be learned from it or \
         measured on it; choose from and to where there is sound{sounds}",
        seconds(first.samples().start),
        seconds(first.samples().end),
        pair.name()
    );
}
