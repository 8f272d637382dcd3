//! `spectrum`: effects on a recording's spectra, frame by frame.

use super::recording::{self, Written, mix};
use crate::dsp::mel::MelBank;
use crate::dsp::stft::{Stft, StftParams};
use crate::progress::Observer;
use crate::report::figure::Figure;
use crate::report::plot::{self, MelSpectrogram};
use crate::report::save::check_ending;
use crate::resynth::features::measure;
use crate::resynth::spectral::{self, Effect};
use anyhow::ensure;
use serde::Serialize;
use std::path::PathBuf;

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The recording.
    pub input: PathBuf,
    /// The WAV file to write.
    pub output: PathBuf,
    /// A picture of the spectrograms before and after (`.png` or `.svg`).
    pub picture: Option<PathBuf>,
    /// The effect.
    pub effect: Effect,
    /// The frames.
    pub transform: StftParams,
    /// Seed of what is random.
    pub seed: u64,
    /// As the notebook computed it, from a mono mix.
    pub compat: bool,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The recording.
    pub input: PathBuf,
    /// The effect.
    pub effect: &'static str,
    /// The sound.
    pub sound: Written,
    /// The picture.
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
    recording::check_output(&[&request.input], &request.output)?;
    if let Some(picture) = &request.picture {
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
    let stft = Stft::new(request.transform);
    let made = spectral::apply(
        &stft,
        channels,
        request.effect,
        request.compat,
        request.seed,
        observer,
    )?;
    if let Some(path) = &request.picture {
        let bank = MelBank::new(rate, request.transform.n_fft(), MELS);
        let mut figure = Figure::new(1000.0, 690.0);
        let name = request.effect.name();
        let sides = [
            (channels, "before".to_string()),
            (&made, format!("after {name}")),
        ];
        for (i, (sound, title)) in sides.into_iter().enumerate() {
            let table = measure(&stft, &bank, rate, &mix(sound), observer)?;
            let energies: Vec<f32> = table.mel.iter().flatten().copied().collect();
            let shown = MelSpectrogram {
                energies: &energies,
                centres_hz: bank.centres_hz(),
                seconds: rate.seconds(request.transform.hop_length() * table.mel.rows()),
            };
            let at = [80.0, 40.0 + 345.0 * i as f64, 800.0, 250.0];
            plot::mel_spectrogram(&format!("Mel spectrogram {title}"), shown).draw(&mut figure, at);
        }
        figure.write(path)?;
    }
    Ok(Outcome {
        input: request.input.clone(),
        effect: request.effect.name(),
        sound: recording::write(&request.output, made, rate, recording.format, observer)?,
        picture: request.picture.clone(),
    })
}
