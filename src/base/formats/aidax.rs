//! AIDA-X, `.json` or `.aidax`: RTNeural layers of one fixed shape, gains, metadata and a
//! self-test.
//!
//! Exactly one LSTM or GRU and one dense layer: files with more load silently wrong in players,
//! so they are refused, in both directions.

use super::carriers::cannot_carry;
use super::common::Hertz;
use super::error::{FormatError, field, unsupported};
use super::format::Format;
use super::json::Place;
use super::model::{Model, SelfTest};
use super::recurrent_net::{Cell, RecurrentNet};
use super::rtneural;
use crate::audio::level::amplitude;
use crate::network::{Architecture, Layer, Network};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What users may say about a model. Empty fields are left out of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)] // The names are the format's.
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
    /// Not a name of the format's: how the network behaves when it is left alone.
    pub probe: Option<Value>,
}

/// Whether parsed JSON looks like an AIDA-X file: RTNeural with something only AIDA-X has.
pub(super) fn looks_like(value: &Value) -> bool {
    let keys = ["in_skip", "in_gain", "out_gain", "input_batch", "metadata"];
    rtneural::looks_like(value) && keys.iter().any(|key| value.get(key).is_some())
}

/// What an AIDA-X file says beside RTNeural's layers.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    in_skip: bool,
    /// In dB.
    #[serde(default)]
    in_gain: f64,
    /// In dB.
    #[serde(default)]
    out_gain: f64,
    metadata: Option<Value>,
    samplerate: Option<Value>,
    input_batch: Option<Vec<f32>>,
    output_batch: Option<Vec<f32>>,
}

/// Reads the parsed text of an AIDA-X file.
pub(super) fn from_value(value: &Value) -> Result<Model, FormatError> {
    let place = Place::new(value, "");
    let file: File = place.read()?;
    let (sequential, controls) = rtneural::sequence(&place)?;
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
    let gain = |db: f64| amplitude(db) as f32;
    let net = RecurrentNet {
        inputs: sequential.input_channels,
        cell,
        dense,
        skip: file.in_skip,
        input_gain: gain(file.in_gain),
        output_gain: gain(file.out_gain),
    };
    let metadata = match file.metadata {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let rate = metadata.get("samplerate").or(file.samplerate.as_ref());
    let Hertz(rate) = rate.map_or_else(|| Ok(Hertz::default()), sample_rate)?;
    let architecture = Architecture::Sequential(net.into_sequential());
    let mut network = Network::new(architecture, rate);
    network.controls = controls;
    let batches = file.input_batch.zip(file.output_batch);
    let self_test = batches.map(|(input, output)| {
        if input.len() == output.len() {
            return Ok(SelfTest { input, output });
        }
        let why = format!("has {} samples, input_batch {}", output.len(), input.len());
        Err(place.wrong("output_batch", why))
    });
    Ok(Model {
        metadata,
        self_test: self_test.transpose()?,
        ..Model::new(network, Format::AidaX)
    })
}

/// AIDA-X writes it as text, others as a number.
fn sample_rate(value: &Value) -> Result<Hertz, FormatError> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    let rate = number.and_then(|rate: f64| Hertz::try_from(rate).ok());
    rate.ok_or_else(|| {
        let why = format!("is {value}; a whole number of hertz is needed");
        field("samplerate", why)
    })
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
    let net = RecurrentNet::for_aidax(network)
        .map_err(|why| cannot_carry(Format::AidaX, why, network))?;
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
        "input_batch": self_test.input,
        "output_batch": self_test.output,
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
