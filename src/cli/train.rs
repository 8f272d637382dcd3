//! `effigy train`.

use super::Status;
use super::rows;
use super::ui::Ui;
use crate::commands::train::{self, TrainOutcome, TrainRequest};
use crate::report::table::figure;
use crate::training::history::EpochRow;
use std::fmt::Write;
use std::path::PathBuf;

/// Arguments of `effigy train`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to train; see configs/ for examples.
    #[arg(long, short)]
    config: Option<PathBuf>,
    /// Override a config key, such as training.epochs=50; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Seed of weights, window order and generated signals; short for --set seed=N.
    #[arg(long)]
    seed: Option<u64>,
    /// Folder of the run [default: the first free one of checkpoints/NAME, NAME-2, …].
    #[arg(long)]
    run: Option<PathBuf>,
    /// Continue the run in its folder where its last completed epoch ended.
    #[arg(long)]
    resume: bool,
    /// Start from the best weights of this run, or fine-tune this model file (.nam, .json, .aidax,
    /// .safetensors); the config may then leave [model] out.
    #[arg(long, value_name = "RUN|FILE")]
    init_from: Option<PathBuf>,
    /// Keep the weights of layers whose names start so; short for training.freeze.
    #[arg(long, value_name = "LAYERS", value_delimiter = ',')]
    freeze: Vec<String>,
    /// auto, flex, ndarray, wgpu[:n] or cuda[:n] [default: the config's].
    #[arg(long)]
    device: Option<String>,
    /// Leave the run without a report.html.
    #[arg(long)]
    no_report: bool,
    /// Exit with code 1 unless the test ESR is at most this.
    #[arg(long, value_name = "ESR")]
    require_esr: Option<f64>,
}

/// Trains, printing a line per epoch and the test table.
pub fn run(args: &Args, ui: &Ui) -> anyhow::Result<Status> {
    let mut overrides = args.overrides.clone();
    overrides.extend(args.seed.map(|seed| format!("seed={seed}")));
    if !args.freeze.is_empty() {
        overrides.push(format!("training.freeze={:?}", args.freeze));
    }
    let request = TrainRequest {
        config: args.config.clone(),
        overrides,
        run: args.run.clone(),
        resume: args.resume,
        init_from: args.init_from.clone(),
        device: args.device.clone(),
        no_report: args.no_report,
    };
    let mut printed = false;
    let outcome = train::train(&request, ui, |row, best| {
        if !printed {
            ui.say(HEADINGS);
            printed = true;
        }
        ui.say(&line(row, best));
    })?;
    ui.report(&outcome, prose)?;
    let esr = outcome.rows.first().map(|row| row.metrics.esr);
    Ok(Status::of_esr(args.require_esr, esr))
}

/// Above [`line`]s.
pub(super) const HEADINGS: &str = "epoch |  train MSE      RMSE       STD |  valid MSE      RMSE       STD       ESR | ref. STD |      s";

/// An epoch's figures; a star marks the best so far.
pub(super) fn line(row: &EpochRow, best: bool) -> String {
    let (train, valid) = (&row.train, &row.valid);
    format!(
        "{:5} | {:>10} {:>9} {:>9} | {:>10} {:>9} {:>9} {:>9} | {:>8} | {:6.1}{}",
        row.epoch,
        figure(train.mse),
        figure(train.rmse),
        figure(train.std),
        figure(valid.mse),
        figure(valid.rmse),
        figure(valid.std),
        figure(valid.esr),
        figure(valid.reference_std),
        row.seconds,
        if best { " *" } else { "" },
    )
}

fn prose(outcome: &TrainOutcome) -> String {
    let mut text = rows::table(&outcome.rows).to_string();
    text += &rows::beside_constant_gain(&outcome.by_pair);
    let reference = outcome
        .rows
        .first()
        .map_or(0.0, |r| r.metrics.reference_std);
    let _ = write!(text, "reference STD {}", figure(reference));
    if let Some(best) = outcome.best {
        let _ = write!(
            text,
            ", weights of epoch {} of {}",
            best.epoch, outcome.epochs
        );
    }
    let _ = writeln!(text, ", {:.0} s on {}", outcome.seconds, outcome.device);
    let run = outcome.run.display();
    match &outcome.page {
        Some(page) => _ = writeln!(text, "look and listen: {}", page.display()),
        None => _ = writeln!(text, "listen: {run}/test/*-predicted.wav"),
    }
    let _ = write!(
        text,
        "use it: effigy infer --model {run} your.wav -o out.wav"
    );
    text
}
