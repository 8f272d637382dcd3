//! A trained network's figures on one more dry/wet pair.

use super::infer::control_values;
use crate::audio::SampleRate;
use crate::config::{DataConfig, Latency, PairConfig};
use crate::data::load::{self, LatencyReport};
use crate::device::{self, DeviceChoice};
use crate::progress::{Event, Observer};
use crate::report::metrics::{ErrorSums, Row};
use crate::training::evaluate;
use crate::training::run_dir::RunDir;
use anyhow::{Result, bail};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// What to evaluate.
#[derive(Clone, Debug)]
pub struct EvaluateRequest {
    /// The run whose best weights are used.
    pub model: PathBuf,
    /// Recording without the effect.
    pub dry: PathBuf,
    /// The same passage through it.
    pub wet: PathBuf,
    /// Delay of the wet side.
    pub latency: Latency,
    /// Where to compute.
    pub device: String,
    /// Where the knobs stood; those not named stand in the middle of what was learned.
    pub controls: BTreeMap<String, f32>,
}

/// Figures of a network on a pair.
#[derive(Clone, Debug, Serialize)]
pub struct EvaluateOutcome {
    /// The run's folder.
    pub run: PathBuf,
    /// Wall time of the command.
    pub seconds: f64,
    /// The network and identity.
    pub rows: Vec<Row>,
    /// Wet delays that were removed.
    pub latencies: Vec<LatencyReport>,
}

/// Scores a run's best weights on a pair.
///
/// # Errors
/// A run without weights, a pair that is unfit or of another rate.
pub fn evaluate(request: &EvaluateRequest, observer: &dyn Observer) -> Result<EvaluateOutcome> {
    let started = Instant::now();
    let selected = device::select(request.device.parse::<DeviceChoice>()?)?;
    let run = RunDir::open(&request.model)?;
    let (model, config) = run.load_best(&selected.device)?;
    let values = control_values(&config.data, &request.controls)?;
    let names = config.data.knobs().into_iter().map(|knob| knob.name);
    let data = DataConfig {
        latency: request.latency,
        polarity: config.data.polarity,
        test: vec![PairConfig {
            dry: Some(request.dry.clone()),
            wet: Some(request.wet.clone()),
            controls: names.zip(values).collect(),
            ..PairConfig::default()
        }],
        ..DataConfig::default()
    };
    let recordings = load::load(&data, config.seed, observer)?;
    let trained_at = config.data.sample_rate.and_then(SampleRate::new);
    if trained_at.is_some_and(|rate| rate != recordings.sample_rate) {
        bail!(
            "{}: {}, but the network was trained at {} Hz; convert the pair first",
            request.dry.display(),
            recordings.sample_rate,
            config.data.sample_rate.unwrap_or_default()
        );
    }
    observer.event(Event::Start {
        task: "evaluating",
        total: None,
    });
    let (mut network, mut identity) = (ErrorSums::default(), ErrorSums::default());
    for span in load::spans(&recordings.test) {
        let range = span.predictable(evaluate::reach(&model));
        let predicted = evaluate::predict_span(&model, &selected.device, &span, &range);
        network.add(&span.pair().wet()[range.clone()], &predicted);
        identity.add(&span.pair().wet()[range.clone()], &span.pair().dry()[range]);
    }
    observer.event(Event::Finish);
    let row = |name: &str, sums: ErrorSums| Row {
        name: name.to_string(),
        metrics: sums.metrics(),
    };
    Ok(EvaluateOutcome {
        run: run.path().to_path_buf(),
        seconds: started.elapsed().as_secs_f64(),
        rows: vec![row(config.model.kind(), network), row("identity", identity)],
        latencies: recordings.latencies,
    })
}
