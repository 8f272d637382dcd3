//! `effigy export`.

use super::Status;
use super::ui::Ui;
use crate::commands::export::{self, ExportOutcome, ExportRequest};
use crate::config::MetadataConfig;
use crate::formats;
use std::fmt::Write;
use std::path::PathBuf;

/// Write a trained network for plugins: .nam, AIDA-X, RTNeural, Proteus, safetensors
///
/// The file is read again and played beside the network before it appears under its name.
///
/// Examples:
///   effigy export --model checkpoints/my-pedal -o my-pedal.nam
///   effigy export --model amp.nam -o amp.aidax
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The run whose best weights are written, or a model file to convert.
    #[arg(long, short)]
    model: PathBuf,
    /// The kind of file [default: what the output's ending says].
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The file to write; it appears only once it was read again and played like the network.
    #[arg(long, short)]
    output: PathBuf,
    #[command(flatten)]
    metadata: MetadataConfig,
    /// Take loudness and gain on this recording instead of the standard signal: the field's own
    /// figures come from its loudness_input.wav.
    #[arg(long, value_name = "WAV")]
    loudness_signal: Option<PathBuf>,
}

/// As on the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// Neural Amp Modeler: WaveNet, LSTM.
    Nam,
    /// RTNeural: recurrent and convolution networks, layer by layer.
    Rtneural,
    /// AIDA-X: one LSTM or GRU layer.
    Aidax,
    /// Proteus: one LSTM or GRU layer of 40 units at 44.1 kHz.
    Proteus,
    /// Every network, weights by name: effigy and tensor libraries.
    Safetensors,
}

impl From<Format> for formats::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Nam => Self::Nam,
            Format::Rtneural => Self::RtNeural,
            Format::Aidax => Self::AidaX,
            Format::Proteus => Self::Proteus,
            Format::Safetensors => Self::Safetensors,
        }
    }
}

/// Writes and verifies.
pub fn run(args: &Args, ui: &Ui) -> anyhow::Result<Status> {
    let request = ExportRequest {
        model: args.model.clone(),
        format: args.format.map(Into::into),
        output: args.output.clone(),
        metadata: args.metadata.clone(),
        loudness_signal: args.loudness_signal.clone(),
    };
    let outcome = export::export(&request, ui)?;
    ui.report(&outcome, prose)?;
    Ok(Status::Done)
}

fn prose(outcome: &ExportOutcome) -> String {
    let mut text = format!(
        "{}: {} {}, {} weights, {} Hz, {} bytes\n",
        outcome.file.display(),
        outcome.format,
        outcome.family,
        outcome.weights,
        outcome.sample_rate,
        outcome.bytes
    );
    let verified = outcome.verified.largest_difference;
    let _ = write!(
        text,
        "read again, it plays like the network to {verified:.1e}"
    );
    if let Some(predicted) = outcome.predicted {
        let difference = predicted.largest_difference;
        let _ = write!(
            text,
            " and like its training prediction to {difference:.1e}"
        );
    }
    if let Some(loudness) = &outcome.loudness {
        let figures = loudness.figures;
        let _ = write!(
            text,
            "\nloudness {:.2} dB, gain {:.3}, on {}",
            figures.loudness, figures.gain, loudness.signal
        );
    }
    text
}
