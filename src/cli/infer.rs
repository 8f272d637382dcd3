//! `effigy infer`.

use super::Status;
use super::ui::Ui;
use crate::commands::infer::{self, Request};

/// Plays every input through the network.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = infer::infer(request, ui)?;
    ui.report(&outcome, |outcome| {
        let lines = outcome.files.iter().map(|file| {
            format!(
                "{} → {} ({} frames)",
                file.input.display(),
                file.output.display(),
                file.frames
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    })?;
    Ok(Status::Done)
}
