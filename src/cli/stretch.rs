//! Arguments and text of `effigy stretch`.

use super::Status;
use super::ui::Ui;
use crate::commands::recording::Written;
use crate::commands::stretch::{self, Method, Request};
use crate::dsp::stft::StftParams;
use crate::report::table::figure;
use crate::resynth::interpolate::Between;
use std::path::PathBuf;

/// Make a recording longer, shorter or backwards, at its own pitch or as on tape
///
/// Examples:
///   effigy stretch bells.wav -o slow.wav --factor 2.5
///   effigy stretch bells.wav -o tape.wav --factor -1.42 --tape
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The recording (WAV, FLAC, MP3 or OGG)
    input: PathBuf,
    /// The WAV file to write
    #[arg(short, long)]
    output: PathBuf,
    /// New length in terms of the old one (0.01 to 100); negative plays backwards
    #[arg(long, allow_negative_numbers = true)]
    factor: f64,
    /// Let the pitch follow, as on tape
    #[arg(long)]
    tape: bool,
    /// With --tape: straight lines between samples instead of a windowed sinc
    #[arg(long, requires = "tape")]
    linear: bool,
    /// Compute as the notebook did: as on tape, straight lines, first channel, scaled to a peak of
    /// 0.95, with its slews at both ends
    #[arg(long, conflicts_with = "tape")]
    compat: bool,
    /// Phase vocoder: samples from one frame to the next
    #[arg(long, default_value_t = 512)]
    hop: usize,
    /// Phase vocoder: samples under the window of a frame
    #[arg(long, default_value_t = 4096)]
    win: usize,
    /// Phase vocoder: samples per transform, at least the window [default: the window]
    #[arg(long)]
    n_fft: Option<usize>,
}

/// Runs the verb and reports what it made.
///
/// # Errors
/// Those of the command.
pub fn run(args: &Args, ui: &Ui) -> anyhow::Result<Status> {
    let method = if args.compat {
        Method::Notebook
    } else if args.tape {
        Method::Tape(if args.linear {
            Between::Linear
        } else {
            Between::Sinc
        })
    } else {
        let n_fft = args.n_fft.unwrap_or(args.win);
        Method::KeepPitch(StftParams::new(n_fft, args.win, args.hop)?)
    };
    let request = Request {
        input: args.input.clone(),
        output: args.output.clone(),
        factor: args.factor,
        method,
    };
    let outcome = stretch::run(&request, ui)?;
    ui.report(&outcome, |o| {
        let before = figure(o.seconds_before);
        format!(
            "{}: {before} s stretched by {}, {}",
            o.sound.file.display(),
            o.factor,
            describe(&o.sound)
        )
    })?;
    Ok(Status::Done)
}

/// A written sound in words.
pub fn describe(sound: &Written) -> String {
    let channels = match sound.channels {
        1 => "mono".to_string(),
        2 => "stereo".to_string(),
        n => format!("{n} channels"),
    };
    let turned = if sound.gain_db < 0.0 {
        format!(", turned down by {:.1} dB", -sound.gain_db)
    } else {
        String::new()
    };
    format!(
        "{} s, {channels}, peak {:.3}{turned}",
        figure(sound.seconds),
        sound.peak
    )
}
