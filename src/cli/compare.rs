//! `effigy compare`.

use super::Status;
use super::rows;
use super::train;
use super::ui::Ui;
use crate::commands::compare::{self, Outcome, Request};
use std::fmt::Write;

/// Trains, loads, tests, and prints one table.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let mut printed = None;
    let outcome = compare::compare(request, ui, |run, row, best| {
        if printed.as_deref() != Some(run) {
            ui.say(train::HEADINGS);
            printed = Some(run.to_path_buf());
        }
        ui.say(&train::line(row, best));
    })?;
    ui.report(&outcome, prose)?;
    Ok(Status::of_esr(
        request.require_esr,
        outcome.best_network_esr,
    ))
}

fn prose(outcome: &Outcome) -> String {
    let mut text = rows::models(&outcome.rows).to_string();
    text += &rows::esr_by_pair(&outcome.by_pair);
    text += &rows::delays(&outcome.latencies, outcome.rows.iter().map(|r| &r.row));
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
