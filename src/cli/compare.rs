//! `effigy compare`.

use super::Status;
use super::rows;
use super::train;
use super::ui::Ui;
use crate::commands::compare::{self, CompareOutcome, CompareRequest};
use std::fmt::Write;
use std::path::PathBuf;

/// Train or load several networks and baselines and test them on the same samples
///
/// Examples:
///   effigy compare --config lstm.toml wavenet.toml --baseline fir-128 fir-36-tanh
///   effigy compare --model checkpoints/a checkpoints/b
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub struct Args {
    /// Networks to train, each in a run folder of its own; the first one names the test spans.
    #[arg(long, short, value_name = "CONFIG", num_args = 1.., group = "what")]
    config: Vec<PathBuf>,
    /// Finished runs, saved baselines, or model files of other programs.
    #[arg(long, short, visible_alias = "run", value_name = "MODEL", num_args = 1.., group = "what")]
    model: Vec<PathBuf>,
    /// Baselines to fit: gain, fir-128, fir-36-tanh, volterra-3-4x64, … [default: those of the
    /// first config].
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    baseline: Vec<String>,
    /// Override a key of every config to be trained, such as training.epochs=50; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// auto, flex, ndarray, wgpu[:n] or cuda[:n] [default: the configs'].
    #[arg(long)]
    device: Option<String>,
    /// Folder of the new runs.
    #[arg(long, value_name = "DIR", default_value = crate::commands::train::CHECKPOINTS)]
    dir: PathBuf,
    /// Exit with code 1 unless the best network's ESR is at most this.
    #[arg(long, value_name = "ESR")]
    require_esr: Option<f64>,
}

/// Trains, loads, tests, and prints one table.
pub fn run(args: &Args, ui: &Ui) -> anyhow::Result<Status> {
    let request = CompareRequest {
        configs: args.config.clone(),
        models: args.model.clone(),
        baselines: args.baseline.clone(),
        overrides: args.overrides.clone(),
        device: args.device.clone(),
        folder: Some(args.dir.clone()),
    };
    let mut printed = None;
    let outcome = compare::compare(&request, ui, |run, row, best| {
        if printed.as_deref() != Some(run) {
            ui.say(train::HEADINGS);
            printed = Some(run.to_path_buf());
        }
        ui.say(&train::line(row, best));
    })?;
    ui.report(&outcome, prose)?;
    Ok(Status::of_esr(args.require_esr, outcome.best_network_esr))
}

fn prose(outcome: &CompareOutcome) -> String {
    let mut text = rows::models(&outcome.rows).to_string();
    text += &rows::esr_by_pair(&outcome.by_pair);
    text += &rows::tested(&outcome.rows, outcome.samples, outcome.seconds);
    for (row, place) in outcome
        .rows
        .iter()
        .filter_map(|r| Some((r, r.model.as_ref()?)))
    {
        let _ = writeln!(text, "{}: {}", row.row.name, place.display());
    }
    text
}
