//! All commands and options. What each says of itself stands with its arguments.

use super::{completions, man};
use crate::commands::{
    baseline, bench_infer, bench_train, check, collage, compare, convolve, devices, evaluate,
    export, infer, inspect, new, pack, recover, reorder, report, runs, spectrum, stretch, studio,
    synth, train,
};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Learns an audio effect from dry/wet recordings, plays it on new audio, and measures it
/// against classical regression.
#[derive(Debug, Parser)]
#[command(name = "effigy", version, max_term_width = 100)]
pub(super) struct Cli {
    /// Print the result as one JSON object on stdout; progress and notes stay on stderr.
    #[arg(long, global = true, display_order = 1000)]
    pub(super) json: bool,
    /// No progress and no notes; warnings and errors stay.
    #[arg(long, short, global = true, display_order = 1001)]
    pub(super) quiet: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Check(check::Request),
    New(new::Request),
    Train(train::Request),
    #[command(subcommand)]
    Pack(pack::Request),
    Infer(infer::Request),
    Export(export::Request),
    Evaluate(evaluate::Request),
    Compare(compare::Request),
    Baseline(baseline::Request),
    Report(report::Request),
    Runs(runs::Request),
    Synth(synth::Request),
    Devices(devices::Request),
    Convolve(convolve::Request),
    Recover(recover::Request),
    Reorder(reorder::Request),
    Spectrum(spectrum::Request),
    Collage(collage::Request),
    Stretch(stretch::Request),
    Inspect(inspect::Request),
    Studio(studio::Request),
    Completions(completions::Args),
    Man(man::Args),
    /// Measure speed.
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Debug, Subcommand)]
pub(super) enum Bench {
    Infer(bench_infer::Request),
    Train(bench_train::Request),
}

/// All commands and options, for what is generated from them.
pub(super) fn definition() -> clap::Command {
    Cli::command()
}

/// The process's command line, and the name of its command.
pub(super) fn typed() -> Result<(Cli, String), clap::Error> {
    let mut definition = definition();
    let matches = definition.try_get_matches_from_mut(std::env::args_os())?;
    let verb = matches.subcommand_name().unwrap_or_default().to_string();
    let cli = Cli::from_arg_matches(&matches).map_err(|e| e.format(&mut definition))?;
    Ok((cli, verb))
}
