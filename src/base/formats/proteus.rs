//! CoreAudioML / Proteus JSON: a recurrent layer and a dense layer with PyTorch's names.
//!
//! Proteus itself plays hidden size 40 at 44.1 kHz; that is checked when writing. The files keep
//! no sample rate.

use super::carriers::cannot_carry;
use super::common::{One, knobs};
use super::error::{FormatError, unsupported};
use super::format::Format;
use super::json::{Place, matrix};
use super::model::Model;
use super::recurrent_net::{Cell, PROTEUS_RATE, RecurrentNet};
use crate::network::{Architecture, Conv1d, Gru, Lstm, MAX_CHANNELS, Network};
use serde::Deserialize;
use serde_json::{Value, json};

/// Whether parsed JSON looks like a CoreAudioML file.
pub(super) fn looks_like(value: &Value) -> bool {
    value.get("model_data").is_some() && value.get("state_dict").is_some()
}

/// What the file says about its weights.
#[derive(Deserialize)]
struct ModelData {
    unit_type: String,
    input_size: usize,
    hidden_size: usize,
    #[serde(rename = "num_layers")]
    _num_layers: Option<One>,
    #[serde(rename = "output_size")]
    _output_size: Option<One>,
    bias_fl: Option<bool>,
    #[serde(default)]
    skip: bool,
}

/// Reads the parsed text of a CoreAudioML file.
pub(super) fn from_value(value: &Value) -> Result<Model, FormatError> {
    let file = Place::new(value, "");
    let place = file.need("model_data")?;
    let data: ModelData = place.read()?;
    let (inputs, units) = (data.input_size, data.hidden_size);
    let controls = knobs(inputs, &place.need("input_size")?)?;
    if !(1..=MAX_CHANNELS).contains(&units) {
        let why = format!("is {units}; 1 to {MAX_CHANNELS} units are possible");
        return Err(place.wrong("hidden_size", why));
    }
    let state = file.need("state_dict")?;
    let cell = match data.unit_type.as_str() {
        "LSTM" => Cell::Lstm(lstm(&state, inputs, units)?),
        "GRU" => Cell::Gru(gru(&state, inputs, units)?),
        other => {
            let feature = format!("the unit type \"{other}\"");
            return Err(unsupported(feature, "known are LSTM and GRU"));
        }
    };
    let bias = match data.bias_fl {
        Some(false) => Vec::new(),
        _ => state.need("lin.bias")?.vector(1)?,
    };
    let weight = state.need("lin.weight")?.matrix(1, units)?;
    let net = RecurrentNet {
        inputs,
        cell,
        dense: Conv1d::dense(units, 1, weight, bias),
        skip: data.skip,
        input_gain: 1.0,
        output_gain: 1.0,
    };
    let architecture = Architecture::Sequential(net.into_sequential());
    let mut network = Network::new(architecture, PROTEUS_RATE);
    network.controls = controls;
    Ok(Model::new(network, Format::Proteus))
}

fn lstm(state: &Place, inputs: usize, units: usize) -> Result<Lstm, FormatError> {
    let rows = 4 * units;
    let first = state.need("rec.bias_ih_l0")?.vector(rows)?;
    let second = state.need("rec.bias_hh_l0")?.vector(rows)?;
    Ok(Lstm {
        input_size: inputs,
        hidden_size: units,
        weight_input: state.need("rec.weight_ih_l0")?.matrix(rows, inputs)?,
        weight_hidden: state.need("rec.weight_hh_l0")?.matrix(rows, units)?,
        bias: first.iter().zip(&second).map(|(a, b)| a + b).collect(),
        initial_hidden: Vec::new(),
        initial_cell: Vec::new(),
    })
}

fn gru(state: &Place, inputs: usize, units: usize) -> Result<Gru, FormatError> {
    let rows = 3 * units;
    Ok(Gru {
        input_size: inputs,
        hidden_size: units,
        weight_input: state.need("rec.weight_ih_l0")?.matrix(rows, inputs)?,
        weight_hidden: state.need("rec.weight_hh_l0")?.matrix(rows, units)?,
        bias_input: state.need("rec.bias_ih_l0")?.vector(rows)?,
        bias_hidden: state.need("rec.bias_hh_l0")?.vector(rows)?,
        initial_hidden: Vec::new(),
    })
}

/// The text of a CoreAudioML file that Proteus plays.
///
/// # Errors
/// [`FormatError::CannotCarry`] for any other shape, size or rate; a description that is not
/// valid.
pub fn write(network: &Network) -> Result<String, FormatError> {
    network.validate()?;
    let net = RecurrentNet::for_proteus(network)
        .map_err(|why| cannot_carry(Format::Proteus, why, network))?;
    let units = net.cell.hidden_size();
    let (unit_type, weight_input, weight_hidden, biases) = match &net.cell {
        Cell::Lstm(l) => {
            let biases = [l.bias.clone(), vec![0.0; l.bias.len()]];
            ("LSTM", &l.weight_input, &l.weight_hidden, biases)
        }
        Cell::Gru(g) => {
            let biases = [g.bias_input.clone(), g.bias_hidden.clone()];
            ("GRU", &g.weight_input, &g.weight_hidden, biases)
        }
    };
    let bias = net.dense.bias.first().copied().unwrap_or(0.0);
    let file = json!({
        "model_data": {
            "model": "SimpleRNN",
            "input_size": net.inputs,
            "skip": u8::from(net.skip),
            "output_size": 1,
            "unit_type": unit_type,
            "num_layers": 1,
            "hidden_size": units,
            "bias_fl": true,
        },
        "state_dict": {
            "rec.weight_ih_l0": matrix(weight_input, net.inputs),
            "rec.weight_hh_l0": matrix(weight_hidden, units),
            "rec.bias_ih_l0": biases[0],
            "rec.bias_hh_l0": biases[1],
            "lin.weight": matrix(&net.dense.weight, units),
            "lin.bias": [bias],
        },
    });
    Ok(serde_json::to_string(&file)?)
}
