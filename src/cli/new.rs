//! `effigy new`.

use super::Status;
use super::ui::Ui;
use crate::commands::new::{self, NewRequest};
use std::path::PathBuf;

/// Write a config that suits a dry and a wet recording
///
/// Looks at both as `effigy check` does, and writes NAME.toml: the latency, a split into training,
/// validation and test, and a network for the kind of effect, with the reasons as comments.
///
/// Examples:
///   effigy new my-pedal --dry my-dry.wav --wet my-wet.wav
///   effigy train my-pedal.toml
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Names the config and the run: letters, digits, '-', '_' and '.'; a folder may precede it
    name: PathBuf,
    /// Recording without the effect (WAV, FLAC, MP3 or OGG)
    #[arg(long)]
    dry: PathBuf,
    /// The same passage through the effect
    #[arg(long)]
    wet: PathBuf,
    /// Samples by which wet lags, if you know it [default: measured]
    #[arg(long, value_name = "SAMPLES", allow_hyphen_values = true)]
    latency: Option<i64>,
    /// Write over an existing config
    #[arg(long)]
    force: bool,
}

/// Writes the config and prints the next command.
///
/// # Errors
/// Recordings that no training could use, a config that exists, a folder that cannot be written.
pub fn run(args: &Args, ui: &Ui) -> anyhow::Result<Status> {
    let request = NewRequest {
        name: args.name.clone(),
        dry: args.dry.clone(),
        wet: args.wet.clone(),
        latency_samples: args.latency,
        force: args.force,
    };
    let outcome = new::new(&request, ui)?;
    ui.report(&outcome, |o| {
        let mut text = format!("{}: {}\n", o.config.display(), o.summary);
        for problem in &o.check.problems {
            text += &format!("problem: {problem}\n");
        }
        text + &format!("next: effigy train {}", o.config.display())
    })?;
    Ok(Status::Done)
}
