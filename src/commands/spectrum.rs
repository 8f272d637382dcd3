//! `spectrum`: effects on a recording's spectra, frame by frame.

use super::arguments::one_of;
use super::recording::{self, Written, mix};
use crate::audio::SampleRate;
use crate::dsp::mel::MelBank;
use crate::dsp::stft::{Stft, StftParams};
use crate::progress::Observer;
use crate::report::figure::Figure;
use crate::report::plot::{self, MelSpectrogram};
use crate::report::save::check_ending;
use crate::resynth::ResynthError;
use crate::resynth::features::measure;
use crate::resynth::spectral::{self, Effect};
use anyhow::ensure;
use serde::Serialize;
use std::path::PathBuf;

/// Take a recording's spectra apart: phases dropped, frequencies inverted, bins shuffled
///
/// Examples:
///   effigy spectrum bells.wav -o robot.wav --effect drop-phase
///   effigy spectrum bells.wav -o shuffled.wav --effect shuffle-bins --seed 7 --plot shuffled.png
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// The recording (WAV, AIFF, FLAC, MP3 or OGG)
    pub input: PathBuf,
    /// The WAV file to write
    #[arg(short, long)]
    pub output: PathBuf,
    /// What is done to every frame's spectrum
    #[arg(long, value_parser = one_of(EFFECTS))]
    pub effect: Effect,
    /// Samples from one frame to the next
    #[arg(long, default_value_t = 400)]
    pub hop: usize,
    /// Samples under the window of a frame
    #[arg(long, default_value_t = 2000)]
    pub win: usize,
    /// Samples per transform, at least the window [default: the window]
    #[arg(long)]
    pub n_fft: Option<usize>,
    /// Seed of shuffle-bins
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Compute as the notebook did: from a mono mix; dropped phases put each pulse where the
    /// window begins, inverted frequencies are only turned over, shuffled bins are half lost
    #[arg(long)]
    pub compat: bool,
    /// Draw the spectrograms before and after to this .png or .svg file
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

/// The effects and what help says of them.
const EFFECTS: &[(&str, &str, Effect)] = &[
    (
        Effect::DropPhase.name(),
        "Magnitudes only: every frame becomes one pulse, a buzz at the frame rate",
        Effect::DropPhase,
    ),
    (
        Effect::InvertFrequency.name(),
        "The lowest frequency becomes the highest and the other way round",
        Effect::InvertFrequency,
    ),
    (
        Effect::ReverseTime.name(),
        "Frames in reverse order, each played forwards",
        Effect::ReverseTime,
    ),
    (
        Effect::ShuffleBins.name(),
        "Frequencies exchanged at random, the same way in every frame",
        Effect::ShuffleBins,
    ),
    (
        Effect::RealOnly.name(),
        "Imaginary parts dropped: every frame is joined by its mirror image",
        Effect::RealOnly,
    ),
];

/// What was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The recording.
    #[serde(serialize_with = "crate::files::path_text")]
    pub input: PathBuf,
    /// The effect.
    pub effect: &'static str,
    /// The sound.
    pub sound: Written,
    /// The picture.
    #[serde(serialize_with = "crate::files::path_text_if_any")]
    pub picture: Option<PathBuf>,
}

/// Mel bands in the picture.
const MELS: usize = 128;

/// Applies the effect.
///
/// # Errors
/// The recording cannot be read, the frames do not overlap enough, a file cannot be written, or
/// the user asked to stop.
pub fn run(request: &Request, observer: &dyn Observer) -> anyhow::Result<Outcome> {
    let n_fft = request.n_fft.unwrap_or(request.win);
    let transform = StftParams::new(n_fft, request.win, request.hop)?;
    recording::check_output(&[&request.input], &request.output)?;
    if let Some(picture) = &request.plot {
        check_ending(picture)?;
        recording::keep_inputs(&[&request.input], picture)?;
    }
    ensure!(
        !request.compat || request.seed <= u64::from(u32::MAX),
        "seed {} is out of range; with --compat it must be 0 to {}",
        request.seed,
        u32::MAX
    );
    let recording = recording::read(&request.input)?;
    let rate = recording.audio.sample_rate();
    let mono;
    let channels = if request.compat {
        mono = [mix(recording.audio.channels())];
        mono.as_slice()
    } else {
        recording.audio.channels()
    };
    let stft = Stft::new(transform);
    let made = spectral::apply(
        &stft,
        channels,
        request.effect,
        request.compat,
        request.seed,
        observer,
    )?;
    if let Some(path) = &request.plot {
        let after = format!("after {}", request.effect.name());
        let sides = [(channels, "before"), (made.as_slice(), after.as_str())];
        draw(&stft, rate, sides, observer)?.write(path)?;
    }
    Ok(Outcome {
        input: request.input.clone(),
        effect: request.effect.name(),
        sound: recording::write(&request.output, made, rate, recording.format, observer)?,
        picture: request.plot.clone(),
    })
}

/// The mel spectrograms of both sides, one below the other.
fn draw(
    stft: &Stft,
    rate: SampleRate,
    sides: [(&[Vec<f32>], &str); 2],
    observer: &dyn Observer,
) -> Result<Figure, ResynthError> {
    let transform = stft.params();
    let bank = MelBank::new(rate, transform.n_fft(), MELS);
    let mut figure = Figure::new(1000.0, 690.0);
    for ((sound, side), top) in sides.into_iter().zip([40.0, 385.0]) {
        let table = measure(stft, &bank, rate, &mix(sound), observer)?;
        let energies: Vec<f32> = table.mel.iter().flatten().copied().collect();
        let shown = MelSpectrogram {
            energies: &energies,
            centres_hz: bank.centres_hz(),
            seconds: rate.seconds(transform.hop_length() * table.mel.rows()),
        };
        plot::mel_spectrogram(&format!("Mel spectrogram {side}"), shown)
            .draw(&mut figure, [80.0, top, 800.0, 250.0]);
    }
    Ok(figure)
}
