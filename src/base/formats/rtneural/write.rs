//! RTNeural's layers as JSON.

use super::read::{swap_gates, transposed};
use crate::formats::common::refuse_tail;
use crate::formats::json::matrix;
use crate::network::{Activation, Affine, Architecture, Conv1d, Gru, Layer, Lstm, Network};
use serde_json::{Map, Value, json};

/// The file, or what RTNeural lacks for it.
pub(crate) fn file(network: &Network) -> Result<Value, String> {
    refuse_tail(network)?;
    let Architecture::Sequential(net) = &network.architecture else {
        return Err(format!(
            "it holds layers one after another, this is {}",
            network.family()
        ));
    };
    let layers = layers(&net.layers)?;
    Ok(json!({
        "in_shape": [null, null, net.input_channels],
        "layers": layers,
        // Not part of the format; readers that do not know it ignore it.
        "samplerate": network.sample_rate,
    }))
}

/// The layers as they stand in the file, or why they cannot.
pub(crate) fn layers(layers: &[Layer]) -> Result<Vec<Value>, String> {
    let mut written: Vec<Map<String, Value>> = Vec::new();
    let mut width = 0;
    for layer in layers {
        match layer {
            Layer::Conv1d(conv) => {
                written.push(convolution(conv));
                width = conv.out_channels;
            }
            Layer::Lstm(layer) => {
                written.push(lstm(layer)?);
                width = layer.hidden_size;
            }
            Layer::Gru(layer) => {
                written.push(gru(layer)?);
                width = layer.hidden_size;
            }
            Layer::Affine(affine) => {
                width = affine.scale.len();
                written.push(batch_norm(affine));
            }
            Layer::Activation(function) => {
                if width == 0 {
                    return Err("it cannot start with an activation".into());
                }
                if let Some(layer) = activation(function, width)? {
                    written.push(layer);
                }
            }
            Layer::S4d(_) => return Err("it has no state-space layer".into()),
            Layer::Film(_) => return Err("it has no modulation by knobs (FiLM)".into()),
            Layer::TemporalFilm(_) => return Err("it has no temporal FiLM".into()),
            Layer::Modulated(_) => return Err("it has no oscillator".into()),
            Layer::Glu => return Err("it has no gated linear unit".into()),
            Layer::Residual(_) => return Err("it has no shortcuts around layers".into()),
            Layer::Branches(_) => return Err("it has no layers side by side".into()),
            Layer::Delay(_) => return Err("it has no delay".into()),
        }
    }
    Ok(written.into_iter().map(Value::Object).collect())
}

fn object(kind: &str, width: usize, weights: Value) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("type".into(), kind.into());
    map.insert("activation".into(), "".into());
    map.insert("shape".into(), json!([null, null, width]));
    map.insert("weights".into(), weights);
    map
}

fn convolution(conv: &Conv1d) -> Map<String, Value> {
    let outputs = conv.out_channels;
    let bias = match conv.bias.as_slice() {
        [] => json!(vec![0.0; outputs]),
        bias => json!(bias),
    };
    if conv.kernel_size == 1 && conv.groups == 1 {
        let weight = matrix(&transposed(&conv.weight, conv.in_channels), outputs);
        return object("dense", outputs, json!([weight, bias]));
    }
    // [o][i][k] → [k][i][o]
    let inner = conv.in_channels / conv.groups;
    let tap = |k: usize| {
        let at = move |i: usize, o: usize| conv.weight[(o * inner + i) * conv.kernel_size + k];
        let flat: Vec<f32> = (0..inner)
            .flat_map(|i| (0..outputs).map(move |o| at(i, o)))
            .collect();
        matrix(&flat, outputs)
    };
    let taps: Value = (0..conv.kernel_size).map(tap).collect();
    let mut map = object("conv1d", outputs, json!([taps, bias]));
    map.insert("kernel_size".into(), json!([conv.kernel_size]));
    map.insert("dilation".into(), json!([conv.dilation]));
    map.insert("groups".into(), conv.groups.into());
    map
}

fn starts_from_zero(states: [&[f32]; 2]) -> Result<(), String> {
    if states.iter().all(|s| s.iter().all(|x| *x == 0.0)) {
        return Ok(());
    }
    Err("it starts recurrent layers from zero, this network from a stored state".into())
}

fn lstm(layer: &Lstm) -> Result<Map<String, Value>, String> {
    starts_from_zero([&layer.initial_hidden, &layer.initial_cell])?;
    let columns = 4 * layer.hidden_size;
    let weights = json!([
        matrix(&transposed(&layer.weight_input, layer.input_size), columns),
        matrix(
            &transposed(&layer.weight_hidden, layer.hidden_size),
            columns
        ),
        layer.bias,
    ]);
    Ok(object("lstm", layer.hidden_size, weights))
}

fn gru(layer: &Gru) -> Result<Map<String, Value>, String> {
    starts_from_zero([&layer.initial_hidden, &[]])?;
    let (inputs, units) = (layer.input_size, layer.hidden_size);
    let swapped = |values: &[f32], columns: usize| swap_gates(values.to_vec(), units * columns);
    let turned = |values: &[f32], columns: usize| {
        matrix(&transposed(&swapped(values, columns), columns), 3 * units)
    };
    let weights = json!([
        turned(&layer.weight_input, inputs),
        turned(&layer.weight_hidden, units),
        [
            swapped(&layer.bias_input, 1),
            swapped(&layer.bias_hidden, 1)
        ],
    ]);
    Ok(object("gru", units, weights))
}

/// Mean 0, variance 1 and epsilon 0 leave scale and shift.
fn batch_norm(affine: &Affine) -> Map<String, Value> {
    let n = affine.scale.len();
    let weights = json!([affine.scale, affine.shift, vec![0.0; n], vec![1.0; n],]);
    let mut map = object("batchnorm", n, weights);
    map.insert("epsilon".into(), json!(0.0));
    map
}

/// A layer of its own; `None` for the identity.
fn activation(function: &Activation, width: usize) -> Result<Option<Map<String, Value>>, String> {
    let named = |name: &str| {
        let mut map = object("activation", width, json!([]));
        map.insert("activation".into(), name.into());
        Ok(Some(map))
    };
    let prelu = |slopes: &[f32]| {
        let each: Vec<f32> = slopes.iter().copied().cycle().take(width).collect();
        Ok(Some(object("prelu", width, json!([[each]]))))
    };
    match function {
        Activation::Identity => Ok(None),
        Activation::Tanh => named("tanh"),
        Activation::Relu => named("relu"),
        Activation::Sigmoid => named("sigmoid"),
        Activation::Softmax => named("softmax"),
        Activation::Elu { alpha } if *alpha == 1.0 => named("elu"),
        Activation::PRelu { slopes } => prelu(slopes),
        Activation::LeakyRelu { slope } => prelu(&[*slope]),
        other => Err(format!("it has no activation {other:?}")),
    }
}
