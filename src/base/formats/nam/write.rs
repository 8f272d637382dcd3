//! A network as the JSON of a `.nam` file.
//!
//! Version 0.5.4, which every player reads, where the network fits its form (WaveNet with one
//! kernel size and one activation per array, LSTM, ConvNet, Linear); 0.7.0 with every field
//! spelled out for the rest, which is what players' fast paths for A2 look for.

use super::activation::name_or_object;
use super::write_wavenet::wavenet;
use crate::formats::common::refuse_tail;
use crate::network::{
    Affine, Architecture, Conv1d, Join, Layer, Lstm, Network, Sequential, Slimmable,
};
use serde_json::{Map, Value, json};

const OLD: &str = "0.5.4";
const NEW: &str = "0.7.0";

/// A model object without metadata, or why there is none.
pub(crate) fn model(network: &Network) -> Result<Map<String, Value>, String> {
    if !network.controls.is_empty() {
        return Err("the format has no knobs".into());
    }
    refuse_tail(network)?;
    let mut file = architecture(&network.architecture, network.sample_rate)?;
    file.insert("sample_rate".into(), network.sample_rate.into());
    Ok(file)
}

fn object(version: &str, architecture: &str, config: Value, weights: &[f32]) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("version".into(), version.into());
    map.insert("architecture".into(), architecture.into());
    map.insert("config".into(), config);
    map.insert("weights".into(), json!(weights));
    map
}

fn architecture(
    architecture: &Architecture,
    sample_rate: u32,
) -> Result<Map<String, Value>, String> {
    match architecture {
        Architecture::WaveNet(net) => {
            let (old, mut config, weights) = wavenet(net)?;
            if let Some(condition) = &net.condition {
                let mut nested = self::architecture(condition, sample_rate)?;
                nested.insert("sample_rate".into(), sample_rate.into());
                config["condition_dsp"] = nested.into();
            }
            let version = if old { OLD } else { NEW };
            Ok(object(version, "WaveNet", config, &weights))
        }
        Architecture::Sequential(net) => sequential(net),
        Architecture::Slimmable(net) => container(net),
        Architecture::Window(_) => Err("the format has no networks from window to window".into()),
    }
}

fn container(net: &Slimmable) -> Result<Map<String, Value>, String> {
    let mut submodels = Vec::new();
    for submodel in &net.submodels {
        let model = model(&submodel.network)?;
        submodels.push(json!({ "max_value": submodel.max_value, "model": model }));
    }
    Ok(object(
        NEW,
        "SlimmableContainer",
        json!({ "submodels": submodels }),
        &[],
    ))
}

fn sequential(net: &Sequential) -> Result<Map<String, Value>, String> {
    if net.input_channels != 1 {
        return Err("the format has no knobs".into());
    }
    match net.layers.as_slice() {
        [Layer::Conv1d(conv)] if conv.in_channels == 1 => Ok(linear(conv)),
        [Layer::Lstm(_), ..] => lstm(&net.layers),
        [Layer::Conv1d(_), ..] => convnet(&net.layers),
        [Layer::Residual(_)] if net.family() == "LSTM" => Err(
            "it cannot add the dry sound to the output; train with model.skip = false for it"
                .into(),
        ),
        [Layer::Branches(paths)] if paths.join == Join::Product => Err(
            "it cannot multiply the dry sound by a gain; train with model.gain = false for it"
                .into(),
        ),
        _ => Err(format!(
            "it has a form only for WaveNet, LSTM, ConvNet and Linear, this is {}",
            net.family()
        )),
    }
}

fn linear(conv: &Conv1d) -> Map<String, Value> {
    // An impulse response, newest first, with the gaps of a dilated kernel filled in.
    let len = conv.lookback().map_or(0, |n| n + 1);
    let mut weights = vec![0.0; len];
    for (k, w) in conv.weight.iter().enumerate() {
        weights[(conv.kernel_size - 1 - k) * conv.dilation] = *w;
    }
    weights.extend(&conv.bias);
    let config = json!({ "receptive_field": len, "bias": !conv.bias.is_empty() });
    object(OLD, "Linear", config, &weights)
}

fn lstm(layers: &[Layer]) -> Result<Map<String, Value>, String> {
    let Some((Layer::Conv1d(head), cells)) = layers.split_last() else {
        return Err("its LSTM form ends in a dense layer".into());
    };
    let mut weights = Vec::new();
    let mut hidden = None;
    for layer in cells {
        let Layer::Lstm(lstm) = layer else {
            return Err("its LSTM form holds LSTM layers and one dense layer only".into());
        };
        if hidden.is_some_and(|h| h != lstm.hidden_size) {
            return Err("its LSTM form has one hidden size for all layers".into());
        }
        hidden = Some(lstm.hidden_size);
        cell(lstm, &mut weights);
    }
    dense(head, &mut weights)?;
    let config = json!({ "input_size": 1, "hidden_size": hidden, "num_layers": cells.len() });
    Ok(object(OLD, "LSTM", config, &weights))
}

fn cell(lstm: &Lstm, weights: &mut Vec<f32>) {
    let input = lstm.weight_input.chunks_exact(lstm.input_size);
    for (input, hidden) in input.zip(lstm.weight_hidden.chunks_exact(lstm.hidden_size)) {
        weights.extend(input);
        weights.extend(hidden);
    }
    weights.extend(&lstm.bias);
    for state in [&lstm.initial_hidden, &lstm.initial_cell] {
        weights.extend(state);
        weights.resize(weights.len() + lstm.hidden_size - state.len(), 0.0);
    }
}

/// A dense layer to one output: weights and a bias that the format always has.
fn dense(conv: &Conv1d, weights: &mut Vec<f32>) -> Result<(), String> {
    if conv.kernel_size != 1 || conv.groups != 1 || conv.out_channels != 1 {
        return Err("its form ends in a dense layer with one output".into());
    }
    weights.extend(&conv.weight);
    weights.push(conv.bias.first().copied().unwrap_or(0.0));
    Ok(())
}

fn convnet(layers: &[Layer]) -> Result<Map<String, Value>, String> {
    let form = || {
        "its ConvNet form is convolutions of kernel size 2, each with the same activation, then a dense layer".to_string()
    };
    let Some((Layer::Conv1d(head), mut rest)) = layers.split_last() else {
        return Err(form());
    };
    let (mut weights, mut dilations, mut groups) = (Vec::new(), Vec::new(), None);
    let (mut function, mut normed, mut channels) = (None, None, None);
    while !rest.is_empty() {
        let (conv, affine, activation, after) = match rest {
            [
                Layer::Conv1d(conv),
                Layer::Affine(affine),
                Layer::Activation(a),
                after @ ..,
            ] => (conv, Some(affine), a, after),
            [Layer::Conv1d(conv), Layer::Activation(a), after @ ..] => (conv, None, a, after),
            _ => return Err(form()),
        };
        let same = *function.get_or_insert(activation) == activation
            && *normed.get_or_insert(affine.is_some()) == affine.is_some()
            && *channels.get_or_insert(conv.out_channels) == conv.out_channels
            && *groups.get_or_insert(conv.groups) == conv.groups;
        if !same || conv.kernel_size != 2 {
            return Err(form());
        }
        dilations.push(conv.dilation);
        block(conv, affine, &mut weights);
        rest = after;
    }
    dense(head, &mut weights)?;
    let (Some(function), Some(normed)) = (function, normed) else {
        return Err(form());
    };
    let mut config = json!({
        "channels": channels,
        "dilations": dilations,
        "batchnorm": normed,
        "activation": name_or_object(function)?,
    });
    if groups != Some(1) {
        config["groups"] = json!(groups);
    }
    // Activations with parameters came with 0.7; before, a name was all there was.
    let version = if config["activation"].is_string() {
        OLD
    } else {
        NEW
    };
    Ok(object(version, "ConvNet", config, &weights))
}

/// A convolution and, with batch normalisation, the numbers that fold to `affine`.
fn block(conv: &Conv1d, affine: Option<&Affine>, weights: &mut Vec<f32>) {
    weights.extend(&conv.weight);
    let bias = |o: usize| conv.bias.get(o).copied().unwrap_or(0.0);
    let Some(affine) = affine else {
        weights.extend((0..conv.out_channels).map(bias));
        return;
    };
    // Mean 0 and variance 1; the convolution has no bias there, so it moves behind the scale.
    weights.extend(std::iter::repeat_n(0.0, conv.out_channels));
    weights.extend(std::iter::repeat_n(1.0, conv.out_channels));
    weights.extend(&affine.scale);
    let shift = affine.shift.iter().zip(&affine.scale).enumerate();
    weights.extend(shift.map(|(o, (shift, scale))| shift + scale * bias(o)));
    weights.push(0.0);
}
