//! Whatever can be put to the test: the network of a run, a saved baseline, a model file of
//! another program. Opened by what a path holds, played over test spans, and what it costs.
//!
//! Knows nothing of tables and of how it came to be.

use super::playable;
use super::scoring::Tester;
use crate::audio::SampleRate;
use crate::config::{Config, Polarity};
use crate::data::load::Excerpt;
use crate::data::pair::{Reach, Span};
use crate::device::{self, DeviceChoice};
use crate::engine::{Engine, timing};
use crate::formats;
use crate::models::EffectModel;
use crate::network::{Control, Network};
use crate::regress::baseline::{self, Baseline, SavedBaseline};
use crate::training::evaluate;
use crate::training::run_dir::RunDir;
use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

/// Samples per block at which playing is timed: what hosts commonly use.
pub const TIMED_BLOCK: usize = 512;
/// How long playing is timed.
const TIMED_FOR: Duration = Duration::from_millis(300);

/// What a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Numbers that were learned.
    pub parameters: usize,
    /// Multiply-adds per sample; of a baseline in its direct form (it is played by FFT).
    pub macs_per_sample: usize,
    /// Wall time of all epochs, or of a baseline's fit; absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_seconds: Option<f64>,
    /// Seconds of audio played per second of work on one core, in blocks of [`TIMED_BLOCK`].
    pub real_time_factor: f64,
}

/// Something that predicts wet sound from dry sound.
pub(super) struct Contender {
    /// The run's folder name, the baseline's name, or the file's stem.
    pub(super) name: String,
    kind: Kind,
    training_seconds: Option<f64>,
}

enum Kind {
    Run {
        model: Box<EffectModel>,
        config: Box<Config>,
        device: Device,
    },
    Baseline {
        baseline: Baseline,
        rate: Option<SampleRate>,
    },
    File(Box<Network>),
}

impl Contender {
    /// A run's folder, a baseline that `effigy baseline` saved, or a model file of another
    /// program. `device` is where runs compute.
    ///
    /// # Errors
    /// Nothing of the kind is there.
    pub(super) fn open(path: &Path, device: &str) -> Result<Self> {
        let choice: DeviceChoice = device.parse()?;
        if !path.is_file() {
            let run = RunDir::open(path)?;
            let device = device::select(choice)?.device;
            let (model, config) = run.load_best(&device)?;
            return Ok(Self {
                name: run.name(),
                kind: Kind::Run {
                    model: Box::new(model),
                    config: Box::new(config),
                    device,
                },
                training_seconds: Some(run.metrics()?.iter().map(|row| row.seconds).sum()),
            });
        }
        if SavedBaseline::recognises(path) {
            let saved = SavedBaseline::load(path)?;
            return Ok(Self {
                name: saved.baseline.to_string(),
                kind: Kind::Baseline {
                    baseline: saved.baseline,
                    rate: SampleRate::new(saved.sample_rate_hz),
                },
                training_seconds: None,
            });
        }
        let model = formats::read(path).with_context(|| path.display().to_string())?;
        let stem = path.file_stem().unwrap_or(path.as_os_str());
        Ok(Self {
            name: stem.to_string_lossy().into_owned(),
            kind: Kind::File(Box::new(model.network)),
            training_seconds: None,
        })
    }

    /// A baseline that was just fitted, in so many seconds.
    pub(super) fn fitted(baseline: Baseline, seconds: f64) -> Self {
        Self {
            name: baseline.to_string(),
            kind: Kind::Baseline {
                baseline,
                rate: None,
            },
            training_seconds: Some(seconds),
        }
    }

    /// The config of a run.
    pub(super) fn config(&self) -> Option<&Config> {
        match &self.kind {
            Kind::Run { config, .. } => Some(config),
            _ => None,
        }
    }

    /// Whether it is a network and not a baseline.
    pub(super) fn is_network(&self) -> bool {
        !matches!(self.kind, Kind::Baseline { .. })
    }

    /// The rate it was made for.
    pub(super) fn sample_rate(&self) -> Option<SampleRate> {
        match &self.kind {
            Kind::Run { config, .. } => config.data.sample_rate.and_then(SampleRate::new),
            Kind::Baseline { rate, .. } => *rate,
            Kind::File(network) => SampleRate::new(network.sample_rate),
        }
    }

    /// Refuses recordings of another rate.
    ///
    /// # Errors
    /// Names both rates.
    pub(super) fn check_rate(&self, recordings: SampleRate) -> Result<()> {
        match self.sample_rate() {
            Some(rate) if rate != recordings => bail!(
                "{} was made for {rate}, the recordings have {recordings}; convert them first",
                self.name
            ),
            _ => Ok(()),
        }
    }

    /// What was done to an inverted wet side in training.
    pub(super) fn polarity(&self) -> Polarity {
        self.config()
            .map_or(Polarity::default(), |c| c.data.polarity)
    }

    /// Its knobs by name, those not `given` in their middle or default position.
    ///
    /// # Errors
    /// A knob it has not, or a value that is no number.
    pub(super) fn controls(&self, given: &BTreeMap<String, f32>) -> Result<BTreeMap<String, f32>> {
        let controls = self.knobs();
        let positions = playable::positions(&controls, given).with_context(|| self.name.clone())?;
        Ok(controls
            .into_iter()
            .map(|c| c.name)
            .zip(positions)
            .collect())
    }

    fn knobs(&self) -> Vec<Control> {
        match &self.kind {
            Kind::Run { config, .. } => playable::controls(&config.data),
            Kind::Baseline { .. } => Vec::new(),
            Kind::File(network) => network.controls.clone(),
        }
    }

    /// How far it listens around an output sample.
    pub(super) fn reach(&self) -> Reach {
        match &self.kind {
            Kind::Run { model, .. } => evaluate::reach(model),
            Kind::Baseline { baseline, .. } => Reach {
                context: baseline.receptive_field() - 1,
                lookahead: 0,
            },
            Kind::File(network) => {
                let lookahead = network.latency_samples();
                let memory = match network.receptive_field() {
                    Some(receptive_field) => receptive_field - 1,
                    // Half a second settles recurrent networks, as in players of the field.
                    None => network.sample_rate as usize / 2,
                };
                Reach {
                    context: memory.saturating_sub(lookahead),
                    lookahead,
                }
            }
        }
    }

    /// Adds its row to the table; `test` holds the tester's samples with the knobs of this
    /// contender.
    pub(super) fn score(&self, tester: &mut Tester<'_>, test: &[Excerpt]) -> Result<()> {
        match &self.kind {
            Kind::Run { model, device, .. } => {
                tester.network(&self.name, model, device, test)?;
                Ok(())
            }
            Kind::Baseline { baseline, .. } => tester.baseline(&self.name, baseline),
            Kind::File(network) => {
                let mut engine = Engine::new(network)?;
                let reach = self.reach();
                tester.score(&self.name, test, |span, range| {
                    play(&mut engine, reach, span, range)
                })
            }
        }
    }

    /// What it costs; playing is timed here and now.
    ///
    /// # Errors
    /// A network that the engine cannot play.
    pub(super) fn cost(&self, rate: SampleRate) -> Result<Cost> {
        let of = |network: &Network| -> Result<Cost> {
            let timed = timing::measure(network, &[TIMED_BLOCK], TIMED_FOR)?;
            Ok(Cost {
                parameters: network.weight_count(),
                macs_per_sample: network.macs_per_sample(),
                training_seconds: self.training_seconds,
                real_time_factor: timed.blocks.first().map_or(0.0, |b| b.real_time_factor),
            })
        };
        match &self.kind {
            Kind::Run { model, .. } => of(&model.describe(rate.hz(), self.knobs())),
            Kind::File(network) => of(network),
            Kind::Baseline { baseline, .. } => Ok(Cost {
                parameters: baseline.parameters(),
                macs_per_sample: baseline.parameters(),
                training_seconds: self.training_seconds,
                real_time_factor: timed(baseline) / f64::from(rate.hz()),
            }),
        }
    }
}

/// What `engine` makes of a span's dry samples in `range`, after its context.
fn play(engine: &mut Engine, reach: Reach, span: &Span, range: &Range<usize>) -> Result<Vec<f32>> {
    let controls = span.pair().controls();
    if !controls.is_empty() {
        engine.set_controls(controls)?;
    }
    engine.reset();
    engine.prewarm();
    let mut dry = vec![0.0; reach.context + range.len() + reach.lookahead];
    let from = range.start as i64 - reach.context as i64;
    span.pair().copy_dry(from, &mut dry);
    let mut wet = vec![0.0; dry.len()];
    engine.process(&dry, &mut wet);
    wet.drain(..reach.context + reach.lookahead);
    Ok(wet)
}

/// Samples per second that a baseline plays, in blocks of [`TIMED_BLOCK`].
fn timed(baseline: &Baseline) -> f64 {
    let mut player = baseline::Player::new(baseline);
    let block: Vec<f32> = (0..TIMED_BLOCK).map(|i| 0.1 * (i as f32).sin()).collect();
    let mut out = Vec::new();
    let (mut played, started) = (0, Instant::now());
    while started.elapsed() < TIMED_FOR {
        player.push(&block, &mut out);
        played += out.len();
        out.clear();
    }
    played as f64 / started.elapsed().as_secs_f64()
}
