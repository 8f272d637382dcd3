//! `effigy evaluate`.

use super::Status;
use super::rows;
use super::ui::Ui;
use crate::commands::evaluate::{self, Request};

/// Prints the model's figures beside identity's.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = evaluate::evaluate(request, ui)?;
    ui.report(&outcome, |outcome| {
        let table = rows::table(&outcome.rows);
        let sides = rows::esr_by_pair(&outcome.by_side);
        format!(
            "{table}{sides}{}",
            rows::delays(&outcome.latencies, &outcome.rows)
        )
    })?;
    let esr = outcome.rows.first().map(|row| row.metrics.esr);
    Ok(Status::of_esr(request.require_esr, esr))
}
