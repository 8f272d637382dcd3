//! Reading RTNeural's layers.

use crate::formats::common::{Hertz, folded, knobs};
use crate::formats::error::{FormatError, unsupported};
use crate::formats::format::Format;
use crate::formats::json::Place;
use crate::formats::model::Model;
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
    let file = Place::new(value, "");
    let (sequential, controls) = sequence(&file)?;
    let rate = file.get("samplerate").map(|rate| rate.read());
    let Hertz(rate) = rate.transpose()?.unwrap_or_default();
    let mut network = Network::new(Architecture::Sequential(sequential), rate);
    network.controls = controls;
    Ok(Model::new(network, Format::RtNeural))
}

/// The layers, and a knob for every input after the first.
pub(crate) fn sequence(file: &Place) -> Result<(Sequential, Vec<Control>), FormatError> {
    let shape = file.need("in_shape")?;
    let inputs = shape.last()?.read()?;
    let controls = knobs(inputs, &shape)?;
    let (mut layers, mut width) = (Vec::new(), inputs);
    let list = file.need("layers")?;
    if list.items()?.len() == 0 {
        return Err(list.wrong("", "is empty; a network has at least one layer"));
    }
    for place in list.items()? {
        width = layer(&place, width, &mut layers)?;
    }
    let sequential = Sequential {
        input_channels: inputs,
        layers,
    };
    Ok((sequential, controls))
}

/// The number in a list of one, or a plain number.
fn only_size(place: &Place) -> Result<usize, FormatError> {
    place.last().unwrap_or_else(|_| place.clone()).read()
}

/// Reads one layer; gives its output width.
fn layer(place: &Place, inputs: usize, layers: &mut Vec<Layer>) -> Result<usize, FormatError> {
    let kind: String = place.need("type")?.read()?;
    let outputs: usize = place.need("shape")?.last()?.read()?;
    if !(1..=MAX_CHANNELS).contains(&outputs) {
        let why = format!("ends in {outputs}; 1 to {MAX_CHANNELS} channels are possible");
        return Err(place.wrong("shape", why));
    }
    let keeps_width = matches!(kind.as_str(), "prelu" | "batchnorm" | "activation");
    if keeps_width && outputs != inputs {
        let why = format!("ends in {outputs}, this layer receives and gives {inputs} channels");
        return Err(place.wrong("shape", why));
    }
    layers.extend(match kind.as_str() {
        "dense" | "time-distributed-dense" => Some(Layer::Conv1d(dense(place, inputs, outputs)?)),
        "conv1d" => Some(Layer::Conv1d(conv(place, inputs, outputs)?)),
        "lstm" => Some(Layer::Lstm(lstm(place, inputs, outputs)?)),
        "gru" => Some(Layer::Gru(gru(place, inputs, outputs)?)),
        "prelu" => Some(Layer::Activation(prelu(place, inputs)?)),
        "batchnorm" => Some(Layer::Affine(batch_norm(place, inputs)?)),
        "activation" => None,
        other => {
            return Err(unsupported(
                format!("the layer type \"{other}\" ({})", place.name("type")),
                "known are dense, conv1d, lstm, gru, prelu, batchnorm and activation",
            ));
        }
    });
    // RTNeural ignores the key there.
    if matches!(kind.as_str(), "lstm" | "gru") {
        return Ok(outputs);
    }
    if let Some(function) = activation(place)? {
        if matches!(kind.as_str(), "prelu" | "batchnorm") {
            let at = place.name("activation");
            let feature = format!("an activation on a {kind} layer ({at})");
            return Err(unsupported(feature, ""));
        }
        layers.push(Layer::Activation(function));
    }
    Ok(outputs)
}

fn activation(layer: &Place) -> Result<Option<Activation>, FormatError> {
    let Some(place) = layer.get("activation") else {
        return Ok(None);
    };
    let name: String = place.read()?;
    Ok(Some(match name.as_str() {
        "" | "linear" => return Ok(None),
        "tanh" => Activation::Tanh,
        "relu" => Activation::Relu,
        "sigmoid" => Activation::Sigmoid,
        "softmax" => Activation::Softmax,
        "elu" => Activation::Elu { alpha: 1.0 },
        other => {
            return Err(unsupported(
                format!("the activation \"{other}\" ({})", place.name("")),
                "known are tanh, relu, sigmoid, softmax and elu",
            ));
        }
    }))
}

/// `[in][out]`, then bias `[out]`, which Keras leaves out with `use_bias=False`: zeros, as
/// RTNeural's loader has it.
fn dense(layer: &Place, inputs: usize, outputs: usize) -> Result<Conv1d, FormatError> {
    let weights = layer.need("weights")?;
    let weight = transposed(&weights.item(0)?.matrix(inputs, outputs)?, outputs);
    let bias = match weights.items()?.len() {
        1 => vec![0.0; outputs],
        _ => weights.item(1)?.vector(outputs)?,
    };
    Ok(Conv1d::dense(inputs, outputs, weight, bias))
}

/// `[kernel][in / groups][out]`, oldest tap first, then bias `[out]`.
fn conv(layer: &Place, inputs: usize, outputs: usize) -> Result<Conv1d, FormatError> {
    let kernel_size = only_size(&layer.need("kernel_size")?)?;
    let dilation = only_size(&layer.need("dilation")?)?;
    let groups = layer.get("groups").map_or(Ok(1), |groups| groups.read())?;
    if groups == 0 || !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
        let why =
            format!("is {groups}, which does not divide {inputs} inputs and {outputs} outputs");
        return Err(layer.wrong("groups", why));
    }
    let inner = inputs / groups;
    let weights = layer.need("weights")?;
    let list = weights.item(0)?;
    let taps = list.items()?;
    if taps.len() != kernel_size {
        let why = format!("has {} taps, kernel_size is {kernel_size}", taps.len());
        return Err(list.wrong("", why));
    }
    let taps: Result<Vec<_>, _> = taps.map(|tap| tap.matrix(inner, outputs)).collect();
    let taps = taps?;
    // [k][i][o] → [o][i][k]
    let mut weight = Vec::with_capacity(kernel_size * inner * outputs);
    for at in 0..outputs {
        for i in 0..inner {
            weight.extend(taps.iter().map(|tap| tap[i * outputs + at]));
        }
    }
    Ok(Conv1d {
        in_channels: inputs,
        out_channels: outputs,
        kernel_size,
        dilation,
        groups,
        weight,
        bias: weights.item(1)?.vector(outputs)?,
    })
}

/// W[in][4H], U[H][4H], b[4H]; gates i, f, g, o.
fn lstm(layer: &Place, inputs: usize, units: usize) -> Result<Lstm, FormatError> {
    let (weights, columns) = (layer.need("weights")?, 4 * units);
    let matrix = |i: usize, rows: usize| -> Result<Vec<f32>, FormatError> {
        Ok(transposed(
            &weights.item(i)?.matrix(rows, columns)?,
            columns,
        ))
    };
    Ok(Lstm {
        input_size: inputs,
        hidden_size: units,
        weight_input: matrix(0, inputs)?,
        weight_hidden: matrix(1, units)?,
        bias: weights.item(2)?.vector(columns)?,
        initial_hidden: Vec::new(),
        initial_cell: Vec::new(),
    })
}

/// W[in][3H], U[H][3H], b[2][3H]; gates z, r, h, which here are r, z, n.
fn gru(layer: &Place, inputs: usize, units: usize) -> Result<Gru, FormatError> {
    let (weights, columns) = (layer.need("weights")?, 3 * units);
    let matrix = |i: usize, rows: usize| -> Result<Vec<f32>, FormatError> {
        let turned = transposed(&weights.item(i)?.matrix(rows, columns)?, columns);
        Ok(swap_gates(turned, units * rows))
    };
    let (weight_input, weight_hidden) = (matrix(0, inputs)?, matrix(1, units)?);
    let biases = weights.item(2)?.matrix(2, columns)?;
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

/// `[rows][columns]` turned into `[columns][rows]`.
pub(super) fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let columns = columns.max(1);
    (0..columns)
        .flat_map(|c| values.iter().skip(c).step_by(columns).copied())
        .collect()
}

/// `[[alpha…]]`: one slope, or one per channel.
fn prelu(layer: &Place, inputs: usize) -> Result<Activation, FormatError> {
    let place = layer.need("weights")?.item(0)?;
    let mut entries = place.items()?;
    // Keras nests the slopes once more than others.
    let slopes: Vec<f32> = match (entries.len(), entries.next()) {
        (1, Some(inner)) if inner.items().is_ok() => inner.read()?,
        _ => place.read()?,
    };
    if slopes.len() != 1 && slopes.len() != inputs {
        let why = format!("has {} slopes, 1 or {inputs} are needed", slopes.len());
        return Err(place.wrong("", why));
    }
    Ok(Activation::PRelu { slopes })
}

/// gamma, beta, mean, variance; or, without learned scale, mean and variance.
fn batch_norm(layer: &Place, inputs: usize) -> Result<Affine, FormatError> {
    let epsilon = layer.need("epsilon")?.read()?;
    let weights = layer.need("weights")?;
    let vector = |i: usize| weights.item(i)?.vector(inputs);
    let (gamma, beta, first) = match weights.items()?.len() {
        4 => (vector(0)?, vector(1)?, 2),
        2 => (vec![1.0; inputs], vec![0.0; inputs], 0),
        n => return Err(weights.wrong("", format!("has {n} lists, 2 or 4 are needed"))),
    };
    let (mean, variance) = (vector(first)?, vector(first + 1)?);
    Ok(folded(&mean, &variance, &gamma, &beta, epsilon))
}
