//! `effigy spectrum`.

use super::Status;
use super::rows::sound;
use super::ui::Ui;
use crate::commands::spectrum::{self, Request};

/// Runs the verb and reports what it made.
///
/// # Errors
/// Those of the command.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = spectrum::run(request, ui)?;
    ui.report(&outcome, |o| {
        let picture = o
            .picture
            .as_deref()
            .map_or(String::new(), |p| format!("\npicture: {}", p.display()));
        format!(
            "{}: {}, {}{picture}",
            o.sound.file.display(),
            o.effect,
            sound(&o.sound)
        )
    })?;
    Ok(Status::Done)
}
