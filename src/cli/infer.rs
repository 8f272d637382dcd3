//! `effigy infer`.

use super::Status;
use super::pipes::{self, Spool};
use super::ui::Ui;
use crate::commands::infer::{self, Outcome, Request};
use std::path::{Path, PathBuf};

/// Plays every input through the network; `-` is standard input or output.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let spool = Spool::new();
    let mut played = request.clone();
    let mut named = Vec::new();
    for input in &mut played.inputs {
        if pipes::is_dash(input) {
            let file = spool.standard_input()?;
            named.push((std::mem::replace(input, file.clone()), file));
        }
    }
    let to_pipe = pipes::is_dash(&request.output);
    if to_pipe {
        played.output = spool.file("standard-output.wav");
    }
    let mut outcome = infer::infer(&played, ui)?;
    for file in &mut outcome.files {
        for (dash, spooled) in &named {
            if file.input == *spooled {
                file.input.clone_from(dash);
            }
        }
    }
    if to_pipe {
        for file in &mut outcome.files {
            pipes::to_standard_output(&file.output)?;
            file.output = PathBuf::from(pipes::DASH);
        }
        ui.say(&prose(&outcome));
    } else {
        ui.report(&outcome, prose)?;
    }
    Ok(Status::Done)
}

fn prose(outcome: &Outcome) -> String {
    let shown = |path: &Path, pipe: &str| match pipes::is_dash(path) {
        true => pipe.to_string(),
        false => path.display().to_string(),
    };
    let lines = outcome.files.iter().map(|file| {
        format!(
            "{} → {} ({} frames)",
            shown(&file.input, "standard input"),
            shown(&file.output, "standard output"),
            file.frames
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}
