//! `effigy stretch`.

use super::Status;
use super::rows::sound;
use super::ui::Ui;
use crate::commands::stretch::{self, Request};
use crate::report::table::figure;

/// Runs the verb and reports what it made.
///
/// # Errors
/// Those of the command.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = stretch::run(request, ui)?;
    ui.report(&outcome, |o| {
        let before = figure(o.seconds_before);
        format!(
            "{}: {before} s stretched by {}, {}",
            o.sound.file.display(),
            o.factor,
            sound(&o.sound)
        )
    })?;
    Ok(Status::Done)
}
