//! A model's figures on one more dry/wet pair: a run's network, a saved baseline, or a model
//! file of another program.

use crate::config::{DataConfig, Latency, PairConfig};
use crate::data::load::{self, LatencyReport};
use crate::data::pair::Reach;
use crate::playing::Playable;
use crate::playing::scoring::Tester;
use crate::progress::Observer;
use crate::report::metrics::Row;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// What to evaluate.
#[derive(Clone, Debug)]
pub struct EvaluateRequest {
    /// The run whose best weights are used, a saved baseline, or a model file.
    pub model: PathBuf,
    /// Recording without the effect.
    pub dry: PathBuf,
    /// The same passage through it.
    pub wet: PathBuf,
    /// Delay of the wet side.
    pub latency: Latency,
    /// Where a run's network computes.
    pub device: String,
    /// Where the knobs stood; those not named stand in the middle of what was learned.
    pub controls: BTreeMap<String, f32>,
}

/// Figures of a model on a pair.
#[derive(Clone, Debug, Serialize)]
pub struct EvaluateOutcome {
    /// The run's folder or the model's file.
    pub model: PathBuf,
    /// Wall time of the command.
    pub seconds: f64,
    /// The model and identity.
    pub rows: Vec<Row>,
    /// Wet delays that were removed.
    pub latencies: Vec<LatencyReport>,
}

/// Scores a model on a pair.
///
/// # Errors
/// No model there, a pair that is unfit, of another rate, or too short.
pub fn evaluate(request: &EvaluateRequest, observer: &dyn Observer) -> Result<EvaluateOutcome> {
    let started = Instant::now();
    let mut model = Playable::open(&request.model)?.on(request.device.parse()?)?;
    if let Some(config) = model.config() {
        // As in the run's own table.
        model.name = config.model.kind().to_string();
    }
    let data = DataConfig {
        latency: request.latency,
        polarity: model.polarity(),
        test: vec![PairConfig {
            dry: Some(request.dry.clone()),
            wet: Some(request.wet.clone()),
            controls: model.positions(&request.controls)?,
            ..PairConfig::default()
        }],
        ..DataConfig::default()
    };
    // Files only: nothing is generated, so the seed decides nothing.
    let recordings = load::load(&data, 0, observer)?;
    model
        .check_rate(recordings.sample_rate)
        .with_context(|| request.dry.display().to_string())?;
    let reach = model.reach();
    let mut tester = Tester::new(&recordings, reach, Reach::default(), observer);
    ensure!(
        tester.sample_count() > 0,
        "{}: no sample can be predicted; {} needs {} around each",
        request.dry.display(),
        model.name,
        reach.context + reach.lookahead
    );
    tester.score(&model, &recordings.test)?;
    tester.identity()?;
    Ok(EvaluateOutcome {
        model: request.model.clone(),
        seconds: started.elapsed().as_secs_f64(),
        rows: tester.rows().to_vec(),
        latencies: recordings.latencies,
    })
}
