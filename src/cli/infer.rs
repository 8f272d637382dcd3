//! `effigy infer`.

use super::Status;
use super::rows::Format;
use super::ui::Ui;
use crate::commands::infer::{self, InferRequest};
use std::path::PathBuf;

/// Play sound files through a trained network or a model file
///
/// Reads and writes block by block, so that length costs no memory; another rate than the
/// network's is resampled there and back.
///
/// Examples:
///   effigy infer --model checkpoints/my-pedal song.wav -o song-through-pedal.wav
///   effigy infer --model checkpoints/amp --control gain=0.7 takes/*.wav -o through-amp/
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The run whose best weights are used, such as checkpoints/conv, or a model file: .nam,
    /// .json, .aidax, .safetensors.
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
    /// engine (all cores), or what training runs on: auto, flex, ndarray, wgpu[:n] or cuda[:n].
    #[arg(long, default_value = crate::playing::instrument::ENGINE)]
    device: String,
    /// Which size of a slimmable model plays, 0 the smallest to 1 the full one [default: 1].
    #[arg(long)]
    size: Option<f64>,
    /// Where a knob stands, NAME=VALUE, once per knob [default: the middle of what was learned].
    #[arg(long = "control", value_name = "NAME=VALUE", value_parser = control)]
    controls: Vec<(String, f32)>,
}

/// `gain=0.5`
pub(super) fn control(text: &str) -> Result<(String, f32), String> {
    let wrong = || "the form is NAME=VALUE, such as gain=0.5".to_string();
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    Ok((
        name.trim().to_string(),
        value.trim().parse().map_err(|_| wrong())?,
    ))
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
        size: args.size,
        controls: args.controls.iter().cloned().collect(),
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
