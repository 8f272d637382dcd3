//! Reading a WaveNet: the short form of 0.5 and the long form of 0.7 alike.
//!
//! What has no effect on the sound stands in the configs so that it is known (`expect(dead_code)`).

use super::activation::Given;
use super::read::nested;
use super::weights::Weights;
use crate::formats::error::{FormatError, unsupported};
use crate::formats::json::Place;
use crate::network::{
    Activation, Conv1d, Gating, LayerArray, LayerFilms, PostStackHead, WaveFilm, WaveLayer, WaveNet,
};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code)]
struct Config {
    layers: Vec<ArrayConfig>,
    head: Option<PostStackConfig>,
    /// What was configured; engines use the file's last weight.
    head_scale: Option<IgnoredAny>,
    condition_dsp: Option<IgnoredAny>,
    in_channels: Option<usize>,
    out_channels: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code)]
struct ArrayConfig {
    input_size: usize,
    condition_size: usize,
    channels: usize,
    bottleneck: Option<usize>,
    dilations: Vec<usize>,
    kernel_size: Option<usize>,
    kernel_sizes: Option<Vec<usize>>,
    activation: PerLayer<Given>,
    #[serde(default)]
    gated: bool,
    gating_mode: Option<PerLayer<String>>,
    secondary_activation: Option<PerLayer<Given>>,
    groups_input: Option<usize>,
    groups_input_mixin: Option<usize>,
    #[serde(default)]
    layer1x1: OneByOne,
    #[serde(default)]
    head1x1: OneByOne,
    head: Option<HeadConfig>,
    head_size: Option<usize>,
    head_bias: Option<bool>,
    conv_pre_film: Option<Film>,
    conv_post_film: Option<Film>,
    input_mixin_pre_film: Option<Film>,
    input_mixin_post_film: Option<Film>,
    activation_pre_film: Option<Film>,
    activation_post_film: Option<Film>,
    layer1x1_post_film: Option<Film>,
    head1x1_post_film: Option<Film>,
    slimmable: Option<Value>,
    name: Option<IgnoredAny>,
    comment: Option<IgnoredAny>,
    notes: Option<IgnoredAny>,
}

/// One value for all layers of an array, or a list with one for each.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum PerLayer<T> {
    List(Vec<Option<T>>),
    One(T),
}

impl<T> PerLayer<T> {
    /// One for each of `layers` layers; `key` is where it stands.
    fn each<'a>(
        given: Option<&'a Self>,
        layers: usize,
        place: &Place,
        key: &str,
    ) -> Result<Vec<Option<&'a T>>, FormatError> {
        match given {
            None => Ok(vec![None; layers]),
            Some(Self::One(value)) => Ok(vec![Some(value); layers]),
            Some(Self::List(list)) if list.len() == layers => {
                Ok(list.iter().map(Option::as_ref).collect())
            }
            Some(Self::List(list)) => Err(not_so_many(list.len(), layers, place, key)),
        }
    }
}

fn not_so_many(entries: usize, layers: usize, place: &Place, key: &str) -> FormatError {
    let why = format!("has {entries} entries, there are {layers} dilations");
    place.wrong(key, why)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneByOne {
    active: Option<bool>,
    groups: Option<usize>,
    out_channels: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadConfig {
    out_channels: usize,
    kernel_size: usize,
    bias: bool,
    head_dilation: Option<usize>,
}

/// A modulation; `false` for none.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Film {
    Flag(bool),
    One(FilmConfig),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilmConfig {
    active: Option<bool>,
    shift: Option<bool>,
    groups: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code)]
struct PostStackConfig {
    in_channels: Option<usize>,
    channels: usize,
    out_channels: usize,
    kernel_sizes: Vec<usize>,
    activation: Given,
    num_layers: Option<IgnoredAny>,
}

/// Reads `config` and the weights behind it.
pub(super) fn wavenet(
    place: &Place,
    weights: &mut Weights,
    sample_rate: u32,
    depth: usize,
) -> Result<WaveNet, FormatError> {
    let config: Config = place.read()?;
    let input_channels = config.in_channels.unwrap_or(1);
    let output_channels = config.out_channels.unwrap_or(1);
    // A condition network receives and gives as many as the one around it needs.
    if depth == 0 && (input_channels, output_channels) != (1, 1) {
        return Err(unsupported(
            format!(
                "{} = {input_channels}, out_channels = {output_channels}",
                place.name("in_channels")
            ),
            "one channel in and one out are played",
        ));
    }
    let condition = place
        .get("condition_dsp")
        .map(|file| nested(&file, sample_rate, depth));
    let condition = condition.transpose()?.map(Box::new);
    let mut arrays = Vec::new();
    for (config, place) in config.layers.iter().zip(place.need("layers")?.items()?) {
        arrays.push(config.read(&place, weights)?);
    }
    let inputs = arrays
        .last()
        .map_or(0, |a: &LayerArray| a.head_rechannel.out_channels);
    let head = match config.head {
        Some(head) => Some(head.read(&place.need("head")?, inputs, weights)?),
        None => None,
    };
    Ok(WaveNet {
        input_channels,
        condition,
        arrays,
        head,
        head_scale: weights.one()?,
    })
}

impl ArrayConfig {
    fn read(&self, place: &Place, weights: &mut Weights) -> Result<LayerArray, FormatError> {
        let boosting = self
            .slimmable
            .as_ref()
            .and_then(|s| s.get("kwargs")?.get("boosting"));
        if boosting.is_some_and(|boosting| *boosting != Value::Bool(false)) {
            return Err(unsupported(place.name("slimmable.kwargs.boosting"), ""));
        }
        let kernel_sizes = self.kernel_sizes(place)?;
        let count = self.dilations.len();
        let activations = PerLayer::each(Some(&self.activation), count, place, "activation")?;
        let modes = PerLayer::each(self.gating_mode.as_ref(), count, place, "gating_mode")?;
        let gates = self.secondary_activation.as_ref();
        let gates = PerLayer::each(gates, count, place, "secondary_activation")?;
        let rechannel = weights.conv([self.input_size, self.channels], [1, 1, 1], false)?;
        let mut layers = Vec::new();
        for i in 0..count {
            let activation =
                activations[i].ok_or_else(|| place.wrong("activation", "is missing"))?;
            let gating = self.gating(modes[i], gates[i], place)?;
            let sizes = [kernel_sizes[i], self.dilations[i]];
            layers.push(self.layer(sizes, activation, gating, place, weights)?);
        }
        let head_channels = layers.first().map_or(0, WaveLayer::head_channels);
        let head_rechannel = self.head_rechannel(head_channels, place, weights)?;
        Ok(LayerArray {
            rechannel,
            layers,
            head_rechannel,
        })
    }

    fn kernel_sizes(&self, place: &Place) -> Result<Vec<usize>, FormatError> {
        let (layers, key) = (self.dilations.len(), "kernel_sizes");
        match (self.kernel_size, &self.kernel_sizes) {
            (Some(size), None) => Ok(vec![size; layers]),
            (None, Some(sizes)) if sizes.len() == layers => Ok(sizes.clone()),
            (None, Some(sizes)) => Err(not_so_many(sizes.len(), layers, place, key)),
            (None, None) => Err(place.wrong(key, "is missing")),
            (Some(_), Some(_)) => Err(place.wrong(key, "and kernel_size are both given; give one")),
        }
    }

    fn gating(
        &self,
        mode: Option<&String>,
        gate: Option<&Given>,
        place: &Place,
    ) -> Result<Gating, FormatError> {
        let gating = match mode.map(String::as_str) {
            None if self.gated => Gating::Gated,
            None | Some("none") => return Ok(Gating::None),
            Some("gated") => Gating::Gated,
            Some("blended") => Gating::Blended,
            Some(other) => {
                let place = place.name("gating_mode");
                return Err(unsupported(
                    format!("gating mode \"{other}\" ({place})"),
                    "",
                ));
            }
        };
        let gate = gate.map(|gate| gate.of(self.bottleneck(), place, "secondary_activation"));
        Ok(gating(gate.transpose()?.unwrap_or(Activation::Sigmoid)))
    }

    fn bottleneck(&self) -> usize {
        self.bottleneck.unwrap_or(self.channels)
    }

    /// `head` {out_channels, kernel_size, bias}, or the older `head_size` and `head_bias`.
    fn head_rechannel(
        &self,
        inputs: usize,
        place: &Place,
        weights: &mut Weights,
    ) -> Result<Conv1d, FormatError> {
        if let Some(head) = &self.head {
            let sizes = [head.kernel_size, head.head_dilation.unwrap_or(1), 1];
            return weights.conv([inputs, head.out_channels], sizes, head.bias);
        }
        let missing = |key| place.wrong(key, "is missing");
        let bias = self.head_bias.ok_or_else(|| missing("head_bias"))?;
        let outputs = self.head_size.ok_or_else(|| missing("head_size"))?;
        weights.conv([inputs, outputs], [1, 1, 1], bias)
    }

    fn layer(
        &self,
        [kernel_size, dilation]: [usize; 2],
        activation: &Given,
        gating: Gating,
        place: &Place,
        weights: &mut Weights,
    ) -> Result<WaveLayer, FormatError> {
        let (width, condition) = (self.channels, self.condition_size);
        let bottleneck = self.bottleneck();
        let halves = if gating == Gating::None { 1 } else { 2 };
        // No file holds the weights of what does not fit a number.
        let middle = bottleneck.saturating_mul(halves);
        let sizes = [kernel_size, dilation, self.groups_input.unwrap_or(1)];
        let conv = weights.conv([width, middle], sizes, true)?;
        let sizes = [1, 1, self.groups_input_mixin.unwrap_or(1)];
        let mixer = weights.conv([condition, middle], sizes, false)?;
        let mut one_by_one = |given: &OneByOne, default: bool, outputs: usize| {
            let sizes = [1, 1, given.groups.unwrap_or(1)];
            let active = given.active.unwrap_or(default);
            active
                .then(|| weights.conv([bottleneck, outputs], sizes, true))
                .transpose()
        };
        let layer1x1 = one_by_one(&self.layer1x1, true, width)?;
        let outputs = self.head1x1.out_channels.unwrap_or(width);
        let head1x1 = one_by_one(&self.head1x1, false, outputs)?;
        let head_channels = head1x1.as_ref().map_or(bottleneck, |c| c.out_channels);
        let films = self.films([middle, bottleneck, head_channels], place, weights)?;
        Ok(WaveLayer {
            conv,
            mixer,
            activation: activation.of(bottleneck, place, "activation")?,
            gating,
            layer1x1,
            head1x1,
            films,
        })
    }

    fn films(
        &self,
        [middle, bottleneck, head_channels]: [usize; 3],
        place: &Place,
        weights: &mut Weights,
    ) -> Result<LayerFilms, FormatError> {
        let (width, condition) = (self.channels, self.condition_size);
        let mut film = |given: &Option<Film>, size: usize| {
            let film = match given {
                Some(Film::One(film)) if film.active != Some(false) => film,
                Some(Film::Flag(true)) => {
                    let why = "has a modulation that is true; false or an object is needed";
                    return Err(place.wrong("", why));
                }
                _ => return Ok(None),
            };
            let shift = film.shift.unwrap_or(true);
            let outputs = size.saturating_mul(if shift { 2 } else { 1 });
            let sizes = [1, 1, film.groups.unwrap_or(1)];
            let conv = weights.conv([condition, outputs], sizes, true)?;
            Ok(Some(WaveFilm { conv, shift }))
        };
        // In weight order.
        Ok(LayerFilms {
            conv_pre: film(&self.conv_pre_film, width)?,
            conv_post: film(&self.conv_post_film, middle)?,
            mixer_pre: film(&self.input_mixin_pre_film, condition)?,
            mixer_post: film(&self.input_mixin_post_film, middle)?,
            activation_pre: film(&self.activation_pre_film, middle)?,
            activation_post: film(&self.activation_post_film, bottleneck)?,
            layer1x1_post: film(&self.layer1x1_post_film, width)?,
            head1x1_post: film(&self.head1x1_post_film, head_channels)?,
        })
    }
}

impl PostStackConfig {
    /// The convolutions behind the last layer array, which gives `inputs` channels.
    fn read(
        self,
        place: &Place,
        mut inputs: usize,
        weights: &mut Weights,
    ) -> Result<PostStackHead, FormatError> {
        if let Some(given) = self.in_channels.filter(|given| *given != inputs) {
            let why = format!("is {given}, the last layer array gives {inputs}");
            return Err(place.wrong("in_channels", why));
        }
        let mut convs = Vec::new();
        for (i, kernel_size) in self.kernel_sizes.iter().enumerate() {
            let last = i + 1 == self.kernel_sizes.len();
            let outputs = if last {
                self.out_channels
            } else {
                self.channels
            };
            convs.push(weights.conv([inputs, outputs], [*kernel_size, 1, 1], true)?);
            inputs = outputs;
        }
        let activation = self.activation.0;
        Ok(PostStackHead { activation, convs })
    }
}
