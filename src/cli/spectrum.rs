//! Arguments and text of `effigy spectrum`.

use super::Status;
use super::ui::Ui;
use crate::commands::spectrum::{self, Request};
use crate::dsp::stft::StftParams;
use crate::resynth::spectral;
use clap::ValueEnum;
use std::path::PathBuf;

/// Take a recording's spectra apart: phases dropped, frequencies inverted, bins shuffled
///
/// Examples:
///   effigy spectrum bells.wav -o robot.wav --effect drop-phase
///   effigy spectrum bells.wav -o shuffled.wav --effect shuffle-bins --seed 7 --plot shuffled.png
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The recording (WAV, FLAC, MP3 or OGG)
    input: PathBuf,
    /// The WAV file to write
    #[arg(short, long)]
    output: PathBuf,
    /// What is done to every frame's spectrum
    #[arg(long, value_enum)]
    effect: Effect,
    /// Samples from one frame to the next
    #[arg(long, default_value_t = 400)]
    hop: usize,
    /// Samples under the window of a frame
    #[arg(long, default_value_t = 2000)]
    win: usize,
    /// Samples per transform, at least the window [default: the window]
    #[arg(long)]
    n_fft: Option<usize>,
    /// Seed of shuffle-bins
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Compute as the notebook did: from a mono mix; dropped phases put each pulse where the
    /// window begins, inverted frequencies are only turned over, shuffled bins are half lost
    #[arg(long)]
    compat: bool,
    /// Draw the spectrograms before and after to this .png or .svg file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// The effects.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Effect {
    /// Magnitudes only: every frame becomes one pulse, a buzz at the frame rate
    DropPhase,
    /// The lowest frequency becomes the highest and the other way round
    InvertFrequency,
    /// Frames in reverse order, each played forwards
    ReverseTime,
    /// Frequencies exchanged at random, the same way in every frame
    ShuffleBins,
    /// Imaginary parts dropped: every frame is joined by its mirror image
    RealOnly,
}

/// Runs the verb and reports what it made.
///
/// # Errors
/// Those of the command.
pub fn run(args: &Args, ui: &Ui) -> anyhow::Result<Status> {
    let request = Request {
        input: args.input.clone(),
        output: args.output.clone(),
        picture: args.plot.clone(),
        effect: match args.effect {
            Effect::DropPhase => spectral::Effect::DropPhase,
            Effect::InvertFrequency => spectral::Effect::InvertFrequency,
            Effect::ReverseTime => spectral::Effect::ReverseTime,
            Effect::ShuffleBins => spectral::Effect::ShuffleBins,
            Effect::RealOnly => spectral::Effect::RealOnly,
        },
        transform: StftParams::new(args.n_fft.unwrap_or(args.win), args.win, args.hop)?,
        seed: args.seed,
        compat: args.compat,
    };
    let outcome = spectrum::run(&request, ui)?;
    ui.report(&outcome, |o| {
        let picture = o
            .picture
            .as_deref()
            .map_or(String::new(), |p| format!("\npicture: {}", p.display()));
        format!(
            "{}: {}, {}{picture}",
            o.sound.file.display(),
            o.effect,
            super::stretch::describe(&o.sound)
        )
    })?;
    Ok(Status::Done)
}
