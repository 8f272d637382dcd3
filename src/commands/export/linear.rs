//! A linear effect as the WAV of its impulse response.

use super::{Request, ir, refuse_input, refuse_stereo};
use crate::formats::Format;
use crate::playing::Playable;
use anyhow::{Result, bail, ensure};
use serde::Serialize;
use std::path::PathBuf;

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
    refuse_stereo(&network, "ir")?;
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
    ir::write(&request.output, network.sample_rate, &taps)?;
    Ok(Outcome {
        file: request.output.clone(),
        format: "ir",
        sample_rate: network.sample_rate,
        taps: taps.len(),
    })
}
