//! `effigy bench infer`: how fast a model plays on one core.

use super::Status;
use super::ui::Ui;
use crate::commands::bench_infer::{self, Outcome, Request};
use crate::report::table::{Table, figure};
use std::path::PathBuf;

/// Measure how fast a network plays on one core
///
/// Block lengths from 16 to 4096: nanoseconds per sample, real-time factor, median and 99th
/// percentile per block, and the fraction of this core's measured multiply-add peak.
///
/// Example:
///   effigy bench infer --model amp.nam --blocks 64,256
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A run, such as checkpoints/conv, or a model file: .nam, .json, .aidax, .safetensors.
    #[arg(long)]
    model: PathBuf,
    /// Block lengths in samples, separated by commas.
    #[arg(long, value_delimiter = ',')]
    blocks: Vec<usize>,
    /// Seconds to measure each block length.
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,
}

/// Runs the command.
///
/// # Errors
/// The file cannot be read or played; a block length or time that makes no sense.
pub fn run(args: &Args, ui: &Ui) -> anyhow::Result<Status> {
    let request = Request {
        model: args.model.clone(),
        blocks: args.blocks.clone(),
        seconds: args.seconds,
    };
    let outcome = bench_infer::bench_infer(&request, ui)?;
    ui.report(&outcome, prose)?;
    Ok(Status::Done)
}

fn prose(outcome: &Outcome) -> String {
    let mut text = String::new();
    for row in &outcome.networks {
        let timing = &row.timing;
        text += &format!(
            "{}\n{} multiply-adds per sample; one core of {}, {}: peak {} GFLOP/s\n",
            row.name,
            timing.macs_per_sample,
            timing.processor,
            timing.isa,
            figure(timing.peak_gflops)
        );
        let headings = [
            "block",
            "ns/sample",
            "real time",
            "p50 µs",
            "p99 µs",
            "of peak",
        ];
        let mut table = Table::new(headings);
        for block in &timing.blocks {
            table.row([
                block.block.to_string(),
                figure(block.ns_per_sample),
                format!("{:.1}×", block.real_time_factor),
                figure(block.p50_us),
                figure(block.p99_us),
                format!("{:.1} %", block.fraction_of_peak * 100.0),
            ]);
        }
        text += &format!("{table}\n");
    }
    text
}
