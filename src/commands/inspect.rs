//! `inspect`: what a run or a model file holds, what it claims about itself and what it costs to
//! play.

use crate::dsp::probe::{Behaviour, Judged};
use crate::engine::{self, Engine, timing};
use crate::formats::{self, Format, FormatError, Model};
use crate::network::{Architecture, AudioChannels, Control, Network, Weights};
use crate::playing::Playable;
use crate::playing::playable::Run;
use crate::progress::{Event, Observer};
use crate::training::history::BestEpoch;
use serde::Serialize;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::time::Duration;

/// Show what a run or a model file holds and what it costs to play
///
/// Reads runs, .nam, RTNeural .json, .aidax, Proteus .json and .safetensors: architecture,
/// receptive field, weights, metadata, the formats it could be written in, and its speed on this
/// machine.
///
/// Examples:
///   effigy inspect checkpoints/my-pedal
///   effigy inspect amp.nam --probe
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// A run, such as checkpoints/conv, or a model file: .nam, .json, .aidax, .safetensors.
    pub file: PathBuf,
    /// Do not measure how fast it plays on this machine.
    #[arg(long)]
    pub no_measure: bool,
    /// Play it: silence, a click, a note that stops, a level staircase and sines, and say how it
    /// behaves: whether it is silent in silence, where it starts, its polarity, gain and aliasing.
    #[arg(long)]
    pub probe: bool,
    /// List the weights by name, as training.freeze and --freeze take them.
    #[arg(long)]
    pub parameters: bool,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The run's folder or the file.
    #[serde(serialize_with = "crate::files::path_text")]
    pub file: PathBuf,
    /// The kind of file; none for a run.
    pub format: Option<Format>,
    /// How a run was trained.
    pub run: Option<RunFacts>,
    /// The version of the format it claims.
    pub version: Option<String>,
    /// The network, or every size of a slimmable one, smallest first.
    pub networks: Vec<NetworkFacts>,
    /// How it behaves when it is left alone, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Judged>,
    /// What the file says about itself.
    pub metadata: Map<String, Value>,
    /// The largest difference between the output stored in the file and what plays here.
    pub self_test_difference: Option<f64>,
    /// Formats it could be written to.
    pub writable_as: Vec<Format>,
    /// The weights by name, as `training.freeze` takes them, where the network can be trained
    /// here.
    pub parameters: Vec<Parameter>,
}

/// How a run was trained.
#[derive(Clone, Debug, Serialize)]
pub struct RunFacts {
    /// The run's name.
    pub name: String,
    /// The network's kind, as configs spell it.
    pub model: String,
    /// Completed epochs.
    pub epochs: usize,
    /// Whose weights are used.
    pub best: Option<BestEpoch>,
}

/// Weights under one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// `arrays.0.head.weight`, …
    pub name: String,
    /// Lengths of its axes.
    pub shape: Vec<usize>,
}

/// Facts about one network.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkFacts {
    /// The size knob's upper end for which this network is used, in a slimmable one.
    pub max_size: Option<f64>,
    /// WaveNet, LSTM, …
    pub family: String,
    /// Its shape in one line.
    pub shape: String,
    /// Channels of sound that it hears and makes at once, where it is not one channel by itself.
    #[serde(skip_serializing_if = "AudioChannels::is_mono")]
    pub audio_channels: AudioChannels,
    /// Hertz.
    pub sample_rate: u32,
    /// Numbers learned.
    pub weights: usize,
    /// Input samples that influence one output sample; none: all before it.
    pub receptive_field: Option<usize>,
    /// Samples the output lags.
    pub latency_samples: usize,
    /// Multiply-adds per sample.
    pub macs_per_sample: usize,
    /// Multiply-adds per second at its sample rate, in millions.
    pub million_macs_per_second: f64,
    /// Knobs.
    pub controls: Vec<Control>,
    /// Seconds of audio per second of work on one core of this machine at blocks of 64.
    pub real_time_factor: Option<f64>,
}

/// Reads and describes a run or a model file.
///
/// # Errors
/// It cannot be read, or holds no network that can be played.
pub fn inspect(request: &Request, observer: &dyn Observer) -> anyhow::Result<Outcome> {
    let playable = Playable::open(&request.file)?;
    let network = playable.network()?;
    let mut networks = Vec::new();
    for (max_size, network) in sizes(&network) {
        observer.event(Event::Status("measuring"));
        let time = Duration::from_millis(200);
        let timing = (!request.no_measure)
            .then(|| timing::measure(network, &[64], time))
            .transpose()?;
        let real_time_factor = timing.and_then(|t| t.blocks.first().map(|b| b.real_time_factor));
        networks.push(facts(network, max_size, real_time_factor));
    }
    let (run, file) = (playable.run(), playable.file());
    Ok(Outcome {
        file: request.file.clone(),
        format: file.map(|model| model.format),
        run: run.map(run_facts).transpose()?,
        version: file.and_then(|model| model.version.clone()),
        probe: request
            .probe
            .then(|| probed(&network, file.map(|f| f.format)))
            .transpose()?,
        networks,
        metadata: metadata(&playable)?,
        self_test_difference: file.map(self_test).transpose()?.flatten(),
        writable_as: formats::carriers(&network),
        parameters: parameters(&playable)?,
    })
}

/// How it behaves, in the hands of players of its format.
fn probed(network: &Network, format: Option<Format>) -> anyhow::Result<Judged> {
    let behaviour = Behaviour {
        players_rate_hz: format.and_then(Format::players_rate_hz),
        ..engine::probe(network, &[])?
    };
    Ok(behaviour.into())
}

fn run_facts(run: &Run) -> anyhow::Result<RunFacts> {
    let history = run.folder.metrics()?;
    Ok(RunFacts {
        name: run.config.name.clone(),
        model: run.config.model.kind().to_string(),
        epochs: history.len(),
        best: BestEpoch::of(&history),
    })
}

/// What a file says of itself, or a run's config.
fn metadata(playable: &Playable) -> anyhow::Result<Map<String, Value>> {
    if let Some(model) = playable.file() {
        return Ok(model.metadata.clone());
    }
    let said = playable.config().map(|config| &config.metadata);
    Ok(match serde_json::to_value(said)? {
        Value::Object(map) => map,
        _ => Map::new(),
    })
}

/// The weights' names; none where the network can only be played.
fn parameters(playable: &Playable) -> anyhow::Result<Vec<Parameter>> {
    let parameter = |w: Weights| Parameter {
        name: w.name,
        shape: w.shape,
    };
    let own = playable.weights()?.into_iter();
    let own = own.filter(|w| !w.name.starts_with(formats::safetensors::DESCRIBED));
    Ok(own.map(parameter).collect())
}

/// The network itself, or the sizes of a slimmable one.
fn sizes(network: &Network) -> Vec<(Option<f64>, &Network)> {
    match &network.architecture {
        Architecture::Slimmable(slimmable) => {
            let each = slimmable.submodels.iter();
            each.map(|s| (Some(s.max_value), s.network.as_ref()))
                .collect()
        }
        _ => vec![(None, network)],
    }
}

fn facts(network: &Network, max_size: Option<f64>, real_time_factor: Option<f64>) -> NetworkFacts {
    let macs_per_sample = network.macs_per_sample();
    NetworkFacts {
        max_size,
        family: network.family().to_string(),
        shape: network.architecture.shape(),
        audio_channels: network.audio_channels,
        sample_rate: network.sample_rate,
        weights: network.weight_count(),
        receptive_field: network.receptive_field(),
        latency_samples: network.latency_samples(),
        macs_per_sample,
        million_macs_per_second: macs_per_sample as f64 * f64::from(network.sample_rate) / 1e6,
        controls: network.controls.iter().map(Control::shown).collect(),
        real_time_factor,
    }
}

/// Plays the stored input, where there is one, from the initial state, knobs at 0 and gains left
/// out, as it was made.
fn self_test(model: &Model) -> anyhow::Result<Option<f64>> {
    let Some(test) = &model.self_test else {
        return Ok(None);
    };
    let network = match formats::aidax::without_gains(&model.network) {
        Ok(network) => network,
        Err(FormatError::CannotCarry { .. }) => model.network.clone(),
        Err(error) => return Err(error.into()),
    };
    let mut engine = Engine::new(&network)?;
    let mut output = vec![0.0; test.input.len()];
    engine.process(&test.input, &mut output);
    let differences = output
        .iter()
        .zip(&test.output)
        .map(|(a, b)| f64::from((a - b).abs()));
    Ok(Some(differences.fold(0.0, f64::max)))
}
