//! `effigy bench infer`: how fast a model plays on one core.

use super::Status;
use super::ui::Ui;
use crate::commands::bench_infer::{self, Outcome, Request};
use crate::report::table::{Table, figure};

/// Runs the command.
///
/// # Errors
/// The file cannot be read or played; a block length or time that makes no sense.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = bench_infer::bench_infer(request, ui)?;
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
