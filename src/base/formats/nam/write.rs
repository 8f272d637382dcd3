//! Writing a `.nam` file.
//!
//! Version 0.5.4, which every player reads, where the network fits its form (WaveNet with one
//! kernel size and one activation per array, LSTM, ConvNet, Linear); 0.7.0 with every field
//! spelled out for the rest, which is what players' fast paths for A2 look for.

use super::Metadata;
use super::read_wavenet::FILM_KEYS;
use crate::formats::{Format, FormatError, cannot_carry, field, number, numbers};
use crate::network::{
    Activation, Affine, Architecture, Conv1d, Gating, Layer, LayerArray, LayerFilms, Lstm, Network,
    PostStackHead, Sequential, Slimmable, WaveFilm, WaveLayer, WaveNet,
};
use serde_json::{Map, Value, json};

const OLD: &str = "0.5.4";
const NEW: &str = "0.7.0";

/// The text of a `.nam` file.
///
/// Recurrent layers are written with the initial state they have; players start from it, so give
/// it as it stands after a second of silence.
///
/// # Errors
/// [`FormatError::CannotCarry`] for a network without a `.nam` form; a description that is not
/// valid; a metadata word outside the field's vocabulary.
pub fn write(network: &Network, metadata: &Metadata) -> Result<String, FormatError> {
    network.validate()?;
    if let Some((key, word, known)) = metadata.capture.unknown_word() {
        let why = format!("{key} = \"{word}\"; known are {known}");
        return Err(field("metadata", why));
    }
    let carried = model(network).map_err(|why| cannot_carry(Format::Nam, why, network))?;
    let mut file = carried;
    if let Some(submodels) = file
        .get_mut("config")
        .and_then(|config| config.get_mut("submodels"))
        .and_then(Value::as_array_mut)
    {
        for (index, submodel) in submodels.iter_mut().enumerate() {
            if let Some(own) = metadata.of_size(index) {
                submodel["model"]["metadata"] = own;
            }
        }
    }
    file.insert("metadata".into(), Value::Object(metadata.to_map()));
    Ok(serde_json::to_string(&Value::Object(file))?)
}

/// Whether the network has a `.nam` form, and if not, why.
pub(crate) fn check(network: &Network) -> Result<(), String> {
    model(network).map(drop)
}

/// A model object without metadata, or why there is none.
fn model(network: &Network) -> Result<Map<String, Value>, String> {
    if !network.controls.is_empty() {
        return Err("the format has no knobs".into());
    }
    let mut file = architecture(&network.architecture, network.sample_rate)?;
    file.insert("sample_rate".into(), network.sample_rate.into());
    Ok(file)
}

fn object(version: &str, architecture: &str, config: Value, weights: &[f32]) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("version".into(), version.into());
    map.insert("architecture".into(), architecture.into());
    map.insert("config".into(), config);
    map.insert("weights".into(), numbers(weights));
    map
}

fn architecture(
    architecture: &Architecture,
    sample_rate: u32,
) -> Result<Map<String, Value>, String> {
    match architecture {
        Architecture::WaveNet(net) => wavenet(net, sample_rate),
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

// Sequential networks

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
        let zeros = if state.is_empty() {
            lstm.hidden_size
        } else {
            0
        };
        weights.extend(state.iter().copied().chain(std::iter::repeat_n(0.0, zeros)));
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
        "activation": activation(function)?,
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

/// A name, or an object where there are parameters.
fn activation(activation: &Activation) -> Result<Value, String> {
    let clamp = |min: f32, max: f32, min_slope: f32, max_slope: f32| {
        json!({
            "type": "LeakyHardtanh",
            "min_val": number(min),
            "max_val": number(max),
            "min_slope": number(min_slope),
            "max_slope": number(max_slope),
        })
    };
    let leaky = |slope: f32| json!({ "type": "LeakyReLU", "negative_slope": number(slope) });
    Ok(match activation {
        Activation::Tanh => "Tanh".into(),
        Activation::FastTanh => "Fasttanh".into(),
        Activation::HardTanh { min, max } if (*min, *max) == (-1.0, 1.0) => "Hardtanh".into(),
        // Players ignore the limits of Hardtanh, but not of this one.
        Activation::HardTanh { min, max } => clamp(*min, *max, 0.0, 0.0),
        Activation::LeakyHardTanh {
            min,
            max,
            min_slope,
            max_slope,
        } => clamp(*min, *max, *min_slope, *max_slope),
        Activation::Relu => "ReLU".into(),
        Activation::LeakyRelu { slope } => leaky(*slope),
        // Players know no identity by name.
        Activation::Identity => leaky(1.0),
        Activation::PRelu { slopes } => match slopes.as_slice() {
            [slope] => leaky(*slope),
            slopes => json!({ "type": "PReLU", "negative_slopes": numbers(slopes) }),
        },
        Activation::Sigmoid => "Sigmoid".into(),
        Activation::Silu => "SiLU".into(),
        Activation::HardSwish => "Hardswish".into(),
        Activation::Softsign => "Softsign".into(),
        Activation::Softsigmoid => return Err("its players have no Softsigmoid".into()),
        Activation::Elu { .. } => return Err("its players have no ELU".into()),
        Activation::Softmax => return Err("its players have no softmax".into()),
    })
}

/// As an object, as 0.7.0 files have it.
fn activation_object(function: &Activation) -> Result<Value, String> {
    Ok(match activation(function)? {
        Value::String(name) => json!({ "type": name }),
        object => object,
    })
}

// WaveNet

fn wavenet(net: &WaveNet, sample_rate: u32) -> Result<Map<String, Value>, String> {
    if net.input_channels != 1 {
        return Err("the format has no knobs".into());
    }
    let mut weights = Vec::new();
    for array in &net.arrays {
        array_weights(array, &mut weights);
    }
    for conv in net.head.iter().flat_map(|h| &h.convs) {
        conv_weights(conv, &mut weights);
    }
    weights.push(net.head_scale);
    let old = net.condition.is_none() && net.head.is_none() && net.arrays.iter().all(has_old_form);
    let form = if old { old_array } else { new_array };
    let layers: Result<Vec<Value>, String> = net.arrays.iter().map(form).collect();
    let mut config = json!({
        "layers": layers?,
        "head": net.head.as_ref().map(post_stack_head).transpose()?,
        "head_scale": number(net.head_scale),
    });
    if let Some(condition) = &net.condition {
        let mut nested = architecture(condition, sample_rate)?;
        nested.insert("sample_rate".into(), sample_rate.into());
        config["condition_dsp"] = Value::Object(nested);
    }
    Ok(object(
        if old { OLD } else { NEW },
        "WaveNet",
        config,
        &weights,
    ))
}

fn conv_weights(conv: &Conv1d, weights: &mut Vec<f32>) {
    weights.extend(&conv.weight);
    weights.extend(&conv.bias);
}

/// Weight and a bias that the format always has there.
fn biased_weights(conv: &Conv1d, weights: &mut Vec<f32>) {
    conv_weights(conv, weights);
    let missing = if conv.bias.is_empty() {
        conv.out_channels
    } else {
        0
    };
    weights.extend(std::iter::repeat_n(0.0, missing));
}

fn array_weights(array: &LayerArray, weights: &mut Vec<f32>) {
    conv_weights(&array.rechannel, weights);
    for layer in &array.layers {
        biased_weights(&layer.conv, weights);
        conv_weights(&layer.mixer, weights);
        for conv in layer.layer1x1.iter().chain(&layer.head1x1) {
            biased_weights(conv, weights);
        }
        for film in layer.films.all().into_iter().flatten() {
            biased_weights(&film.conv, weights);
        }
    }
    conv_weights(&array.head_rechannel, weights);
}

/// What all layers of an array share in the format; two layers that differ in it do not fit.
#[derive(PartialEq)]
struct Shared {
    bottleneck: usize,
    groups_input: usize,
    groups_mixer: usize,
    layer1x1: Option<usize>,
    head1x1: Option<[usize; 2]>,
    films: [Option<(bool, usize)>; 8],
}

impl Shared {
    fn of(layer: &WaveLayer) -> Self {
        let film = |film: &Option<WaveFilm>| film.as_ref().map(|f| (f.shift, f.conv.groups));
        Self {
            bottleneck: layer.bottleneck(),
            groups_input: layer.conv.groups,
            groups_mixer: layer.mixer.groups,
            layer1x1: layer.layer1x1.as_ref().map(|c| c.groups),
            head1x1: layer.head1x1.as_ref().map(|c| [c.out_channels, c.groups]),
            films: layer.films.all().map(film),
        }
    }
}

/// Whether 0.5.4 can say it.
fn has_old_form(array: &LayerArray) -> bool {
    let Some(first) = array.layers.first() else {
        return false;
    };
    let plain = |layer: &WaveLayer| {
        let gated = matches!(
            &layer.gating,
            Gating::None | Gating::Gated(Activation::Sigmoid)
        );
        gated
            && layer.gating == first.gating
            && layer.activation == first.activation
            && layer.conv.kernel_size == first.conv.kernel_size
            && layer.bottleneck() == layer.width()
            && layer.conv.groups == 1
            && layer.mixer.groups == 1
            && layer.layer1x1.as_ref().is_some_and(|c| c.groups == 1)
            && layer.head1x1.is_none()
            && layer.films == LayerFilms::default()
    };
    let named = activation(&first.activation).is_ok_and(|a| a.is_string());
    named
        && array.head_rechannel.kernel_size == 1
        && array.rechannel.groups == 1
        && array.layers.iter().all(plain)
}

fn dilations(array: &LayerArray) -> Vec<usize> {
    array.layers.iter().map(|l| l.conv.dilation).collect()
}

fn old_array(array: &LayerArray) -> Result<Value, String> {
    let first = &array.layers[0];
    let head = &array.head_rechannel;
    plain_ends(array)?;
    Ok(json!({
        "input_size": array.rechannel.in_channels,
        "condition_size": first.mixer.in_channels,
        "head_size": head.out_channels,
        "channels": array.width(),
        "kernel_size": first.conv.kernel_size,
        "dilations": dilations(array),
        "activation": activation(&first.activation)?,
        "gated": first.gating != Gating::None,
        "head_bias": !head.bias.is_empty(),
    }))
}

/// What the format takes for granted at the ends of an array.
fn plain_ends(array: &LayerArray) -> Result<(), String> {
    let no_bias =
        array.rechannel.bias.is_empty() && array.layers.iter().all(|l| l.mixer.bias.is_empty());
    let no_groups = array.rechannel.groups == 1 && array.head_rechannel.groups == 1;
    if no_bias && no_groups {
        return Ok(());
    }
    Err("its rechannel and mixer have no bias, and its rechannels no groups".into())
}

fn new_array(array: &LayerArray) -> Result<Value, String> {
    plain_ends(array)?;
    let first = array.layers.first().ok_or("an array needs a layer")?;
    let shared = Shared::of(first);
    if array.layers.iter().any(|layer| Shared::of(layer) != shared) {
        return Err("layers of one array differ in bottleneck, groups, 1x1s or FiLMs".into());
    }
    let post_film = first.films.layer1x1_post.is_some();
    if post_film
        && !array
            .layers
            .iter()
            .all(|l| matches!(l.gating, Gating::Blended(_)))
    {
        return Err("its players apply layer1x1_post_film only to blended layers".into());
    }
    let activations: Result<Vec<Value>, String> = array
        .layers
        .iter()
        .map(|l| activation_object(&l.activation))
        .collect();
    let secondary: Result<Vec<Option<Value>>, String> = array
        .layers
        .iter()
        .map(|l| l.gating.secondary().map(activation_object).transpose())
        .collect();
    let modes: Vec<&str> = array.layers.iter().map(|l| mode(&l.gating)).collect();
    let kernels: Vec<usize> = array.layers.iter().map(|l| l.conv.kernel_size).collect();
    let head = &array.head_rechannel;
    let mut config = json!({
        "input_size": array.rechannel.in_channels,
        "condition_size": first.mixer.in_channels,
        "head": {
            "out_channels": head.out_channels,
            "kernel_size": head.kernel_size,
            "bias": !head.bias.is_empty(),
        },
        "channels": array.width(),
        "kernel_sizes": kernels,
        "dilations": dilations(array),
        "activation": activations?,
        "bottleneck": shared.bottleneck,
        "head1x1": {
            "active": shared.head1x1.is_some(),
            "out_channels": shared.head1x1.map_or(1, |h| h[0]),
            "groups": shared.head1x1.map_or(1, |h| h[1]),
        },
        "layer1x1": {
            "active": shared.layer1x1.is_some(),
            "groups": shared.layer1x1.unwrap_or(1),
        },
        "groups_input": shared.groups_input,
        "groups_input_mixin": shared.groups_mixer,
        "gating_mode": modes,
        "secondary_activation": secondary?,
        "slimmable": null,
    });
    if head.dilation != 1 && head.kernel_size > 1 {
        config["head"]["head_dilation"] = head.dilation.into();
    }
    for (key, film) in FILM_KEYS.into_iter().zip(shared.films) {
        let (shift, groups) = film.unwrap_or((true, 1));
        config[key] = json!({ "active": film.is_some(), "shift": shift, "groups": groups });
    }
    Ok(config)
}

fn mode(gating: &Gating) -> &'static str {
    match gating {
        Gating::None => "none",
        Gating::Gated(_) => "gated",
        Gating::Blended(_) => "blended",
    }
}

fn post_stack_head(head: &PostStackHead) -> Result<Value, String> {
    let form = "its post-stack head has biased convolutions without dilation or groups, all but the last of one width";
    let plain = |c: &Conv1d| c.dilation == 1 && c.groups == 1 && !c.bias.is_empty();
    let (last, inner) = head.convs.split_last().ok_or(form)?;
    let channels = inner.first().map_or(last.out_channels, |c| c.out_channels);
    if !head.convs.iter().all(plain) || inner.iter().any(|c| c.out_channels != channels) {
        return Err(form.into());
    }
    let kernels: Vec<usize> = head.convs.iter().map(|c| c.kernel_size).collect();
    Ok(json!({
        "channels": channels,
        "activation": activation_object(&head.activation)?,
        "out_channels": last.out_channels,
        "kernel_sizes": kernels,
    }))
}
