//! A WaveNet as the `config` and the weights of a `.nam` file.

use super::activation::{self, name_or_object};
use crate::network::{
    Activation, Conv1d, Gating, LayerArray, LayerFilms, PostStackHead, WaveLayer, WaveNet,
};
use serde_json::{Value, json};

/// The eight modulations in weight order.
const FILM_KEYS: [&str; 8] = [
    "conv_pre_film",
    "conv_post_film",
    "input_mixin_pre_film",
    "input_mixin_post_film",
    "activation_pre_film",
    "activation_post_film",
    "layer1x1_post_film",
    "head1x1_post_film",
];

/// Whether 0.5.4 can say it, the `config` without the condition network, and the weights.
pub(super) fn wavenet(net: &WaveNet) -> Result<(bool, Value, Vec<f32>), String> {
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
    let config = json!({
        "layers": layers?,
        "head": net.head.as_ref().map(post_stack_head).transpose()?,
        "head_scale": net.head_scale,
    });
    Ok((old, config, weights))
}

fn conv_weights(conv: &Conv1d, weights: &mut Vec<f32>) {
    weights.extend(&conv.weight);
    weights.extend(&conv.bias);
}

/// Weight and a bias that the format always has there.
fn biased_weights(conv: &Conv1d, weights: &mut Vec<f32>) {
    conv_weights(conv, weights);
    weights.resize(weights.len() + conv.out_channels - conv.bias.len(), 0.0);
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

/// The fields that all layers of an array share in the format.
fn shared(layer: &WaveLayer) -> Value {
    let (layer1x1, head1x1) = (layer.layer1x1.as_ref(), layer.head1x1.as_ref());
    let mut fields = json!({
        "bottleneck": layer.bottleneck(),
        "groups_input": layer.conv.groups,
        "groups_input_mixin": layer.mixer.groups,
        "layer1x1": {
            "active": layer1x1.is_some(),
            "groups": layer1x1.map_or(1, |c| c.groups),
        },
        "head1x1": {
            "active": head1x1.is_some(),
            "out_channels": head1x1.map_or(1, |c| c.out_channels),
            "groups": head1x1.map_or(1, |c| c.groups),
        },
        "slimmable": null,
    });
    for (key, film) in FILM_KEYS.into_iter().zip(layer.films.all()) {
        fields[key] = json!({
            "active": film.is_some(),
            "shift": film.as_ref().is_none_or(|f| f.shift),
            "groups": film.as_ref().map_or(1, |f| f.conv.groups),
        });
    }
    fields
}

/// Whether 0.5.4 can say it.
fn has_old_form(array: &LayerArray) -> bool {
    let Some(first) = array.layers.first() else {
        return false;
    };
    let gated =
        |gating: &Gating| matches!(gating, Gating::None | Gating::Gated(Activation::Sigmoid));
    let plain = |layer: &WaveLayer| {
        gated(&layer.gating)
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
    let named = name_or_object(&first.activation).is_ok_and(|a| a.is_string());
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
        "activation": name_or_object(&first.activation)?,
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
    let layers = || array.layers.iter();
    let mut config = shared(first);
    if layers().any(|layer| shared(layer) != config) {
        return Err("layers of one array differ in bottleneck, groups, 1x1s or FiLMs".into());
    }
    let blended = layers().all(|l| matches!(l.gating, Gating::Blended(_)));
    if first.films.layer1x1_post.is_some() && !blended {
        return Err("its players apply layer1x1_post_film only to blended layers".into());
    }
    let activations: Result<Vec<Value>, String> = layers()
        .map(|l| activation::object(&l.activation))
        .collect();
    let secondary = layers().map(|l| l.gating.secondary().map(activation::object).transpose());
    let secondary: Result<Vec<Option<Value>>, String> = secondary.collect();
    let modes: Vec<&str> = layers().map(|l| mode(&l.gating)).collect();
    let kernels: Vec<usize> = layers().map(|l| l.conv.kernel_size).collect();
    let end = &array.head_rechannel;
    let mut head = json!({
        "out_channels": end.out_channels,
        "kernel_size": end.kernel_size,
        "bias": !end.bias.is_empty(),
    });
    if end.dilation != 1 && end.kernel_size > 1 {
        head["head_dilation"] = end.dilation.into();
    }
    for (key, value) in [
        ("input_size", json!(array.rechannel.in_channels)),
        ("condition_size", json!(first.mixer.in_channels)),
        ("channels", json!(array.width())),
        ("kernel_sizes", json!(kernels)),
        ("dilations", json!(dilations(array))),
        ("activation", json!(activations?)),
        ("gating_mode", json!(modes)),
        ("secondary_activation", json!(secondary?)),
        ("head", head),
    ] {
        config[key] = value;
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
        "activation": activation::object(&head.activation)?,
        "out_channels": last.out_channels,
        "kernel_sizes": kernels,
    }))
}
