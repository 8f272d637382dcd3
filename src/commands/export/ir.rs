//! A filter as the WAV of its impulse response, which any loader of impulse responses plays: all
//! of a linear effect, or the tail behind a network.

use super::{Request, refuse_input};
use crate::audio::{Audio, SampleFormat, SampleRate, decode, encode};
use crate::formats::Format;
use crate::network::Network;
use crate::playing::Playable;
use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The file.
    #[serde(serialize_with = "crate::files::path_text")]
    pub file: PathBuf,
    /// Always "ir".
    pub format: &'static str,
    /// Hertz.
    pub sample_rate: u32,
    /// Samples of the impulse response.
    pub taps: usize,
}

/// Whether the output is to be such a file.
pub fn is_wanted(request: &Request) -> bool {
    let ending = request.output.extension();
    let is_sound = ending.is_some_and(|e| e.eq_ignore_ascii_case("wav"));
    request.format == Some(Format::Ir) || (request.format.is_none() && is_sound)
}

/// Writes the impulse response of a linear effect.
///
/// # Errors
/// A network that is not linear; another ending than `.wav`.
pub fn export(request: &Request) -> Result<Outcome> {
    refuse_input(request)?;
    let ending = request.output.extension();
    ensure!(
        ending.is_some_and(|e| e.eq_ignore_ascii_case("wav")),
        "{}: loaders of impulse responses look for names that end in .wav",
        request.output.display()
    );
    let network = Playable::open(&request.model)?.network()?;
    let Some(taps) = network.impulse_response() else {
        match network.tail.is_empty() {
            true => bail!(
                "{}: this {} is not linear, and an impulse response says nothing else; formats that \
                 can carry it: see effigy export --help",
                request.model.display(),
                network.family()
            ),
            false => bail!(
                "{}: only its tail is linear; export it as .nam, .aidax or another format, and the \
                 tail is written beside it",
                request.model.display()
            ),
        }
    };
    write(&request.output, network.sample_rate, &taps)?;
    Ok(Outcome {
        file: request.output.clone(),
        format: "ir",
        sample_rate: network.sample_rate,
        taps: taps.len(),
    })
}

/// Where the tail of a network stands that is written to `output`.
pub(super) fn beside(output: &Path) -> PathBuf {
    let stem = output.file_stem().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!("{stem}-ir.wav"))
}

/// Writes the taps, and reads them again.
pub(super) fn write(path: &Path, sample_rate: u32, taps: &[f32]) -> Result<()> {
    let rate = SampleRate::new(sample_rate).context("the network runs at 0 Hz")?;
    encode::write(
        path,
        &Audio::mono(rate, taps.to_vec()),
        SampleFormat::Float(32),
    )?;
    let read = decode::read(path)?.audio;
    ensure!(
        read.channels()[0] == taps && read.sample_rate() == rate,
        "{}: the file holds something else than was written",
        path.display()
    );
    Ok(())
}

/// The network of a file of another program, `reread`, with the tail that stands beside it.
pub(super) fn joined(reread: &Network, path: &Path) -> Result<Network> {
    let tail = decode::read(path)?.audio.into_channels().swap_remove(0);
    Ok(Network {
        tail,
        ..reread.clone()
    })
}
