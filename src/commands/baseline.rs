//! Fits classical models of an effect on a config's training spans, tests them, and keeps them
//! as files that `infer` and `evaluate` accept.

pub use super::contender::Cost;

use super::contender::Contender;
use super::scoring::{self, Fitted, Tester};
use crate::config::{self, BaselineConfig};
use crate::data::load::{self, LatencyReport};
use crate::data::pair::Reach;
use crate::progress::Observer;
use crate::regress::baseline::SavedBaseline;
use crate::report::metrics::{PairRows, Row};
use anyhow::{Result, bail, ensure};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// What to fit.
#[derive(Clone, Debug, Default)]
pub struct BaselineRequest {
    /// Names the recordings, and the baselines unless `models` does.
    pub config: PathBuf,
    /// `a.b=c`, applied to the config in order.
    pub overrides: Vec<String>,
    /// Baselines by name; empty: those of the config.
    pub models: Vec<String>,
    /// Folder that every fitted baseline is written to, as NAME.json.
    pub save: Option<PathBuf>,
    /// File that the one baseline is written to.
    pub output: Option<PathBuf>,
}

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
    pub model: Option<PathBuf>,
}

/// Fitted baselines and their figures.
#[derive(Clone, Debug, Serialize)]
pub struct BaselineOutcome {
    /// Wall time of the command.
    pub seconds: f64,
    /// Test samples over which every row was taken.
    pub samples: usize,
    /// Identity, then the baselines as asked for.
    pub rows: Vec<ModelRow>,
    /// The same figures, pair by pair, where there are several test pairs.
    pub by_pair: Vec<PairRows>,
    /// Wet delays that were removed.
    pub latencies: Vec<LatencyReport>,
}

/// Fits, tests and saves.
///
/// # Errors
/// A config or recording that is unfit; a baseline that was asked for by name and cannot be
/// fitted, or none at all; a file that cannot be written.
pub fn baseline(request: &BaselineRequest, observer: &dyn Observer) -> Result<BaselineOutcome> {
    let started = Instant::now();
    let config = config::load(&request.config, &request.overrides)?;
    let wanted = wanted(request, &config.baselines)?;
    let recordings = load::load(&config.data, config.seed, observer)?;
    let rate = recordings.sample_rate;
    let fitted = match request.models.is_empty() {
        true => scoring::fit_possible(&wanted, &recordings, observer)?,
        false => {
            let each = wanted.iter();
            let fitted = each.map(|config| scoring::fit(config, &recordings, observer));
            fitted.collect::<Result<Vec<Fitted>>>()?
        }
    };
    if fitted.is_empty() {
        bail!("no baseline could be fitted; the warnings say why");
    }
    let reach = scoring::reach_of(&wanted);
    let mut tester = Tester::new(&recordings, Reach::default(), reach, observer);
    tester.identity()?;
    let mut costs = vec![(None, None)];
    for Fitted { baseline, seconds } in fitted {
        let file = match (&request.output, &request.save) {
            (Some(file), _) => Some(file.clone()),
            (None, folder) => folder.as_ref().map(|f| f.join(format!("{baseline}.json"))),
        };
        let saved = SavedBaseline {
            sample_rate_hz: rate.hz(),
            baseline,
        };
        if let Some(file) = &file {
            saved.save(file)?;
        }
        let contender = Contender::fitted(saved.baseline, seconds);
        contender.score(&mut tester, &recordings.test)?;
        costs.push((Some(contender.cost(rate)?), file));
    }
    let row = |(row, (cost, model)): (&Row, (Option<Cost>, Option<PathBuf>))| ModelRow {
        row: row.clone(),
        cost,
        model,
    };
    Ok(BaselineOutcome {
        samples: tester.sample_count(),
        rows: tester.rows().iter().zip(costs).map(row).collect(),
        by_pair: tester.by_pair().to_vec(),
        seconds: started.elapsed().as_secs_f64(),
        latencies: recordings.latencies.clone(),
    })
}

fn wanted(request: &BaselineRequest, config: &config::Baselines) -> Result<Vec<BaselineConfig>> {
    let named = request.models.iter().map(|name| name.parse());
    let named = named.collect::<Result<Vec<BaselineConfig>, _>>()?;
    let wanted = match named.is_empty() {
        true => config.rows(),
        false => named,
    };
    ensure!(
        request.output.is_none() || wanted.len() == 1,
        "{} baselines cannot go to the one file of --output; name one with --model, or a folder \
         with --save",
        wanted.len()
    );
    Ok(wanted)
}
