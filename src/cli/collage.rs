//! `effigy collage`.

use super::Status;
use super::rows::sound;
use super::ui::Ui;
use crate::commands::collage::{self, Request};

/// Runs the verb and reports what it made.
///
/// # Errors
/// Those of the command.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = collage::run(request, ui)?;
    ui.report(&outcome, |o| {
        let pieces = o.segments * o.inputs.len();
        format!(
            "{}: {pieces} segments, {}",
            o.sound.file.display(),
            sound(&o.sound)
        )
    })?;
    Ok(Status::Done)
}
