//! The WaveNet of the guitar-modelling field, in its full generality.
//!
//! Per layer, with cond the network's input or the output of a nested condition network:
//! z = film(conv(film(x))) + film(mix(film(cond))); a = film(activation(film(z))), where a gate
//! halves the channels; head += film(head1x1(a)); x' = x + film(layer1x1(a)). The next array
//! starts from (x', head_rechannel(head)); the output is head_scale · head of the last array,
//! through the post-stack head where there is one.

use super::bounds::{MAX_CHANNELS, channels, size};
use super::error::DescriptionError;
use super::part::{Cost, Part, total};
use super::{Activation, Architecture, Conv1d};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// A WaveNet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaveNet {
    /// 1 (the audio), or 1 + the number of knobs.
    pub input_channels: usize,
    /// A network that turns the input into what conditions every layer; without one the input
    /// itself does.
    pub condition: Option<Box<Architecture>>,
    /// The layer arrays.
    pub arrays: Vec<LayerArray>,
    /// Layers after the arrays.
    pub head: Option<PostStackHead>,
    /// Factor on the last array's head.
    pub head_scale: f32,
}

/// Layers of one width that feed one head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerArray {
    /// From the array's input to its width, kernel size 1, no bias.
    pub rechannel: Conv1d,
    /// The layers.
    pub layers: Vec<WaveLayer>,
    /// From the sum of all layers' heads to what the next array's head starts from.
    pub head_rechannel: Conv1d,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaveLayer {
    /// Dilated convolution: width → middle channels (twice the bottleneck with a gate).
    pub conv: Conv1d,
    /// Condition → middle channels, kernel size 1, no bias.
    pub mixer: Conv1d,
    /// On the (first half of the) middle channels.
    pub activation: Activation,
    /// What the second half of the middle channels does.
    pub gating: Gating,
    /// Bottleneck → width, kernel size 1; without it the layer passes its input on unchanged.
    pub layer1x1: Option<Conv1d>,
    /// Bottleneck → head channels, kernel size 1; without it the bottleneck itself is summed.
    pub head1x1: Option<Conv1d>,
    /// Modulations by the condition.
    #[serde(default)]
    pub films: LayerFilms,
}

/// What the second half of the middle channels, s, does to the first half, p.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", content = "activation", rename_all = "snake_case")]
pub enum Gating {
    /// There is no second half.
    None,
    /// activation(p) · gate(s)
    Gated(Activation),
    /// b·activation(p) + (1 − b)·p with b = blend(s)
    Blended(Activation),
}

impl Gating {
    /// The second half's activation.
    pub fn secondary(&self) -> Option<&Activation> {
        match self {
            Self::None => None,
            Self::Gated(activation) | Self::Blended(activation) => Some(activation),
        }
    }
}

/// Modulation of a signal by the condition: scale, then shift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaveFilm {
    /// Condition → one scale per channel, then, with `shift`, one offset per channel; kernel
    /// size 1, with bias.
    pub conv: Conv1d,
    /// Whether offsets follow the scales.
    pub shift: bool,
}

/// Where a layer may be modulated; the order is that of the weights in a `.nam` file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LayerFilms {
    /// The convolution's input.
    pub conv_pre: Option<WaveFilm>,
    /// The convolution's output.
    pub conv_post: Option<WaveFilm>,
    /// The mixer's input.
    pub mixer_pre: Option<WaveFilm>,
    /// The mixer's output.
    pub mixer_post: Option<WaveFilm>,
    /// Their sum.
    pub activation_pre: Option<WaveFilm>,
    /// The activation's output.
    pub activation_post: Option<WaveFilm>,
    /// The 1x1's output, before it is added to the layer's input.
    pub layer1x1_post: Option<WaveFilm>,
    /// The head 1x1's output.
    pub head1x1_post: Option<WaveFilm>,
}

impl LayerFilms {
    /// All eight places in file order.
    pub fn all(&self) -> [&Option<WaveFilm>; 8] {
        [
            &self.conv_pre,
            &self.conv_post,
            &self.mixer_pre,
            &self.mixer_post,
            &self.activation_pre,
            &self.activation_post,
            &self.layer1x1_post,
            &self.head1x1_post,
        ]
    }
}

/// Layers after the arrays, each an activation and then a convolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostStackHead {
    /// Before every convolution.
    pub activation: Activation,
    /// The convolutions.
    pub convs: Vec<Conv1d>,
}

impl WaveLayer {
    /// Channels of the layer's input and of what it passes on.
    pub fn width(&self) -> usize {
        self.conv.in_channels
    }

    /// Channels after the activation.
    pub fn bottleneck(&self) -> usize {
        match self.gating {
            Gating::None => self.conv.out_channels,
            _ => self.conv.out_channels / 2,
        }
    }

    /// Channels added to the head.
    pub fn head_channels(&self) -> usize {
        self.head1x1
            .as_ref()
            .map_or(self.bottleneck(), |c| c.out_channels)
    }

    fn convs(&self) -> impl Iterator<Item = &Conv1d> {
        let films = self.films.all().into_iter().flatten().map(|f| &f.conv);
        let ones = self.layer1x1.iter().chain(&self.head1x1);
        [&self.conv, &self.mixer]
            .into_iter()
            .chain(ones)
            .chain(films)
    }

    fn check(&self, width: usize, condition: usize) -> Result<(), DescriptionError> {
        let middle = self.conv.check(width, 0).map_err(|e| e.within("conv"))?;
        let mixed = pointwise("input mixer", &self.mixer, condition)?;
        channels("input mixer", mixed, middle)?;
        if self.gating != Gating::None && middle % 2 != 0 {
            let why = format!("{middle} middle channels cannot be halved for the gate");
            return Err(DescriptionError::invalid("gating", why));
        }
        let bottleneck = self.bottleneck();
        self.activation.check(bottleneck)?;
        if let Some(secondary) = self.gating.secondary() {
            secondary.check(bottleneck)?;
        }
        match &self.layer1x1 {
            Some(conv) => channels("layer1x1", pointwise("layer1x1", conv, bottleneck)?, width)?,
            None if self.films.layer1x1_post.is_some() => {
                return Err(DescriptionError::invalid(
                    "layer1x1_post_film",
                    "needs layer1x1",
                ));
            }
            None => {}
        }
        match &self.head1x1 {
            Some(conv) => drop(pointwise("head1x1", conv, bottleneck)?),
            None if self.films.head1x1_post.is_some() => {
                return Err(DescriptionError::invalid(
                    "head1x1_post_film",
                    "needs head1x1",
                ));
            }
            None => {}
        }
        self.check_films(width, condition, middle)
    }

    fn check_films(
        &self,
        width: usize,
        condition: usize,
        middle: usize,
    ) -> Result<(), DescriptionError> {
        let bottleneck = self.bottleneck();
        let sizes = [
            ("conv_pre_film", width),
            ("conv_post_film", middle),
            ("input_mixin_pre_film", condition),
            ("input_mixin_post_film", middle),
            ("activation_pre_film", middle),
            ("activation_post_film", bottleneck),
            ("layer1x1_post_film", width),
            ("head1x1_post_film", self.head_channels()),
        ];
        for ((what, size), film) in sizes.into_iter().zip(self.films.all()) {
            let Some(film) = film else { continue };
            let outputs = pointwise(what, &film.conv, condition)?;
            let expected = size.saturating_mul(if film.shift { 2 } else { 1 });
            channels(what, outputs, expected)?;
        }
        Ok(())
    }
}

/// Checks a convolution of kernel size 1; gives its output channels.
fn pointwise(what: &str, conv: &Conv1d, inputs: usize) -> Result<usize, DescriptionError> {
    if conv.kernel_size != 1 {
        let why = format!("kernel size {} must be 1", conv.kernel_size);
        return Err(DescriptionError::invalid(what, why));
    }
    conv.check(inputs, 0).map_err(|e| e.within(what))
}

impl LayerArray {
    /// Width of its layers.
    pub fn width(&self) -> usize {
        self.rechannel.out_channels
    }

    /// Checks the array; gives (layer output, head output) channels.
    fn check(
        &self,
        input: usize,
        condition: usize,
        head: Option<usize>,
    ) -> Result<(usize, usize), DescriptionError> {
        let width = pointwise("rechannel", &self.rechannel, input)?;
        let Some(first) = self.layers.first() else {
            return Err(DescriptionError::invalid(
                "layers",
                "is empty; give at least one",
            ));
        };
        let head_channels = first.head_channels();
        for (i, layer) in self.layers.iter().enumerate() {
            let place = format!("layer {i}");
            layer
                .check(width, condition)
                .map_err(|e| e.within(&place))?;
            channels("layer head", layer.head_channels(), head_channels)
                .map_err(|e| e.within(&place))?;
        }
        if let Some(head) = head {
            channels("head of the array before", head, head_channels)?;
        }
        let rechannel = &self.head_rechannel;
        let outputs = rechannel
            .check(head_channels, 0)
            .map_err(|e| e.within("head_rechannel"))?;
        Ok((width, outputs))
    }

    fn context(&self) -> Option<usize> {
        let layers = self.layers.iter().map(|l| l.conv.lookback());
        let sum = layers
            .into_iter()
            .try_fold(0usize, |sum, n| sum.checked_add(n?))?;
        sum.checked_add(self.head_rechannel.lookback()?)
    }

    fn shape(&self) -> String {
        let mut kernels: Vec<usize> = self.layers.iter().map(|l| l.conv.kernel_size).collect();
        kernels.sort_unstable();
        kernels.dedup();
        let kernels: Vec<String> = kernels.iter().map(ToString::to_string).collect();
        let mut text = format!(
            "{} channels, {} layers, kernel {}",
            self.width(),
            self.layers.len(),
            kernels.join("/")
        );
        let Some(first) = self.layers.first() else {
            return text;
        };
        let _ = write!(text, ", {:?}", first.activation);
        if first.bottleneck() != self.width() {
            let _ = write!(text, ", bottleneck {}", first.bottleneck());
        }
        if self.layers.iter().any(|l| l.gating != Gating::None) {
            text += ", gated";
        }
        if self.layers.iter().any(|l| l.films != LayerFilms::default()) {
            text += ", FiLM";
        }
        if first.conv.groups > 1 {
            let _ = write!(text, ", {} groups", first.conv.groups);
        }
        text
    }
}

impl WaveNet {
    /// Channels that condition every layer.
    pub fn condition_channels(&self) -> usize {
        self.arrays
            .first()
            .and_then(|a| a.layers.first())
            .map_or(1, |l| l.mixer.in_channels)
    }

    /// Channels the network gives.
    pub fn output_channels(&self) -> usize {
        let head = self.head.as_ref().and_then(|h| h.convs.last());
        let last = head.or(self.arrays.last().map(|a| &a.head_rechannel));
        last.map_or(0, |c| c.out_channels)
    }
}

impl Part for WaveNet {
    fn check(&self, in_channels: usize, controls: usize) -> Result<usize, DescriptionError> {
        size("input_channels", self.input_channels, MAX_CHANNELS)?;
        channels("network input", self.input_channels, in_channels)?;
        if !self.head_scale.is_finite() {
            return Err(DescriptionError::invalid("head_scale", "is not finite"));
        }
        let condition = match &self.condition {
            Some(net) => {
                let checked = net.part().check(in_channels, controls);
                checked.map_err(|e| e.within("condition"))?
            }
            None => in_channels,
        };
        let mut input = in_channels;
        let mut head = None;
        for (i, array) in self.arrays.iter().enumerate() {
            let place = format!("array {i}");
            let (width, outputs) = array
                .check(input, condition, head)
                .map_err(|e| e.within(&place))?;
            (input, head) = (width, Some(outputs));
        }
        let Some(mut outputs) = head else {
            return Err(DescriptionError::invalid(
                "arrays",
                "is empty; give at least one",
            ));
        };
        if let Some(head) = &self.head {
            if head.convs.is_empty() {
                return Err(DescriptionError::invalid(
                    "head",
                    "has no convolution; give one",
                ));
            }
            for conv in &head.convs {
                head.activation
                    .check(outputs)
                    .map_err(|e| e.within("head"))?;
                outputs = conv.check(outputs, 0).map_err(|e| e.within("head"))?;
            }
        }
        Ok(outputs)
    }

    /// `weights` counts `head_scale` and leaves the condition network's in: all that is learned.
    fn cost(&self) -> Option<Cost> {
        let mut sum = Cost {
            weights: 1,
            ..Cost::default()
        };
        if let Some(condition) = &self.condition {
            sum = sum.plus(condition.part().cost()?)?;
        }
        for array in &self.arrays {
            let ends = [&array.rechannel, &array.head_rechannel];
            let layers = array.layers.iter().flat_map(WaveLayer::convs);
            sum = sum.plus(total(ends.into_iter().chain(layers).map(Part::cost))?)?;
        }
        if let Some(head) = &self.head {
            sum = sum.plus(total(head.convs.iter().map(Part::cost))?)?;
        }
        Some(sum)
    }

    fn context(&self) -> Option<usize> {
        let mut sum = match &self.condition {
            Some(condition) => condition.part().context()?,
            None => 0,
        };
        for array in &self.arrays {
            sum = sum.checked_add(array.context()?)?;
        }
        for conv in self.head.iter().flat_map(|h| &h.convs) {
            sum = sum.checked_add(conv.lookback()?)?;
        }
        Some(sum)
    }

    fn shape(&self) -> String {
        let arrays: Vec<String> = self.arrays.iter().map(LayerArray::shape).collect();
        let mut text = arrays.join("; ");
        if let Some(condition) = &self.condition {
            let (family, shape) = (condition.family(), condition.shape());
            let _ = write!(text, "; conditioned by {family} ({shape})");
        }
        if let Some(head) = &self.head {
            let _ = write!(text, "; {} head convolutions", head.convs.len());
        }
        text
    }
}
