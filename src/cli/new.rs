//! `effigy new`.

use super::Status;
use super::ui::Ui;
use crate::commands::new::{self, Request};

/// Writes the config and prints the next command.
///
/// # Errors
/// Recordings that no training could use, a config that exists, a folder that cannot be written.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = new::new(request, ui)?;
    ui.report(&outcome, |o| {
        let mut text = format!("{}: {}\n", o.config.display(), o.summary);
        for problem in &o.check.problems {
            text += &format!("problem: {problem}\n");
        }
        text + &format!("next: effigy train {}", o.config.display())
    })?;
    Ok(Status::Done)
}
