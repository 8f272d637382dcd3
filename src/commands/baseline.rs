//! Fits classical models of an effect on a config's training spans, tests them, and keeps them
//! as files that `infer` and `evaluate` accept.

use crate::config::{self, BaselineConfig};
use crate::data::load::{self, LatencyReport};
use crate::data::pair::Reach;
use crate::playing::Playable;
use crate::playing::fitting;
use crate::playing::playable::Source;
use crate::playing::scoring::{ModelRow, Tester};
use crate::progress::Observer;
use crate::report::metrics::PairRows;
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
    let mut fitted = if request.models.is_empty() {
        fitting::fit_possible(&wanted, &recordings, observer)?
    } else {
        let each = wanted.iter();
        let fitted = each.map(|config| fitting::fit(config, &recordings, observer));
        fitted.collect::<Result<Vec<Playable>>>()?
    };
    if fitted.is_empty() {
        bail!("no baseline could be fitted; the warnings say why");
    }
    let reach = fitting::reach_of(&wanted);
    let mut tester = Tester::new(&recordings, Reach::default(), reach, observer);
    tester.identity()?;
    for model in &mut fitted {
        save(model, request)?;
        tester.score(model, &recordings.test)?;
    }
    Ok(BaselineOutcome {
        samples: tester.sample_count(),
        rows: tester.with_costs(&fitted.iter().collect::<Vec<_>>())?,
        by_pair: tester.by_pair().to_vec(),
        seconds: started.elapsed().as_secs_f64(),
        latencies: recordings.latencies.clone(),
    })
}

/// Writes a fitted baseline to the file that was asked for, if one was.
fn save(model: &mut Playable, request: &BaselineRequest) -> Result<()> {
    let named = |folder: &PathBuf| folder.join(format!("{}.json", model.name));
    let folder = request.save.as_ref();
    let file = request.output.clone().or_else(|| folder.map(named));
    if let (Source::Baseline(fitted), Some(file)) = (&model.source, &file) {
        fitted.save(file)?;
    }
    model.path = file;
    Ok(())
}

fn wanted(request: &BaselineRequest, config: &config::Baselines) -> Result<Vec<BaselineConfig>> {
    let named = request.models.iter().map(|name| name.parse());
    let named = named.collect::<Result<Vec<BaselineConfig>, _>>()?;
    let wanted = if named.is_empty() {
        config.rows()
    } else {
        named
    };
    ensure!(
        request.output.is_none() || wanted.len() == 1,
        "{} baselines cannot go to the one file of --output; name one with --model, or a folder \
         with --save",
        wanted.len()
    );
    Ok(wanted)
}
