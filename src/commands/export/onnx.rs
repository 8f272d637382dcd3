//! A network as ONNX, for the runtimes of other fields. No reader stands here that could read it
//! again: `tests/onnx/check` holds it to the engine with onnxruntime.

use super::{Request, refuse_input, refuse_stereo};
use crate::engine::Engine;
use crate::files;
use crate::formats::onnx;
use crate::playing::Playable;
use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;
use std::path::PathBuf;

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The file.
    #[serde(serialize_with = "crate::files::path_text")]
    pub file: PathBuf,
    /// Always "onnx".
    pub format: &'static str,
    /// WaveNet, LSTM, …
    pub family: String,
    /// Hertz.
    pub sample_rate: u32,
    /// How many samples its output comes late.
    pub latency_samples: usize,
    /// Length of the file.
    pub bytes: usize,
}

/// Whether the output is to be such a file.
pub fn is_wanted(request: &Request) -> bool {
    let ending = request.output.extension();
    request.format.is_none() && ending.is_some_and(|e| e.eq_ignore_ascii_case("onnx"))
}

/// Writes the graph.
///
/// # Errors
/// A network that has no form as a graph.
pub fn export(request: &Request) -> Result<Outcome> {
    refuse_input(request)?;
    let network = Playable::open(&request.model)?.network()?;
    refuse_stereo(&network, "onnx")?;
    ensure!(
        network.tail.is_empty(),
        "onnx has no place for the tail behind this network; safetensors has"
    );
    let full = network.full();
    let silence = Engine::new(full)?.prewarm_samples();
    let bytes = onnx::write(full, silence).map_err(|why| {
        anyhow!("onnx cannot carry this network: {why}; safetensors can carry every one")
    })?;
    files::write(&request.output, &bytes).with_context(|| request.output.display().to_string())?;
    Ok(Outcome {
        file: request.output.clone(),
        format: "onnx",
        family: full.family().to_string(),
        sample_rate: full.sample_rate,
        latency_samples: full.latency_samples(),
        bytes: bytes.len(),
    })
}
