//! `effigy baseline`.

use super::Status;
use super::rows;
use super::ui::Ui;
use crate::commands::baseline::{self, Outcome, Request};
use std::fmt::Write;

/// Fits and prints a table.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = baseline::baseline(request, ui)?;
    ui.report(&outcome, prose)?;
    let baselines = outcome.rows.iter().filter(|row| row.cost.is_some());
    let best = baselines
        .map(|row| row.row.metrics.esr)
        .min_by(f64::total_cmp);
    Ok(Status::of_esr(request.require_esr, best))
}

fn prose(outcome: &Outcome) -> String {
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
