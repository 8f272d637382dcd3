//! The command line: arguments, progress bars, tables, exit codes.
//!
//! One file per verb holds its arguments and turns the command's typed outcome into text.
//! Knows nothing of how anything is computed.

mod baseline;
mod bench_infer;
mod bench_train;
mod collage;
mod compare;
mod convolve;
mod devices;
mod evaluate;
mod export;
mod infer;
mod inspect;
mod recover;
mod reorder;
mod report;
mod rows;
mod runs;
mod spectrum;
mod stretch;
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

impl Status {
    /// Whether an ESR that was asked for is met; no figure misses it.
    fn of_esr(wanted: Option<f64>, found: Option<f64>) -> Self {
        match wanted {
            Some(wanted) if !found.is_some_and(|found| found <= wanted) => Self::CriterionMissed,
            _ => Self::Done,
        }
    }
}

/// Learns an audio effect from dry/wet recordings, plays it on new audio, and measures it
/// against classical regression.
#[derive(Debug, Parser)]
#[command(
    name = "effigy",
    version,
    propagate_version = true,
    max_term_width = 100
)]
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
    /// Play sound files through a trained network or a model file.
    Infer(infer::Args),
    /// Write a trained network for plugins: .nam, AIDA-X, RTNeural, Proteus, safetensors.
    Export(export::Args),
    /// Score a trained network, baseline or model file on one more dry/wet pair.
    Evaluate(evaluate::Args),
    /// Train or load several networks and baselines and test them on the same samples.
    Compare(compare::Args),
    /// Fit classical models to a config's recordings and test them.
    Baseline(baseline::Args),
    /// Draw a run's page anew, or compare several runs on one page.
    Report(report::Args),
    /// Review the logged figures of all runs, best first.
    Runs(runs::Args),
    /// Write a config's generated dry/wet pairs as WAV files.
    Synth(synth::Args),
    /// List what this build can compute on.
    Devices(devices::Args),
    /// Predictive convolution: what a regression learned on A makes of B.
    Convolve(convolve::Args),
    /// Predict the deleted end of a clip from other clips like it.
    Recover(recover::Args),
    /// Reorder a sound's spectra by what they sound like.
    Reorder(reorder::Args),
    /// Take a sound's spectrum apart: phases dropped, frequencies inverted, bins shuffled.
    Spectrum(spectrum::Args),
    /// Cut sounds into segments and join them in another order.
    Collage(collage::Args),
    /// Stretch a sound in time, with or without its pitch.
    Stretch(stretch::Args),
    /// Show what a run or a model file holds.
    Inspect(inspect::Args),
    /// Measure speed.
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// How fast a model file plays.
    Infer(bench_infer::Args),
    /// How fast networks train on this machine.
    Train(bench_train::Args),
}

/// Runs the process's command line. Errors are one line on stderr.
///
/// Exit codes: 0 done, 1 a requested criterion was not met, 2 error.
pub fn main() -> ExitCode {
    ui::report_panics_in_one_line();
    quiet_vulkan();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            eprintln!("{}", one_line(&error.to_string()));
            return ExitCode::from(2);
        }
        // --help and --version.
        Err(text) => text.exit(),
    };
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

/// Mesa's Vulkan loader complains on stderr where no session folder is set, as in containers.
fn quiet_vulkan() {
    const KEY: &str = "XDG_RUNTIME_DIR";
    if cfg!(unix) && std::env::var_os(KEY).is_none() {
        // SAFETY: the first thing the process does; no other thread exists that could read
        // the environment meanwhile.
        unsafe { std::env::set_var(KEY, std::env::temp_dir()) };
    }
}

/// What is wrong and what is allowed, without the usage that follows.
fn one_line(message: &str) -> String {
    let said = message
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty());
    let said: Vec<&str> = said.collect();
    format!("{}; see effigy --help", said.join(" "))
}

fn run(command: &Command, ui: &Ui) -> anyhow::Result<Status> {
    match command {
        Command::Train(args) => train::run(args, ui),
        Command::Infer(args) => infer::run(args, ui),
        Command::Export(args) => export::run(args, ui),
        Command::Evaluate(args) => evaluate::run(args, ui),
        Command::Compare(args) => compare::run(args, ui),
        Command::Baseline(args) => baseline::run(args, ui),
        Command::Report(args) => report::run(args, ui),
        Command::Runs(args) => runs::run(args, ui),
        Command::Synth(args) => synth::run(args, ui),
        Command::Devices(args) => devices::run(args, ui),
        Command::Convolve(args) => convolve::run(args, ui),
        Command::Recover(args) => recover::run(args, ui),
        Command::Reorder(args) => reorder::run(args, ui),
        Command::Spectrum(args) => spectrum::run(args, ui),
        Command::Collage(args) => collage::run(args, ui),
        Command::Stretch(args) => stretch::run(args, ui),
        Command::Inspect(args) => inspect::run(args, ui),
        Command::Bench(Bench::Infer(args)) => bench_infer::run(args, ui),
        Command::Bench(Bench::Train(args)) => bench_train::run(args, ui),
    }
}
