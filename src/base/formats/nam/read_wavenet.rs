//! Reading a WaveNet: the short form of 0.5 and the long form of 0.7 alike.

use super::read::{ConvShape, Weights, activation, mono, nested};
use crate::formats::json::{self, Object};
use crate::formats::{FormatError, field, unsupported};
use crate::network::{
    Activation, Gating, LayerArray, LayerFilms, PostStackHead, WaveFilm, WaveLayer, WaveNet,
};
use serde_json::Value;

/// The eight modulations in weight order.
pub(super) const FILM_KEYS: [&str; 8] = [
    "conv_pre_film",
    "conv_post_film",
    "input_mixin_pre_film",
    "input_mixin_post_film",
    "activation_pre_film",
    "activation_post_film",
    "layer1x1_post_film",
    "head1x1_post_film",
];

const ARRAY_KEYS: [&str; 22] = [
    "input_size",
    "condition_size",
    "head_size",
    "head_bias",
    "head",
    "channels",
    "kernel_size",
    "kernel_sizes",
    "dilations",
    "activation",
    "gated",
    "gating_mode",
    "secondary_activation",
    "bottleneck",
    "head1x1",
    "layer1x1",
    "groups_input",
    "groups_input_mixin",
    "slimmable",
    // Written by trainers, without effect on the sound.
    "name",
    "comment",
    "notes",
];

/// Reads `config` and the weights behind it.
pub(super) fn wavenet(
    config: &Object,
    weights: &mut Weights,
    sample_rate: u32,
    depth: usize,
) -> Result<WaveNet, FormatError> {
    config.only(&[
        "layers",
        "head",
        "head_scale",
        "condition_dsp",
        "in_channels",
        "out_channels",
    ])?;
    if depth == 0 {
        mono(config)?;
    }
    let input_channels = config.size_or("in_channels", 1)?;
    let condition = match config.get("condition_dsp") {
        Some(value) => {
            let place = config.place("condition_dsp");
            Some(Box::new(nested(value, &place, sample_rate, depth)?))
        }
        None => None,
    };
    let mut arrays = Vec::new();
    for (i, value) in config.list("layers")?.iter().enumerate() {
        let object = Object::new(value, format!("{}[{i}]", config.place("layers")))?;
        arrays.push(array(&ArrayConfig::new(object)?, weights)?);
    }
    let head = match config.get("head") {
        Some(_) => Some(post_stack_head(
            &config.object("head")?,
            arrays.last(),
            weights,
        )?),
        None => None,
    };
    // The file's last weight is what engines use; config.head_scale is what was configured.
    let head_scale = weights.one()?;
    Ok(WaveNet {
        input_channels,
        condition,
        arrays,
        head,
        head_scale,
    })
}

/// One layer array's configuration, with its defaults filled in.
struct ArrayConfig<'a> {
    object: Object<'a>,
    channels: usize,
    condition: usize,
    bottleneck: usize,
    kernel_sizes: Vec<usize>,
    dilations: Vec<usize>,
}

impl<'a> ArrayConfig<'a> {
    fn new(object: Object<'a>) -> Result<Self, FormatError> {
        let known: Vec<&str> = ARRAY_KEYS.into_iter().chain(FILM_KEYS).collect();
        object.only(&known)?;
        let channels = object.size("channels")?;
        let dilations = json::sizes(object.list("dilations")?, &object.place("dilations"))?;
        if let Some(Value::Object(slimmable)) = object.get("slimmable")
            && let Some(Value::Object(kwargs)) = slimmable.get("kwargs")
            && kwargs
                .get("boosting")
                .is_some_and(|b| b.as_bool() != Some(false))
        {
            return Err(unsupported(object.place("slimmable.kwargs.boosting"), ""));
        }
        Ok(Self {
            channels,
            condition: object.size("condition_size")?,
            bottleneck: object.size_or("bottleneck", channels)?,
            kernel_sizes: kernel_sizes(&object, dilations.len())?,
            dilations,
            object,
        })
    }

    /// The element for layer `i` of a field that is one value for all layers or a list.
    fn per_layer(&self, key: &str, i: usize) -> Result<Option<(&'a Value, String)>, FormatError> {
        let place = self.object.place(key);
        match self.object.get(key) {
            Some(Value::Array(list)) if list.len() != self.dilations.len() => {
                let why = format!(
                    "has {} entries, there are {} dilations",
                    list.len(),
                    self.dilations.len()
                );
                Err(field(place, why))
            }
            Some(Value::Array(list)) => {
                let value = Some(&list[i]).filter(|v| !v.is_null());
                Ok(value.map(|v| (v, format!("{place}[{i}]"))))
            }
            Some(value) => Ok(Some((value, place))),
            None => Ok(None),
        }
    }

    fn gating(&self, i: usize) -> Result<Gating, FormatError> {
        let mode = match self.per_layer("gating_mode", i)? {
            Some((value, place)) => match json::text(value, &place)? {
                mode @ ("none" | "gated" | "blended") => mode,
                other => {
                    return Err(unsupported(
                        format!("gating mode \"{other}\" ({place})"),
                        "",
                    ));
                }
            },
            None if self.object.flag_or("gated", false)? => "gated",
            None => "none",
        };
        if mode == "none" {
            return Ok(Gating::None);
        }
        let secondary = match self.per_layer("secondary_activation", i)? {
            Some((value, place)) => activation(value, &place)?,
            None => Activation::Sigmoid,
        };
        Ok(if mode == "gated" {
            Gating::Gated(secondary)
        } else {
            Gating::Blended(secondary)
        })
    }
}

fn kernel_sizes(object: &Object, layers: usize) -> Result<Vec<usize>, FormatError> {
    match (object.get("kernel_size"), object.get("kernel_sizes")) {
        (Some(_), Some(_)) => Err(field(
            object.place("kernel_sizes"),
            "and kernel_size are both given; give one",
        )),
        (Some(_), None) => Ok(vec![object.size("kernel_size")?; layers]),
        (None, _) => {
            let sizes = json::sizes(object.list("kernel_sizes")?, &object.place("kernel_sizes"))?;
            if sizes.len() == layers {
                return Ok(sizes);
            }
            let why = format!("has {} entries, there are {layers} dilations", sizes.len());
            Err(field(object.place("kernel_sizes"), why))
        }
    }
}

/// {active, …} of an optional 1x1, or `None` when inactive.
fn one_by_one<'a>(
    config: &ArrayConfig<'a>,
    key: &str,
    default: bool,
) -> Result<(bool, Option<Object<'a>>), FormatError> {
    if config.object.get(key).is_none() {
        return Ok((default, None));
    }
    let object = config.object.object(key)?;
    object.only(&["active", "groups", "out_channels"])?;
    Ok((object.flag_or("active", default)?, Some(object)))
}

fn array(config: &ArrayConfig, weights: &mut Weights) -> Result<LayerArray, FormatError> {
    let object = &config.object;
    let rechannel = ConvShape::pointwise(object.size("input_size")?, config.channels).bias(false);
    let rechannel = weights.conv(rechannel)?;
    let mut layers = Vec::new();
    for i in 0..config.dilations.len() {
        layers.push(layer(config, i, weights)?);
    }
    let head_channels = layers.first().map_or(0, WaveLayer::head_channels);
    let head_rechannel = weights.conv(head_shape(object, head_channels)?)?;
    Ok(LayerArray {
        rechannel,
        layers,
        head_rechannel,
    })
}

/// `head` {out_channels, kernel_size, bias}, or the older `head_size` and `head_bias`.
fn head_shape(object: &Object, inputs: usize) -> Result<ConvShape, FormatError> {
    if object.get("head").is_none() {
        let bias = object.flag("head_bias")?;
        return Ok(ConvShape::pointwise(inputs, object.size("head_size")?).bias(bias));
    }
    let head = object.object("head")?;
    head.only(&["out_channels", "kernel_size", "bias", "head_dilation"])?;
    let dilation = head.size_or("head_dilation", 1)?;
    let shape = ConvShape::pointwise(inputs, head.size("out_channels")?);
    Ok(shape
        .kernel(head.size("kernel_size")?, dilation)
        .bias(head.flag("bias")?))
}

fn layer(config: &ArrayConfig, i: usize, weights: &mut Weights) -> Result<WaveLayer, FormatError> {
    let object = &config.object;
    let (width, bottleneck) = (config.channels, config.bottleneck);
    let gating = config.gating(i)?;
    let (value, place) = config
        .per_layer("activation", i)?
        .ok_or_else(|| field(object.place("activation"), "is missing"))?;
    let activation = activation(value, &place)?;
    let halves = if gating == Gating::None { 1 } else { 2 };
    let middle = bottleneck
        .checked_mul(halves)
        .ok_or_else(|| field(object.place("bottleneck"), "is too large"))?;
    let conv =
        ConvShape::pointwise(width, middle).kernel(config.kernel_sizes[i], config.dilations[i]);
    let conv = weights.conv(conv.groups(object.size_or("groups_input", 1)?))?;
    let mixer = ConvShape::pointwise(config.condition, middle).bias(false);
    let mixer = weights.conv(mixer.groups(object.size_or("groups_input_mixin", 1)?))?;

    let groups =
        |object: &Option<Object>| object.as_ref().map_or(Ok(1), |o| o.size_or("groups", 1));
    let (active, options) = one_by_one(config, "layer1x1", true)?;
    let layer1x1 = match active {
        true => {
            Some(weights.conv(ConvShape::pointwise(bottleneck, width).groups(groups(&options)?))?)
        }
        false => None,
    };
    let (active, options) = one_by_one(config, "head1x1", false)?;
    let head1x1 = match active {
        true => {
            let outputs = options
                .as_ref()
                .map_or(Ok(width), |o| o.size_or("out_channels", width))?;
            Some(
                weights
                    .conv(ConvShape::pointwise(bottleneck, outputs).groups(groups(&options)?))?,
            )
        }
        false => None,
    };
    let head_channels = head1x1.as_ref().map_or(bottleneck, |c| c.out_channels);
    let sizes = [
        width,
        middle,
        config.condition,
        middle,
        middle,
        bottleneck,
        width,
        head_channels,
    ];
    let films = films(config, sizes, weights)?;
    Ok(WaveLayer {
        conv,
        mixer,
        activation,
        gating,
        layer1x1,
        head1x1,
        films,
    })
}

fn films(
    config: &ArrayConfig,
    sizes: [usize; 8],
    weights: &mut Weights,
) -> Result<LayerFilms, FormatError> {
    let mut films = [const { None }; 8];
    for ((key, size), film) in FILM_KEYS.into_iter().zip(sizes).zip(&mut films) {
        *film = self::film(config, key, size, weights)?;
    }
    let [
        conv_pre,
        conv_post,
        mixer_pre,
        mixer_post,
        activation_pre,
        activation_post,
        layer1x1_post,
        head1x1_post,
    ] = films;
    Ok(LayerFilms {
        conv_pre,
        conv_post,
        mixer_pre,
        mixer_post,
        activation_pre,
        activation_post,
        layer1x1_post,
        head1x1_post,
    })
}

fn film(
    config: &ArrayConfig,
    key: &str,
    size: usize,
    weights: &mut Weights,
) -> Result<Option<WaveFilm>, FormatError> {
    match config.object.get(key) {
        None | Some(Value::Bool(false)) => return Ok(None),
        Some(_) => {}
    }
    let object = config.object.object(key)?;
    object.only(&["active", "shift", "groups"])?;
    if !object.flag_or("active", true)? {
        return Ok(None);
    }
    let shift = object.flag_or("shift", true)?;
    let outputs = size.checked_mul(if shift { 2 } else { 1 });
    let outputs = outputs.ok_or_else(|| field(config.object.place(key), "is too large"))?;
    let shape =
        ConvShape::pointwise(config.condition, outputs).groups(object.size_or("groups", 1)?);
    Ok(Some(WaveFilm {
        conv: weights.conv(shape)?,
        shift,
    }))
}

fn post_stack_head(
    object: &Object,
    last: Option<&LayerArray>,
    weights: &mut Weights,
) -> Result<PostStackHead, FormatError> {
    object.only(&[
        "in_channels",
        "channels",
        "activation",
        "out_channels",
        "kernel_sizes",
        "num_layers",
    ])?;
    let implied = last.map_or(0, |a| a.head_rechannel.out_channels);
    let inputs = object.size_or("in_channels", implied)?;
    if inputs != implied {
        let why = format!("is {inputs}, the last layer array gives {implied}");
        return Err(field(object.place("in_channels"), why));
    }
    let kernels = json::sizes(object.list("kernel_sizes")?, &object.place("kernel_sizes"))?;
    let (channels, outputs) = (object.size("channels")?, object.size("out_channels")?);
    let activation = activation(object.need("activation")?, &object.place("activation"))?;
    let (mut inputs, mut convs) = (implied, Vec::new());
    for (i, kernel) in kernels.iter().enumerate() {
        let width = if i + 1 == kernels.len() {
            outputs
        } else {
            channels
        };
        convs.push(weights.conv(ConvShape::pointwise(inputs, width).kernel(*kernel, 1))?);
        inputs = width;
    }
    Ok(PostStackHead { activation, convs })
}
