//! `effigy report`.

use super::Status;
use super::ui::Ui;
use crate::commands::report::{self, Outcome, Request};
use crate::progress::{Event, Observer};
use std::fmt::Write;

/// Draws the page and says where it is.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = report::report(request, ui)?;
    for reason in &outcome.missing {
        ui.event(Event::Warning(reason));
    }
    ui.report(&outcome, prose)?;
    Ok(Status::Done)
}

fn prose(outcome: &Outcome) -> String {
    let mut text = format!(
        "{} ({:.1} MB, {:.1} s): open it in a browser",
        outcome.page.display(),
        outcome.bytes as f64 / 1e6,
        outcome.seconds
    );
    if let Some(folder) = outcome.plots.first().and_then(|p| p.parent()) {
        let _ = write!(
            text,
            "\n{} pictures in {}",
            outcome.plots.len(),
            folder.display()
        );
    }
    text
}
