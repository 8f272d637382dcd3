//! `effigy infer`.

use super::Status;
use super::rows::Format;
use super::ui::Ui;
use crate::commands::infer::{self, InferRequest};
use std::path::PathBuf;

/// Arguments of `effigy infer`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run whose best weights are used, such as checkpoints/conv.
    #[arg(long, short)]
    model: PathBuf,
    /// Sound files: WAV, FLAC, MP3 or OGG, any rate, any number of channels.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// A .wav file for one input, or a folder.
    #[arg(long, short)]
    output: PathBuf,
    /// Sample format of the output [default: the input's].
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Frames read at a time.
    #[arg(long, default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    block: u32,
    /// auto, flex, ndarray, wgpu[:n] or cuda[:n].
    #[arg(long, default_value = "auto")]
    device: String,
}

/// Plays every input through the network.
pub fn run(args: &Args, ui: &Ui) -> anyhow::Result<Status> {
    let request = InferRequest {
        model: args.model.clone(),
        inputs: args.inputs.clone(),
        output: args.output.clone(),
        format: args.format.map(Into::into),
        block_len: args.block as usize,
        device: args.device.clone(),
    };
    let outcome = infer::infer(&request, ui)?;
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
