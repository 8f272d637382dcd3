//! AIDA-X, `.json` or `.aidax`: RTNeural layers of one fixed shape, gains, metadata and a
//! self-test.
//!
//! Exactly one LSTM or GRU and one dense layer: files with more load silently wrong in players,
//! so they are refused, in both directions.

use super::json::Object;
use super::recurrent_net::{Cell, RecurrentNet};
use super::{
    Format, FormatError, Model, SelfTest, cannot_carry, field, numbers, rtneural, unsupported,
};
use crate::audio::level::amplitude;
use crate::network::{Architecture, Layer, Network};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The hidden sizes players have code for.
const HIDDEN_SIZES: [usize; 9] = [8, 12, 16, 20, 24, 32, 40, 64, 80];
/// The most inputs players have code for: the audio and two knobs.
const MAX_INPUTS: usize = 3;
/// The rate of a file that names none.
const DEFAULT_SAMPLE_RATE: u32 = 48_000;

/// What users may say about a model. Empty fields are left out of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Metadata {
    pub name: Option<String>,
    pub source: Option<String>,
    pub style: Option<String>,
    pub based: Option<String>,
    pub author: Option<String>,
    pub dataset: Option<String>,
    pub license: Option<String>,
    /// Error-to-signal ratio on the test or validation span.
    pub esr: Option<f64>,
}

/// Whether parsed JSON looks like an AIDA-X file: RTNeural with something only AIDA-X has.
pub(crate) fn looks_like(value: &Value) -> bool {
    let keys = ["in_skip", "in_gain", "out_gain", "input_batch", "metadata"];
    rtneural::looks_like(value) && keys.iter().any(|key| value.get(key).is_some())
}

/// Reads the parsed text of an AIDA-X file.
pub(crate) fn from_value(value: &Value) -> Result<Model, FormatError> {
    let file = Object::new(value, "")?;
    let (sequential, controls) = rtneural::sequence(&file)?;
    let (cell, dense) = match sequential.layers.as_slice() {
        [Layer::Lstm(lstm), Layer::Conv1d(dense)] => (Cell::Lstm(lstm.clone()), dense.clone()),
        [Layer::Gru(gru), Layer::Conv1d(dense)] => (Cell::Gru(gru.clone()), dense.clone()),
        layers => {
            let feature = format!(
                "an AIDA-X file with {} layers other than one LSTM or GRU and one dense layer",
                layers.len()
            );
            return Err(unsupported(feature, "players load such files wrong"));
        }
    };
    let gain = |key: &str| file.number_or(key, 0.0).map(|db| amplitude(db) as f32);
    let net = RecurrentNet {
        inputs: sequential.input_channels,
        cell,
        dense,
        skip: file.flag_or("in_skip", false)?,
        input_gain: gain("in_gain")?,
        output_gain: gain("out_gain")?,
    };
    let metadata = match file.get("metadata") {
        Some(Value::Object(map)) => map.clone(),
        _ => serde_json::Map::new(),
    };
    let architecture = Architecture::Sequential(net.into_sequential());
    let mut network = Network::new(architecture, sample_rate(&file)?);
    network.controls = controls;
    let self_test = self_test(&file)?;
    Ok(Model {
        metadata,
        self_test,
        ..Model::new(network, Format::AidaX)
    })
}

/// `metadata.samplerate` (text or number), else `samplerate`.
fn sample_rate(file: &Object) -> Result<u32, FormatError> {
    let inner = file.get("metadata").and_then(|m| m.get("samplerate"));
    let Some(value) = inner.or(file.get("samplerate")) else {
        return Ok(DEFAULT_SAMPLE_RATE);
    };
    let rate = match value {
        Value::String(text) => text.trim().parse::<f64>().ok(),
        other => other.as_f64(),
    };
    match rate {
        Some(rate) if rate.fract() == 0.0 && (1.0..=4e9).contains(&rate) => Ok(rate as u32),
        _ => Err(field(
            "samplerate",
            format!("is {value}; a whole number of hertz is needed"),
        )),
    }
}

fn self_test(file: &Object) -> Result<Option<SelfTest>, FormatError> {
    if file.get("input_batch").is_none() || file.get("output_batch").is_none() {
        return Ok(None);
    }
    let (input, output) = (file.floats("input_batch")?, file.floats("output_batch")?);
    if input.len() != output.len() {
        let why = format!("has {} samples, input_batch {}", output.len(), input.len());
        return Err(field("output_batch", why));
    }
    Ok(Some(SelfTest { input, output }))
}

/// The network without its gains and with every knob at 0, as self-tests are made.
pub fn without_gains(network: &Network) -> Result<Network, FormatError> {
    let net =
        RecurrentNet::find(network).map_err(|why| cannot_carry(Format::AidaX, why, network))?;
    let net = RecurrentNet {
        input_gain: 1.0,
        output_gain: 1.0,
        ..net
    };
    let architecture = Architecture::Sequential(net.into_sequential());
    let mut plain = Network {
        architecture,
        ..network.clone()
    };
    plain.controls.iter_mut().for_each(|c| c.default = 0.0);
    Ok(plain)
}

/// The text of an AIDA-X file with `self_test` (made by playing [`without_gains`] of the network
/// from its initial state) in it.
///
/// # Errors
/// [`FormatError::CannotCarry`] for any other shape or size; a description that is not valid.
pub fn write(
    network: &Network,
    metadata: &Metadata,
    self_test: &SelfTest,
) -> Result<String, FormatError> {
    network.validate()?;
    let net = plain(network).map_err(|why| cannot_carry(Format::AidaX, why, network))?;
    let mut about = serde_json::to_value(metadata)?;
    if let Value::Object(map) = &mut about {
        map.retain(|_, value| !value.is_null());
        map.insert("samplerate".into(), network.sample_rate.to_string().into());
    }
    let decibels = |gain: f32| 20.0 * f64::from(gain).log10();
    let (skip, gains) = (net.skip, [net.input_gain, net.output_gain]);
    let layers = [net.cell.into(), Layer::Conv1d(net.dense)];
    let layers =
        rtneural::layers(&layers).map_err(|why| cannot_carry(Format::AidaX, why, network))?;
    let mut file = json!({
        "in_shape": [null, null, net.inputs],
        "layers": layers,
        "samplerate": network.sample_rate,
        "metadata": about,
        "input_batch": numbers(&self_test.input),
        "output_batch": numbers(&self_test.output),
    });
    // Other players of RTNeural files ignore these, so they stand only where they act.
    if skip {
        file["in_skip"] = 1.into();
    }
    for (key, gain) in ["in_gain", "out_gain"].into_iter().zip(gains) {
        if gain != 1.0 {
            file[key] = decibels(gain).into();
        }
    }
    Ok(serde_json::to_string(&file)?)
}

/// Whether players can play the network, and if not, why.
pub(crate) fn check(network: &Network) -> Result<(), String> {
    plain(network).map(drop)
}

fn plain(network: &Network) -> Result<RecurrentNet, String> {
    let net = RecurrentNet::find(network)?;
    if net.inputs > MAX_INPUTS {
        return Err(format!(
            "its players take the audio and at most 2 knobs, this has {}",
            net.inputs - 1
        ));
    }
    let units = net.cell.hidden_size();
    if !HIDDEN_SIZES.contains(&units) {
        let sizes = HIDDEN_SIZES.map(|n| n.to_string()).join(", ");
        return Err(format!(
            "its players have hidden sizes {sizes}, this has {units}"
        ));
    }
    if net.input_gain <= 0.0 || net.output_gain <= 0.0 {
        return Err("its gains are in decibels, so they cannot be zero or inverted".into());
    }
    Ok(net)
}

impl From<Cell> for Layer {
    fn from(cell: Cell) -> Self {
        match cell {
            Cell::Lstm(lstm) => Layer::Lstm(lstm),
            Cell::Gru(gru) => Layer::Gru(gru),
        }
    }
}
