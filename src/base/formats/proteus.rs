//! CoreAudioML / Proteus JSON: a recurrent layer and a dense layer with PyTorch's names.
//!
//! Proteus itself plays hidden size 40 at 44.1 kHz; that is checked when writing. The files keep
//! no sample rate.

use super::json::{self, Object};
use super::recurrent_net::{Cell, RecurrentNet};
use super::{Format, FormatError, Model, cannot_carry, field, matrix, numbers, unsupported};
use crate::network::{Architecture, Control, Conv1d, Gru, Lstm, Network};
use serde_json::{Map, Value, json};

/// What Proteus plays, and what a file without a rate was made for.
const SAMPLE_RATE: u32 = 44_100;
const HIDDEN_SIZE: usize = 40;

/// Whether parsed JSON looks like a CoreAudioML file.
pub(crate) fn looks_like(value: &Value) -> bool {
    value.get("model_data").is_some() && value.get("state_dict").is_some()
}

/// Reads the parsed text of a CoreAudioML file.
pub(crate) fn from_value(value: &Value) -> Result<Model, FormatError> {
    let file = Object::new(value, "")?;
    let data = file.object("model_data")?;
    let (inputs, units) = (data.size("input_size")?, data.size("hidden_size")?);
    for (key, needed) in [("num_layers", 1), ("output_size", 1)] {
        let got = data.size_or(key, needed)?;
        if got != needed {
            return Err(unsupported(
                format!("{} = {got}", data.place(key)),
                format!("only {needed} is played"),
            ));
        }
    }
    if !(1..=64).contains(&inputs) || units == 0 {
        let why = format!(
            "is {inputs} with hidden_size {units}; 1 to 64 inputs and at least 1 unit are needed"
        );
        return Err(field(data.place("input_size"), why));
    }
    let state = file.object("state_dict")?;
    let cell = match data.text("unit_type")? {
        "LSTM" => Cell::Lstm(lstm(&state, inputs, units)?),
        "GRU" => Cell::Gru(gru(&state, inputs, units)?),
        other => {
            let feature = format!("the unit type \"{other}\"");
            return Err(unsupported(feature, "known are LSTM and GRU"));
        }
    };
    let weight = piece_matrix(&state, "lin.weight", 1, units)?;
    let bias = if data.flag_or("bias_fl", true)? {
        piece(&state, "lin.bias", 1)?
    } else {
        Vec::new()
    };
    let dense = Conv1d::dense(units, 1, weight, bias);
    let skip = data.flag_or("skip", false)?;
    let net = RecurrentNet {
        inputs,
        cell,
        dense,
        skip,
        input_gain: 1.0,
        output_gain: 1.0,
    };
    let architecture = Architecture::Sequential(net.into_sequential());
    let mut network = Network::new(architecture, SAMPLE_RATE);
    let control = |i: usize| Control {
        name: format!("param{i}"),
        min: 0.0,
        max: 1.0,
        default: 0.0,
    };
    network.controls = (1..inputs).map(control).collect();
    Ok(Model::new(network, Format::Proteus))
}

fn piece(state: &Object, key: &str, len: usize) -> Result<Vec<f32>, FormatError> {
    json::vector(state.need(key)?, &state.place(key), len)
}

fn piece_matrix(
    state: &Object,
    key: &str,
    rows: usize,
    columns: usize,
) -> Result<Vec<f32>, FormatError> {
    json::matrix(state.need(key)?, &state.place(key), rows, columns)
}

fn rows(units: usize, gates: usize) -> Result<usize, FormatError> {
    units.checked_mul(gates).ok_or_else(|| {
        field(
            "model_data.hidden_size",
            format!("is {units}, which is too large"),
        )
    })
}

fn lstm(state: &Object, inputs: usize, units: usize) -> Result<Lstm, FormatError> {
    let rows = rows(units, 4)?;
    let first = piece(state, "rec.bias_ih_l0", rows)?;
    let second = piece(state, "rec.bias_hh_l0", rows)?;
    Ok(Lstm {
        input_size: inputs,
        hidden_size: units,
        weight_input: piece_matrix(state, "rec.weight_ih_l0", rows, inputs)?,
        weight_hidden: piece_matrix(state, "rec.weight_hh_l0", rows, units)?,
        bias: first.iter().zip(&second).map(|(a, b)| a + b).collect(),
        initial_hidden: Vec::new(),
        initial_cell: Vec::new(),
    })
}

fn gru(state: &Object, inputs: usize, units: usize) -> Result<Gru, FormatError> {
    let rows = rows(units, 3)?;
    Ok(Gru {
        input_size: inputs,
        hidden_size: units,
        weight_input: piece_matrix(state, "rec.weight_ih_l0", rows, inputs)?,
        weight_hidden: piece_matrix(state, "rec.weight_hh_l0", rows, units)?,
        bias_input: piece(state, "rec.bias_ih_l0", rows)?,
        bias_hidden: piece(state, "rec.bias_hh_l0", rows)?,
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
    let net = plain(network).map_err(|why| cannot_carry(Format::Proteus, why, network))?;
    let units = net.cell.hidden_size();
    let (unit_type, weights, biases) = match &net.cell {
        Cell::Lstm(l) => {
            let none = vec![0.0; l.bias.len()];
            (
                "LSTM",
                [&l.weight_input, &l.weight_hidden],
                [l.bias.clone(), none],
            )
        }
        Cell::Gru(g) => {
            let biases = [g.bias_input.clone(), g.bias_hidden.clone()];
            ("GRU", [&g.weight_input, &g.weight_hidden], biases)
        }
    };
    let mut state = Map::new();
    state.insert("rec.weight_ih_l0".into(), matrix(weights[0], net.inputs));
    state.insert("rec.weight_hh_l0".into(), matrix(weights[1], units));
    state.insert("rec.bias_ih_l0".into(), numbers(&biases[0]));
    state.insert("rec.bias_hh_l0".into(), numbers(&biases[1]));
    state.insert("lin.weight".into(), matrix(&net.dense.weight, units));
    let bias = net.dense.bias.first().copied().unwrap_or(0.0);
    state.insert("lin.bias".into(), numbers(&[bias]));
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
        "state_dict": state,
    });
    Ok(serde_json::to_string(&file)?)
}

/// Whether Proteus can play the network, and if not, why.
pub(crate) fn check(network: &Network) -> Result<(), String> {
    plain(network).map(drop)
}

fn plain(network: &Network) -> Result<RecurrentNet, String> {
    let net = RecurrentNet::find(network)?;
    if net.input_gain != 1.0 || net.output_gain != 1.0 {
        return Err("it has no input or output gain".into());
    }
    if net.inputs > 2 {
        return Err(format!(
            "its player takes the audio and at most 1 knob, this has {}",
            net.inputs - 1
        ));
    }
    if net.cell.hidden_size() != HIDDEN_SIZE {
        return Err(format!(
            "its player has hidden size {HIDDEN_SIZE}, this has {}",
            net.cell.hidden_size()
        ));
    }
    if network.sample_rate != SAMPLE_RATE {
        return Err(format!(
            "its player runs at {SAMPLE_RATE} Hz, this network at {}",
            network.sample_rate
        ));
    }
    Ok(net)
}
