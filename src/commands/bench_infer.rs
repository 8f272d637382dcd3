//! `bench infer`: how fast a model plays on one core of this machine.

use crate::engine::timing::{self, BLOCK_LENGTHS, Timing};
use crate::playing::Playable;
use crate::progress::{Event, Observer};
use anyhow::{bail, ensure};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// Measure how fast a network plays on one core
///
/// Block lengths from 16 to 4096: nanoseconds per sample, real-time factor, median and 99th
/// percentile per block, and the fraction of this core's measured multiply-add peak.
///
/// Example:
///   effigy bench infer --model amp.nam --blocks 64,256
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// A run, such as checkpoints/conv, or a model file: .nam, .json, .aidax, .safetensors.
    #[arg(long)]
    pub model: PathBuf,
    /// Block lengths in samples, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub blocks: Vec<usize>,
    /// Seconds to measure each block length.
    #[arg(long, default_value_t = 0.5)]
    pub seconds: f64,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The run's folder or the model file.
    #[serde(serialize_with = "crate::files::path_text")]
    pub model: PathBuf,
    /// The network, or every size of a slimmable one, smallest first.
    pub networks: Vec<Row>,
}

/// One network's speed.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What it is ("WaveNet 16/8 channels …").
    pub name: String,
    /// The figures.
    #[serde(flatten)]
    pub timing: Timing,
}

/// The longest block measured: a minute at 48 kHz.
const LONGEST_BLOCK: usize = 60 * 48_000;

/// Reads and times a model.
///
/// # Errors
/// The file cannot be read or played; a block length or time that makes no sense; an interrupt.
pub fn bench_infer(request: &Request, observer: &dyn Observer) -> anyhow::Result<Outcome> {
    if !(request.seconds > 0.0 && request.seconds <= 600.0) {
        bail!("--seconds {} is not between 0 and 600", request.seconds);
    }
    if let Some(block) = request
        .blocks
        .iter()
        .find(|b| !(1..=LONGEST_BLOCK).contains(*b))
    {
        bail!("block length {block} is not between 1 and {LONGEST_BLOCK} samples");
    }
    let blocks = if request.blocks.is_empty() {
        &BLOCK_LENGTHS[..]
    } else {
        &request.blocks
    };
    let model = Playable::open(&request.model)?.network()?;
    let mut networks = Vec::new();
    for network in model.sizes() {
        ensure!(!observer.stop_requested(), "interrupted");
        observer.event(Event::Status(network.family()));
        let time = Duration::from_secs_f64(request.seconds);
        let timing = timing::measure(network, blocks, time)?;
        let name = format!("{} {}", network.family(), network.architecture.shape());
        networks.push(Row { name, timing });
    }
    Ok(Outcome {
        model: request.model.clone(),
        networks,
    })
}
