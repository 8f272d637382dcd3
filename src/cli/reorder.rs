//! `effigy reorder`.

use super::Status;
use super::ui::Ui;
use crate::commands::reorder::{self, Outcome, Request};
use crate::report::table::{Table, figure};

/// Runs the verb and reports what it made.
///
/// # Errors
/// Those of the command.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = reorder::run(request, ui)?;
    ui.report(&outcome, text)?;
    Ok(Status::Done)
}

fn text(outcome: &Outcome) -> String {
    let mut table = Table::new([
        "order",
        "frames",
        "mean step",
        "in time",
        "ordering s",
        "length s",
        "file",
    ]);
    for row in &outcome.rows {
        table.row([
            row.name.clone(),
            row.frames.to_string(),
            figure(row.mean_step),
            figure(row.mean_step_in_time),
            figure(row.order_seconds),
            figure(row.sound.seconds),
            row.sound.file.display().to_string(),
        ]);
    }
    let mut text = table.to_string();
    for picture in outcome.rows.iter().filter_map(|r| r.picture.as_ref()) {
        if outcome.page.is_none() {
            text += &format!("picture: {}\n", picture.display());
        }
    }
    if let Some(page) = &outcome.page {
        text += &format!("listen and compare: {}\n", page.display());
    }
    text
}
