//! Reading RTNeural's layers.

use super::DEFAULT_SAMPLE_RATE;
use crate::formats::json::{self, Object};
use crate::formats::nam::folded;
use crate::formats::{Format, FormatError, Model, field, transposed, unsupported};
use crate::network::{
    Activation, Affine, Architecture, Control, Conv1d, Gru, Layer, Lstm, MAX_CHANNELS, Network,
    Sequential,
};
use serde_json::Value;

/// Whether parsed JSON looks like an RTNeural file.
pub(crate) fn looks_like(value: &Value) -> bool {
    value.get("in_shape").is_some() && value.get("layers").is_some()
}

/// Reads the parsed text of an RTNeural file.
pub(crate) fn from_value(value: &Value) -> Result<Model, FormatError> {
    let file = Object::new(value, "")?;
    let (sequential, controls) = sequence(&file)?;
    let mut network = Network::new(Architecture::Sequential(sequential), sample_rate(&file)?);
    network.controls = controls;
    Ok(Model::new(network, Format::RtNeural))
}

fn sample_rate(file: &Object) -> Result<u32, FormatError> {
    let rate = file.size_or("samplerate", DEFAULT_SAMPLE_RATE as usize)?;
    u32::try_from(rate)
        .map_err(|_| field("samplerate", format!("is {rate}, which is no sample rate")))
}

/// The layers, and a knob for every input after the first.
pub(crate) fn sequence(file: &Object) -> Result<(Sequential, Vec<Control>), FormatError> {
    let inputs = last_size(file, "in_shape")?;
    // More knobs than anyone turns, and few enough to list.
    if !(1..=64).contains(&inputs) {
        let why = format!("ends in {inputs}; 1 to 64 inputs are played");
        return Err(field(file.place("in_shape"), why));
    }
    let mut layers = Vec::new();
    let mut width = inputs;
    for (i, value) in file.list("layers")?.iter().enumerate() {
        let object = Object::new(value, format!("{}[{i}]", file.place("layers")))?;
        width = layer(&object, width, &mut layers)?;
    }
    let control = |i: usize| Control {
        name: format!("param{i}"),
        min: 0.0,
        max: 1.0,
        default: 0.0,
    };
    Ok((
        Sequential {
            input_channels: inputs,
            layers,
        },
        (1..inputs).map(control).collect(),
    ))
}

/// The last entry of a shape such as [null, null, 8].
fn last_size(object: &Object, key: &str) -> Result<usize, FormatError> {
    let shape = object.list(key)?;
    let place = object.place(key);
    let last = shape.last().ok_or_else(|| field(&place, "is empty"))?;
    json::size(last, &place)
}

/// The number in a list of one, or a plain number.
fn only_size(object: &Object, key: &str) -> Result<usize, FormatError> {
    match object.need(key)? {
        Value::Array(_) => last_size(object, key),
        value => json::size(value, &object.place(key)),
    }
}

/// Reads one layer; gives its output width.
fn layer(object: &Object, inputs: usize, layers: &mut Vec<Layer>) -> Result<usize, FormatError> {
    let kind = object.text("type")?;
    let outputs = last_size(object, "shape")?;
    if !(1..=MAX_CHANNELS).contains(&outputs) {
        let why = format!("ends in {outputs}; 1 to {MAX_CHANNELS} channels are possible");
        return Err(field(object.place("shape"), why));
    }
    if !matches!(
        kind,
        "dense" | "time-distributed-dense" | "conv1d" | "lstm" | "gru"
    ) && outputs != inputs
    {
        let why = format!("ends in {outputs}, this layer receives and gives {inputs} channels");
        return Err(field(object.place("shape"), why));
    }
    match kind {
        "dense" | "time-distributed-dense" => {
            layers.push(Layer::Conv1d(dense(object, inputs, outputs)?))
        }
        "conv1d" => layers.push(Layer::Conv1d(conv(object, inputs, outputs)?)),
        "lstm" => {
            layers.push(Layer::Lstm(lstm(object, inputs, outputs)?));
            return Ok(outputs);
        }
        "gru" => {
            layers.push(Layer::Gru(gru(object, inputs, outputs)?));
            return Ok(outputs);
        }
        "prelu" => layers.push(Layer::Activation(prelu(object, inputs)?)),
        "batchnorm" => layers.push(Layer::Affine(batch_norm(object, inputs)?)),
        "activation" => {}
        other => {
            let hint = "known are dense, conv1d, lstm, gru, prelu, batchnorm and activation";
            return Err(unsupported(
                format!("the layer type \"{other}\" ({})", object.place("type")),
                hint,
            ));
        }
    }
    if let Some(function) = activation(object)? {
        if matches!(kind, "prelu" | "batchnorm") {
            return Err(unsupported(
                format!(
                    "an activation on a {kind} layer ({})",
                    object.place("activation")
                ),
                "",
            ));
        }
        layers.push(Layer::Activation(function));
    }
    Ok(outputs)
}

fn activation(object: &Object) -> Result<Option<Activation>, FormatError> {
    if object.get("activation").is_none() {
        return Ok(None);
    }
    Ok(Some(match object.text("activation")? {
        "" | "linear" => return Ok(None),
        "tanh" => Activation::Tanh,
        "relu" => Activation::Relu,
        "sigmoid" => Activation::Sigmoid,
        "softmax" => Activation::Softmax,
        "elu" => Activation::Elu { alpha: 1.0 },
        other => {
            let feature = format!(
                "the activation \"{other}\" ({})",
                object.place("activation")
            );
            return Err(unsupported(
                feature,
                "known are tanh, relu, sigmoid, softmax and elu",
            ));
        }
    }))
}

/// Piece `i` of the list `weights`, and its name.
fn piece<'a>(object: &Object<'a>, i: usize) -> Result<(&'a Value, String), FormatError> {
    let place = format!("{}[{i}]", object.place("weights"));
    let value = object.list("weights")?.get(i);
    value
        .map(|v| (v, place.clone()))
        .ok_or_else(|| field(place, "is missing"))
}

fn piece_matrix(
    object: &Object,
    i: usize,
    rows: usize,
    columns: usize,
) -> Result<Vec<f32>, FormatError> {
    let (value, place) = piece(object, i)?;
    json::matrix(value, &place, rows, columns)
}

fn piece_vector(object: &Object, i: usize, len: usize) -> Result<Vec<f32>, FormatError> {
    let (value, place) = piece(object, i)?;
    json::vector(value, &place, len)
}

/// `[in][out]`, then bias `[out]`.
fn dense(object: &Object, inputs: usize, outputs: usize) -> Result<Conv1d, FormatError> {
    let weight = transposed(&piece_matrix(object, 0, inputs, outputs)?, outputs);
    Ok(Conv1d::dense(
        inputs,
        outputs,
        weight,
        piece_vector(object, 1, outputs)?,
    ))
}

/// `[kernel][in / groups][out]`, oldest tap first, then bias `[out]`.
fn conv(object: &Object, inputs: usize, outputs: usize) -> Result<Conv1d, FormatError> {
    let (kernel, dilation) = (
        only_size(object, "kernel_size")?,
        only_size(object, "dilation")?,
    );
    let groups = object.size_or("groups", 1)?;
    if groups == 0 || !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
        let why =
            format!("is {groups}, which does not divide {inputs} inputs and {outputs} outputs");
        return Err(field(object.place("groups"), why));
    }
    let inner = inputs / groups;
    let (value, place) = piece(object, 0)?;
    let taps = json::list(value, &place)?;
    if taps.len() != kernel {
        return Err(field(
            place,
            format!("has {} taps, kernel_size is {kernel}", taps.len()),
        ));
    }
    let mut flat = Vec::new();
    for (k, tap) in taps.iter().enumerate() {
        flat.extend(json::matrix(tap, &format!("{place}[{k}]"), inner, outputs)?);
    }
    // [k][i][o] → [o][i][k]
    let at = |o: usize, i: usize, k: usize| flat[(k * inner + i) * outputs + o];
    let order = (0..outputs).flat_map(|o| (0..inner).map(move |i| (o, i)));
    let weight = order
        .flat_map(|(o, i)| (0..kernel).map(move |k| (o, i, k)))
        .map(|(o, i, k)| at(o, i, k));
    Ok(Conv1d {
        in_channels: inputs,
        out_channels: outputs,
        kernel_size: kernel,
        dilation,
        groups,
        weight: weight.collect(),
        bias: piece_vector(object, 1, outputs)?,
    })
}

/// Size times gates, where it fits a number.
fn rows(object: &Object, size: usize, gates: usize) -> Result<usize, FormatError> {
    size.checked_mul(gates).ok_or_else(|| {
        field(
            object.place("shape"),
            format!("ends in {size}, which is too large"),
        )
    })
}

/// W[in][4H], U[H][4H], b[4H]; gates i, f, g, o.
fn lstm(object: &Object, inputs: usize, units: usize) -> Result<Lstm, FormatError> {
    let columns = rows(object, units, 4)?;
    Ok(Lstm {
        input_size: inputs,
        hidden_size: units,
        weight_input: transposed(&piece_matrix(object, 0, inputs, columns)?, columns),
        weight_hidden: transposed(&piece_matrix(object, 1, units, columns)?, columns),
        bias: piece_vector(object, 2, columns)?,
        initial_hidden: Vec::new(),
        initial_cell: Vec::new(),
    })
}

/// W[in][3H], U[H][3H], b[2][3H]; gates z, r, h, which here are r, z, n.
fn gru(object: &Object, inputs: usize, units: usize) -> Result<Gru, FormatError> {
    let columns = rows(object, units, 3)?;
    let matrix = |i: usize, rows: usize| {
        piece_matrix(object, i, rows, columns)
            .map(|m| swap_gates(transposed(&m, columns), units * rows))
    };
    let (weight_input, weight_hidden) = (matrix(0, inputs)?, matrix(1, units)?);
    let biases = piece_matrix(object, 2, 2, columns)?;
    let (input, hidden) = biases.split_at(columns);
    Ok(Gru {
        input_size: inputs,
        hidden_size: units,
        weight_input,
        weight_hidden,
        bias_input: swap_gates(input.to_vec(), units),
        bias_hidden: swap_gates(hidden.to_vec(), units),
        initial_hidden: Vec::new(),
    })
}

/// Exchanges the first two blocks of `len` numbers: z, r, h ↔ r, z, n.
pub(super) fn swap_gates(mut gates: Vec<f32>, len: usize) -> Vec<f32> {
    if let Some(first_two) = gates.get_mut(..2 * len) {
        first_two.rotate_left(len);
    }
    gates
}

/// `[[alpha…]]`: one slope, or one per channel.
fn prelu(object: &Object, inputs: usize) -> Result<Activation, FormatError> {
    let (value, place) = piece(object, 0)?;
    let inner = json::list(value, &place)?;
    // Keras nests the slopes once more than others.
    let slopes = match inner {
        [Value::Array(_)] => json::floats(&inner[0], &format!("{place}[0]"))?,
        _ => json::floats(value, &place)?,
    };
    if slopes.len() != 1 && slopes.len() != inputs {
        let why = format!("has {} slopes, 1 or {inputs} are needed", slopes.len());
        return Err(field(place, why));
    }
    Ok(Activation::PRelu { slopes })
}

/// gamma, beta, mean, variance; or, without learned scale, mean and variance.
fn batch_norm(object: &Object, inputs: usize) -> Result<Affine, FormatError> {
    let epsilon = object.number("epsilon")? as f32;
    let pieces = object.list("weights")?.len();
    let vector = |i| piece_vector(object, i, inputs);
    let (gamma, beta, first) = match pieces {
        4 => (vector(0)?, vector(1)?, 2),
        2 => (vec![1.0; inputs], vec![0.0; inputs], 0),
        n => {
            return Err(field(
                object.place("weights"),
                format!("has {n} lists, 2 or 4 are needed"),
            ));
        }
    };
    Ok(folded(
        &vector(first)?,
        &vector(first + 1)?,
        &gamma,
        &beta,
        epsilon,
    ))
}
