//! The command line: arguments, progress bars, tables, exit codes.
//!
//! One file per verb holds its arguments and turns the command's typed outcome into text.
//! Knows nothing of how anything is computed.

mod devices;
mod evaluate;
mod infer;
mod rows;
mod runs;
mod synth;
mod train;
pub mod ui;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use ui::Ui;

/// How a command that ran to its end ended; the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Exit code 0.
    Done,
    /// Exit code 1: a criterion that the user asked for was not met.
    CriterionMissed,
}

/// Learns an audio effect from dry/wet recordings, plays it on new audio, and measures it
/// against classical regression.
#[derive(Debug, Parser)]
#[command(name = "effigy", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    /// Print the result as one JSON object on stdout; progress and notes stay on stderr.
    #[arg(long, global = true)]
    json: bool,
    /// No progress and no notes; warnings and errors stay.
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a network on the recordings a config names, and test it.
    Train(train::Args),
    /// Play sound files through a trained network.
    Infer(infer::Args),
    /// Score a trained network on one more dry/wet pair.
    Evaluate(evaluate::Args),
    /// Review the logged figures of all runs, best first.
    Runs(runs::Args),
    /// Write a config's generated dry/wet pairs as WAV files.
    Synth(synth::Args),
    /// List what this build can compute on.
    Devices(devices::Args),
}

/// Runs the process's command line. Errors are one line on stderr.
///
/// Exit codes: 0 done, 1 a requested criterion was not met, 2 error.
pub fn main() -> ExitCode {
    ui::report_panics_in_one_line();
    let cli = Cli::parse();
    let ui = Ui::new(cli.json, cli.quiet);
    ui::catch_interrupts();
    match std::panic::catch_unwind(|| run(&cli.command, &ui)) {
        Ok(Ok(Status::Done)) => ExitCode::SUCCESS,
        Ok(Ok(Status::CriterionMissed)) => ExitCode::from(1),
        Ok(Err(error)) => {
            ui.fail(&format!("{error:#}"));
            ExitCode::from(2)
        }
        // The panic hook has spoken.
        Err(_) => ExitCode::from(2),
    }
}

fn run(command: &Command, ui: &Ui) -> anyhow::Result<Status> {
    match command {
        Command::Train(args) => train::run(args, ui),
        Command::Infer(args) => infer::run(args, ui),
        Command::Evaluate(args) => evaluate::run(args, ui),
        Command::Runs(args) => runs::run(args, ui),
        Command::Synth(args) => synth::run(args, ui),
        Command::Devices(args) => devices::run(args, ui),
    }
}
