//! `effigy baseline`.

use super::Status;
use super::rows;
use super::ui::Ui;
use crate::commands::baseline::{self, BaselineOutcome, BaselineRequest};
use std::fmt::Write;
use std::path::PathBuf;

/// Fit classical models to a config's recordings and test them
///
/// Gains, filters, filters on tanh curves and Volterra series, fitted by least squares: what a
/// network must beat.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Names the recordings and the baselines; see configs/ for examples.
    #[arg(long, short)]
    config: PathBuf,
    /// Override a config key, such as data.latency=3; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Baselines to fit: gain, fir-128, fir-36-tanh, volterra-3-4x64, … [default: the config's].
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    model: Vec<String>,
    /// Keep every fitted baseline in this folder as NAME.json, for infer and evaluate.
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    save: Option<PathBuf>,
    /// Keep the one fitted baseline in this file.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Exit with code 1 unless the best baseline's ESR is at most this.
    #[arg(long, value_name = "ESR")]
    require_esr: Option<f64>,
}

/// Fits and prints a table.
pub fn run(args: &Args, ui: &Ui) -> anyhow::Result<Status> {
    let request = BaselineRequest {
        config: args.config.clone(),
        overrides: args.overrides.clone(),
        models: args.model.clone(),
        save: args.save.clone(),
        output: args.output.clone(),
    };
    let outcome = baseline::baseline(&request, ui)?;
    ui.report(&outcome, prose)?;
    let baselines = outcome.rows.iter().filter(|row| row.cost.is_some());
    let best = baselines
        .map(|row| row.row.metrics.esr)
        .min_by(f64::total_cmp);
    Ok(Status::of_esr(args.require_esr, best))
}

fn prose(outcome: &BaselineOutcome) -> String {
    let mut text = rows::models(&outcome.rows).to_string();
    text += &rows::esr_by_pair(&outcome.by_pair);
    text += &rows::tested(&outcome.rows, outcome.samples, outcome.seconds);
    for (row, file) in outcome
        .rows
        .iter()
        .filter_map(|r| Some((r, r.model.as_ref()?)))
    {
        let file = file.display();
        let _ = writeln!(
            text,
            "{}: effigy infer --model {file} your.wav -o out.wav",
            row.row.name
        );
    }
    text
}
