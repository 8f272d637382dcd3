//! `effigy infer`.

use super::Status;
use super::pipes::{self, Incoming, Outgoing};
use super::ui::Ui;
use crate::commands::infer::{self, Outcome, Request};
use anyhow::{Context, ensure};
use std::path::Path;

/// Plays every input through the network; `-` is standard input or output.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let dashes = request.inputs.iter().filter(|i| pipes::is_dash(i)).count();
    ensure!(dashes <= 1, "standard input (-) can be read once");
    let incoming = (dashes == 1).then(Incoming::read).transpose();
    let incoming = incoming.context("standard input")?;
    let outgoing = pipes::is_dash(&request.output).then(Outgoing::new);
    let mut played = request.clone();
    if let Some(incoming) = &incoming {
        let dashes = played.inputs.iter_mut().filter(|i| pipes::is_dash(i));
        dashes.for_each(|input| *input = incoming.path().to_path_buf());
    }
    if let Some(outgoing) = &outgoing {
        played.output = outgoing.path().to_path_buf();
    }
    let mut outcome = infer::infer(&played, ui)?;
    for (file, input) in outcome.files.iter_mut().zip(&request.inputs) {
        file.input.clone_from(input);
        if outgoing.is_some() {
            file.output.clone_from(&request.output);
        }
    }
    match outgoing {
        Some(outgoing) => {
            outgoing.send().context("standard output")?;
            ui.say(&prose(&outcome));
        }
        None => ui.report(&outcome, prose)?,
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
