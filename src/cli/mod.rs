//! The command line: arguments, progress bars, tables, exit codes.
//!
//! One file per verb turns the command's typed outcome into text.
//! Knows nothing of how anything is computed.

mod baseline;
mod bench_infer;
mod bench_train;
mod check;
mod collage;
mod compare;
mod completions;
mod convolve;
mod definition;
mod devices;
mod evaluate;
mod export;
mod infer;
mod inspect;
mod interrupts;
mod man;
mod new;
mod pack;
mod pipes;
mod plain;
mod readme;
mod recover;
mod reorder;
mod report;
mod rows;
mod runs;
mod screen;
mod spectrum;
mod status;
mod stretch;
mod studio;
mod synth;
mod told;
mod train;
pub mod ui;

pub use status::Status;

use crate::simd::{self, Isa};
use anyhow::Context;
use definition::{Bench, Command, definition, typed};
use std::process::ExitCode;
use ui::Ui;

/// Runs the process's command line. Errors are one line on stderr.
///
/// Exit codes: 0 done, 1 a requested criterion was not met, 2 error.
pub fn main() -> ExitCode {
    ui::report_panics_in_one_line();
    quiet_vulkan();
    let (cli, verb) = match typed() {
        Ok(typed) => typed,
        Err(error) if error.use_stderr() => {
            screen::say(&one_line(&error.to_string()));
            return ExitCode::from(2);
        }
        // --help and --version.
        Err(text) => text.exit(),
    };
    let ui = Ui::new(cli.json, cli.quiet);
    // A studio has nothing to finish: what it does lies on the disk, or in processes of their own.
    if !matches!(cli.command, Command::Studio(_)) {
        interrupts::catch();
    }
    match std::panic::catch_unwind(|| run(&cli.command, &ui)) {
        Ok(Ok(Status::Done)) => ExitCode::SUCCESS,
        Ok(Ok(Status::CriterionMissed)) => ExitCode::from(1),
        Ok(Ok(Status::SomeFailed)) => ExitCode::from(2),
        Ok(Err(error)) => {
            ui.fail(&readme::explain(&error, &verb));
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
    // Here, since the arithmetic itself passes a wrong one over.
    Isa::from_environment().context(simd::ENVIRONMENT)?;
    match command {
        Command::Check(args) => check::run(args, ui),
        Command::New(args) => new::run(args, ui),
        Command::Train(args) => train::run(args, ui),
        Command::Pack(args) => pack::run(args, ui),
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
        Command::Studio(args) => studio::run(args, &definition(), ui),
        Command::Inspect(args) => inspect::run(args, ui),
        Command::Completions(args) => completions::run(args, definition(), ui),
        Command::Man(args) => man::run(args, definition(), ui),
        Command::Bench(Bench::Infer(args)) => bench_infer::run(args, ui),
        Command::Bench(Bench::Train(args)) => bench_train::run(args, ui),
    }
}
