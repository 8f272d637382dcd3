//! Reviews the logged figures of all runs, best first.

use super::train;
use crate::report::metrics::Metrics;
use crate::training::history::BestEpoch;
use crate::training::run_dir::RunDir;
use crate::training::run_report::RunReport;
use anyhow::{Context, Result};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Review the logged figures of all runs, best first
///
/// Example:
///   effigy runs --dir checkpoints
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// Folder that holds the runs.
    #[arg(long, default_value = train::CHECKPOINTS)]
    pub dir: PathBuf,
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct RunSummary {
    /// Its folder.
    #[serde(serialize_with = "crate::files::path_text")]
    pub run: PathBuf,
    /// Kind of network.
    pub model: String,
    /// Completed epochs.
    pub epochs: usize,
    /// Epoch with the lowest validation ESR.
    pub best_epoch: Option<usize>,
    /// Validation figures of that epoch.
    pub valid: Option<Metrics>,
    /// Test figures; absent while the run is unfinished.
    pub test: Option<Metrics>,
    /// Training time so far.
    pub seconds: f64,
}

/// All runs of a folder.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Lowest test ESR first, then the unfinished by validation ESR.
    pub runs: Vec<RunSummary>,
    /// Folders that look like runs but cannot be read, and why.
    pub unreadable: Vec<String>,
}

/// Looks for runs directly inside the folder.
///
/// # Errors
/// When the folder cannot be read.
pub fn runs(request: &Request) -> Result<Outcome> {
    let folder = &request.dir;
    let entries = std::fs::read_dir(folder).with_context(|| {
        let folder = folder.display();
        format!("{folder}: no such folder of runs; train one, or name another with --dir")
    })?;
    let mut outcome = Outcome {
        runs: Vec::new(),
        unreadable: Vec::new(),
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths.iter().filter(|p| p.join("config.toml").is_file()) {
        match summary(path) {
            Ok(run) => outcome.runs.push(run),
            Err(error) => outcome.unreadable.push(format!("{error:#}")),
        }
    }
    let esr = |metrics: Option<Metrics>| metrics.map_or(f64::INFINITY, |m| m.esr);
    outcome.runs.sort_by(|a, b| {
        let by_test = esr(a.test).total_cmp(&esr(b.test));
        by_test.then(esr(a.valid).total_cmp(&esr(b.valid)))
    });
    Ok(outcome)
}

fn summary(path: &Path) -> Result<RunSummary> {
    let run = RunDir::open(path)?;
    let config = run.config()?;
    let rows = run.metrics()?;
    let best = BestEpoch::of(&rows).map(|best| best.epoch);
    let best = rows.iter().find(|row| Some(row.epoch) == best);
    let report = RunReport::read(&run).ok().flatten();
    Ok(RunSummary {
        run: path.to_path_buf(),
        model: config.model.kind().to_string(),
        epochs: rows.len(),
        best_epoch: best.map(|row| row.epoch),
        valid: best.map(|row| row.valid),
        test: report.and_then(|r| r.rows.first().map(|row| row.metrics)),
        seconds: rows.iter().map(|row| row.seconds).sum(),
    })
}
