//! `effigy synth`.

use super::Status;
use super::ui::Ui;
use crate::commands::synth::{self, Request};

/// Writes the dataset.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = synth::synth(request, ui)?;
    ui.report(&outcome, |outcome| {
        format!(
            "{} files in {}; a config can take its [data] table from {}",
            outcome.files.len(),
            request.output.display(),
            outcome.data.display()
        )
    })?;
    Ok(Status::Done)
}
