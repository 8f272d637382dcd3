//! `effigy evaluate`.

use super::Status;
use super::rows;
use super::ui::Ui;
use crate::commands::evaluate::{self, EvaluateRequest};
use crate::config::Latency;
use std::path::PathBuf;

/// Score a trained network, baseline or model file on one more dry/wet pair
///
/// Prints its figures beside those of the dry sound itself (identity): what does not
/// beat it has learned nothing.
///
/// Example:
///   effigy evaluate --model checkpoints/my-pedal --dry other-dry.wav --wet other-wet.wav
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A run (its best weights are used), a saved baseline, or a model file such as amp.nam.
    #[arg(long, short)]
    model: PathBuf,
    /// Recording without the effect.
    #[arg(long)]
    dry: PathBuf,
    /// The same passage through the effect.
    #[arg(long)]
    wet: PathBuf,
    /// Samples by which wet lags, or auto to measure it, or fractional to measure it to a fraction
    /// of a sample.
    #[arg(long, default_value = "auto", value_parser = latency, allow_hyphen_values = true)]
    latency: Latency,
    /// auto, flex, ndarray, wgpu[:n] or cuda[:n].
    #[arg(long, default_value = "auto")]
    device: String,
    /// Where a knob stood, NAME=VALUE, once per knob [default: the middle of what was learned].
    #[arg(long = "control", value_name = "NAME=VALUE", value_parser = super::infer::control)]
    controls: Vec<(String, f32)>,
    /// Exit with code 1 unless the model's ESR is at most this.
    #[arg(long, value_name = "ESR")]
    require_esr: Option<f64>,
}

fn latency(text: &str) -> Result<Latency, String> {
    match text {
        "auto" => Ok(Latency::Auto),
        "fractional" => Ok(Latency::Fractional),
        number => number
            .parse()
            .map(Latency::Samples)
            .map_err(|_| "auto, fractional or a whole number of samples".to_string()),
    }
}

/// Prints the model's figures beside identity's.
pub fn run(args: &Args, ui: &Ui) -> anyhow::Result<Status> {
    let request = EvaluateRequest {
        model: args.model.clone(),
        dry: args.dry.clone(),
        wet: args.wet.clone(),
        latency: args.latency,
        device: args.device.clone(),
        controls: args.controls.iter().cloned().collect(),
    };
    let outcome = evaluate::evaluate(&request, ui)?;
    ui.report(&outcome, |outcome| rows::table(&outcome.rows).to_string())?;
    let esr = outcome.rows.first().map(|row| row.metrics.esr);
    Ok(Status::of_esr(args.require_esr, esr))
}
