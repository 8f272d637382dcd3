//! `effigy synth`.

use super::Status;
use super::rows::Format;
use super::ui::Ui;
use crate::commands::synth::{self, SynthRequest};
use std::path::PathBuf;

/// Write a config's generated dry/wet pairs as WAV files
///
/// The folder also gets data.toml, a [data] table that names the files for another config.
///
/// Example:
///   effigy synth --config configs/conv.toml -o datasets/overdrive
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A config with generated pairs, such as configs/conv.toml.
    #[arg(long, short)]
    config: PathBuf,
    /// Override a config key; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Folder for the WAV files and data.toml.
    #[arg(long, short)]
    output: PathBuf,
    /// Sample format of the files.
    #[arg(long, value_enum, default_value = "s24")]
    format: Format,
}

/// Writes the dataset.
pub fn run(args: &Args, ui: &Ui) -> anyhow::Result<Status> {
    let request = SynthRequest {
        config: args.config.clone(),
        overrides: args.overrides.clone(),
        output: args.output.clone(),
        format: args.format.into(),
    };
    let outcome = synth::synth(&request, ui)?;
    ui.report(&outcome, |outcome| {
        format!(
            "{} files in {}; a config can take its [data] table from {}",
            outcome.files.len(),
            args.output.display(),
            outcome.data.display()
        )
    })?;
    Ok(Status::Done)
}
