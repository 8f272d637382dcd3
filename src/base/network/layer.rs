//! The building blocks that sequential networks are made of, and the sequence itself.
//!
//! Signals between layers are `[channel][time]`. Every layer is causal.

use super::recurrent::{Gru, Lstm, S4d};
use super::{Activation, Cost, DescriptionError, MAX_CHANNELS, MAX_DEPTH, MAX_HISTORY, Part};
use super::{channels, numbers, size, total};
use serde::{Deserialize, Serialize};

/// A causal dilated convolution over time; kernel size 1 makes it a dense layer over channels.
///
/// y[o][t] = bias[o] + Σ_i Σ_k weight[o][i][k] · x[i][t − (kernel_size − 1 − k) · dilation]:
/// tap 0 is the oldest. With groups, output channel o reads the `in_channels / groups` inputs of
/// its own group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv1d {
    /// Channels read.
    pub in_channels: usize,
    /// Channels written.
    pub out_channels: usize,
    /// Taps.
    pub kernel_size: usize,
    /// Samples between taps.
    pub dilation: usize,
    /// Blocks of channels that do not mix.
    pub groups: usize,
    /// `[out_channels][in_channels / groups][kernel_size]`
    pub weight: Vec<f32>,
    /// `[out_channels]`, or empty without bias.
    pub bias: Vec<f32>,
}

impl Conv1d {
    /// A dense layer over channels: `weight` is `[out][in]`, `bias` `[out]` or empty.
    pub fn dense(
        in_channels: usize,
        out_channels: usize,
        weight: Vec<f32>,
        bias: Vec<f32>,
    ) -> Self {
        Self {
            in_channels,
            out_channels,
            kernel_size: 1,
            dilation: 1,
            groups: 1,
            weight,
            bias,
        }
    }

    /// Samples of history each input channel needs; `None` on overflow.
    pub fn lookback(&self) -> Option<usize> {
        self.kernel_size.checked_sub(1)?.checked_mul(self.dilation)
    }

    fn weight_len(&self) -> Option<usize> {
        let per_output = self
            .in_channels
            .checked_div(self.groups)?
            .checked_mul(self.kernel_size)?;
        self.out_channels.checked_mul(per_output)
    }
}

impl Part for Conv1d {
    fn check(&self, in_channels: usize, _: usize) -> Result<usize, DescriptionError> {
        size("convolution in_channels", self.in_channels, MAX_CHANNELS)?;
        size("convolution out_channels", self.out_channels, MAX_CHANNELS)?;
        size("convolution kernel_size", self.kernel_size, MAX_HISTORY)?;
        size("convolution dilation", self.dilation, MAX_HISTORY)?;
        size("convolution groups", self.groups, MAX_CHANNELS)?;
        channels("convolution input", self.in_channels, in_channels)?;
        for (what, n) in [
            ("in_channels", self.in_channels),
            ("out_channels", self.out_channels),
        ] {
            if n % self.groups != 0 {
                let why = format!("{what} {n} cannot be divided into {} groups", self.groups);
                return Err(DescriptionError::invalid("convolution", why));
            }
        }
        numbers("convolution weight", &self.weight, self.weight_len())?;
        if !self.bias.is_empty() {
            numbers("convolution bias", &self.bias, Some(self.out_channels))?;
        }
        Ok(self.out_channels)
    }

    fn cost(&self) -> Option<Cost> {
        let macs = self.weight_len()?;
        Some(Cost {
            weights: macs.checked_add(self.bias.len())?,
            macs,
            history: self.lookback()?.checked_mul(self.in_channels)?,
            layers: 1,
        })
    }

    fn context(&self) -> Option<usize> {
        self.lookback()
    }
}

/// y = scale · x + shift, per channel: batch normalisation after training, and the seeds' middle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affine {
    /// One factor per channel.
    pub scale: Vec<f32>,
    /// One offset per channel.
    pub shift: Vec<f32>,
}

/// Scales (and shifts) each channel by values computed from the knobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Film {
    /// Pointwise layers (convolutions of kernel size 1, activations) from the knobs to one scale
    /// per channel, then, with `shift`, one offset per channel.
    pub generator: Vec<Layer>,
    /// Whether offsets follow the scales.
    pub shift: bool,
}

/// y = body(x) + shortcut(x).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// The layers on the main path.
    pub body: Vec<Layer>,
    /// The layer on the other path; without one the first channels of the input are added (for a
    /// network with knobs as further inputs that is the audio).
    pub shortcut: Option<Conv1d>,
}

/// The input, later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// Channels read and written.
    pub channels: usize,
    /// How much later.
    pub samples: usize,
}

/// Several paths side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branches {
    /// What each path receives.
    pub split: Split,
    /// The paths.
    pub branches: Vec<Vec<Layer>>,
    /// How their outputs become one.
    pub join: Join,
}

/// What each of several paths receives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// All of the input.
    Copy,
    /// Its own slice of the channels: this many each, in order.
    Slice(Vec<usize>),
}

/// How the outputs of several paths become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// One path's channels after another's.
    Concat,
    /// The sum.
    Sum,
}

/// One layer of a [`Sequential`] network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "layer", content = "with", rename_all = "snake_case")]
pub enum Layer {
    /// Convolution, dense layer.
    Conv1d(Conv1d),
    /// Element-wise function.
    Activation(Activation),
    /// Scale and shift per channel.
    Affine(Affine),
    /// Long short-term memory.
    Lstm(Lstm),
    /// Gated recurrent unit.
    Gru(Gru),
    /// Diagonal state-space layer.
    S4d(S4d),
    /// Modulation by the knobs.
    Film(Film),
    /// First half of the channels times the sigmoid of the second half.
    Glu,
    /// Layers with a shortcut around them.
    Residual(Residual),
    /// Paths side by side.
    Branches(Branches),
    /// The input, some samples later.
    Delay(Delay),
}

impl Part for Layer {
    fn check(&self, inputs: usize, controls: usize) -> Result<usize, DescriptionError> {
        match self {
            Self::Conv1d(conv) => conv.check(inputs, controls),
            Self::Activation(activation) => activation.check(inputs).map(|()| inputs),
            Self::Affine(affine) => {
                numbers("scale", &affine.scale, Some(inputs))?;
                numbers("shift", &affine.shift, Some(inputs)).map(|()| inputs)
            }
            Self::Lstm(lstm) => lstm.check(inputs, controls),
            Self::Gru(gru) => gru.check(inputs, controls),
            Self::S4d(s4d) => s4d.check(inputs, controls),
            Self::Film(film) => film.check(inputs, controls),
            Self::Glu if inputs.is_multiple_of(2) => Ok(inputs / 2),
            Self::Glu => {
                let why = format!("{inputs} channels cannot be halved");
                Err(DescriptionError::invalid("gated linear unit", why))
            }
            Self::Residual(residual) => residual.check(inputs, controls),
            Self::Branches(branches) => branches.check(inputs, controls),
            Self::Delay(delay) => {
                super::bounded("delay", Some(delay.samples), MAX_HISTORY)?;
                channels("delay", delay.channels, inputs).map(|()| inputs)
            }
        }
    }

    fn cost(&self) -> Option<Cost> {
        let small = |weights, macs| {
            Some(Cost {
                weights,
                macs,
                history: 0,
                layers: 1,
            })
        };
        match self {
            Self::Conv1d(conv) => conv.cost(),
            Self::Activation(activation) => small(activation.weights(), 0),
            Self::Affine(a) => small(a.scale.len().checked_add(a.shift.len())?, a.scale.len()),
            Self::Lstm(lstm) => lstm.cost(),
            Self::Gru(gru) => gru.cost(),
            Self::S4d(s4d) => s4d.cost(),
            // The knobs stand still: modulation costs one multiply-add per channel, which the
            // layer does not know; its generator runs only when a knob moves.
            Self::Film(film) => {
                let generator = layers_cost(&film.generator)?;
                Some(Cost {
                    macs: 0,
                    history: 0,
                    ..generator
                })
            }
            Self::Glu => small(0, 0),
            Self::Residual(residual) => {
                let shortcut = residual
                    .shortcut
                    .as_ref()
                    .map_or(Some(Cost::default()), Part::cost);
                layers_cost(&residual.body)?.plus(shortcut?)
            }
            Self::Branches(branches) => total(branches.branches.iter().map(|b| layers_cost(b))),
            Self::Delay(delay) => {
                let history = delay.samples.checked_mul(delay.channels)?;
                Some(Cost {
                    weights: 0,
                    macs: 0,
                    history,
                    layers: 1,
                })
            }
        }
    }

    fn context(&self) -> Option<usize> {
        match self {
            Self::Conv1d(conv) => conv.context(),
            Self::Lstm(_) | Self::Gru(_) | Self::S4d(_) => None,
            Self::Residual(residual) => {
                let shortcut = residual.shortcut.as_ref().map_or(Some(0), Part::context)?;
                Some(layers_context(&residual.body)?.max(shortcut))
            }
            Self::Branches(branches) => {
                let mut contexts = branches.branches.iter().map(|b| layers_context(b));
                contexts.try_fold(0, |most, context| Some(most.max(context?)))
            }
            Self::Delay(delay) => Some(delay.samples),
            Self::Activation(_) | Self::Affine(_) | Self::Film(_) | Self::Glu => Some(0),
        }
    }
}

impl Part for Film {
    fn check(&self, inputs: usize, controls: usize) -> Result<usize, DescriptionError> {
        if controls == 0 {
            let why = "needs at least one control, the network names none";
            return Err(DescriptionError::invalid("FiLM", why));
        }
        let pointwise = |layer: &Layer| match layer {
            Layer::Conv1d(conv) => conv.kernel_size == 1,
            Layer::Activation(_) => true,
            _ => false,
        };
        if !self.generator.iter().all(pointwise) {
            let why = "its generator may hold only convolutions of kernel size 1 and activations";
            return Err(DescriptionError::invalid("FiLM", why));
        }
        let values = check_layers(&self.generator, controls, controls)?;
        let expected = inputs.saturating_mul(if self.shift { 2 } else { 1 });
        channels("FiLM generator output", values, expected)?;
        Ok(inputs)
    }

    fn cost(&self) -> Option<Cost> {
        layers_cost(&self.generator)
    }

    fn context(&self) -> Option<usize> {
        Some(0)
    }
}

impl Residual {
    fn check(&self, inputs: usize, controls: usize) -> Result<usize, DescriptionError> {
        let body =
            check_layers(&self.body, inputs, controls).map_err(|e| e.within("residual body"))?;
        match &self.shortcut {
            Some(conv) => {
                let shortcut = conv
                    .check(inputs, controls)
                    .map_err(|e| e.within("shortcut"))?;
                channels("shortcut", shortcut, body)?;
            }
            None if body > inputs => channels("residual body", body, inputs)?,
            None => {}
        }
        Ok(body)
    }
}

impl Branches {
    fn check(&self, inputs: usize, controls: usize) -> Result<usize, DescriptionError> {
        if self.branches.is_empty() {
            return Err(DescriptionError::invalid(
                "branches",
                "is empty; give at least one path",
            ));
        }
        let widths = self.input_widths(inputs)?;
        let mut outputs = Vec::with_capacity(self.branches.len());
        for (i, (branch, width)) in self.branches.iter().zip(widths).enumerate() {
            let place = format!("branch {i}");
            outputs.push(check_layers(branch, width, controls).map_err(|e| e.within(&place))?);
        }
        match self.join {
            Join::Concat => {
                let sum = outputs
                    .iter()
                    .try_fold(0usize, |sum, n| sum.checked_add(*n));
                super::bounded("channels of all branches", sum, MAX_CHANNELS)?;
                Ok(sum.unwrap_or_default())
            }
            Join::Sum => {
                for got in &outputs {
                    channels("branch output", *got, outputs[0])?;
                }
                Ok(outputs[0])
            }
        }
    }

    /// Channels each path receives.
    pub(crate) fn input_widths(&self, inputs: usize) -> Result<Vec<usize>, DescriptionError> {
        let Split::Slice(widths) = &self.split else {
            return Ok(vec![inputs; self.branches.len()]);
        };
        if widths.len() != self.branches.len() {
            let (what, got) = ("branch slices".into(), widths.len());
            return Err(DescriptionError::Length {
                what,
                got,
                expected: self.branches.len(),
            });
        }
        for width in widths {
            size("branch slice", *width, MAX_CHANNELS)?;
        }
        let sum = widths.iter().fold(0usize, |sum, n| sum.saturating_add(*n));
        channels("branch slices together", sum, inputs)?;
        Ok(widths.clone())
    }
}

/// One layer after another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequential {
    /// 1 (the audio), or 1 + the number of knobs when those enter as further channels.
    pub input_channels: usize,
    /// The layers.
    pub layers: Vec<Layer>,
}

impl Sequential {
    /// The name people know this kind of network by.
    pub fn family(&self) -> &'static str {
        let mut seen = Seen::default();
        seen.layers(&self.layers);
        match seen {
            Seen {
                lstm: true,
                conv_over_time: true,
                ..
            } => "ConvLSTM",
            Seen { lstm: true, .. } => "LSTM",
            Seen { gru: true, .. } => "GRU",
            Seen {
                s4d: true,
                residual: false,
                activation: true,
                ..
            } => "Wiener-Hammerstein",
            Seen { s4d: true, .. } => "S4D",
            Seen {
                residual: true,
                conv_over_time: true,
                ..
            } => "TCN",
            Seen {
                activation: true, ..
            } => "ConvNet",
            _ => "Linear",
        }
    }

    /// Layers nest; the walk over them must not exhaust the stack.
    pub(crate) fn check_depth(&self) -> Result<(), DescriptionError> {
        super::bounded(
            "nesting of layers",
            Some(depth(&self.layers, MAX_DEPTH + 1)),
            MAX_DEPTH,
        )
    }
}

impl Part for Sequential {
    fn check(&self, in_channels: usize, controls: usize) -> Result<usize, DescriptionError> {
        size("input_channels", self.input_channels, MAX_CHANNELS)?;
        channels("network input", self.input_channels, in_channels)?;
        check_layers(&self.layers, in_channels, controls)
    }

    fn cost(&self) -> Option<Cost> {
        layers_cost(&self.layers)
    }

    fn context(&self) -> Option<usize> {
        layers_context(&self.layers)
    }
}

/// How deep layers nest, at most `limit`.
fn depth(layers: &[Layer], limit: usize) -> usize {
    if limit == 0 {
        return 0;
    }
    let below = |layer: &Layer| match layer {
        Layer::Residual(residual) => 1 + depth(&residual.body, limit - 1),
        Layer::Branches(branches) => {
            let deepest = branches.branches.iter().map(|b| depth(b, limit - 1)).max();
            1 + deepest.unwrap_or(0)
        }
        Layer::Film(film) => 1 + depth(&film.generator, limit - 1),
        _ => 0,
    };
    layers.iter().map(below).max().unwrap_or(0)
}

#[derive(Default)]
struct Seen {
    lstm: bool,
    gru: bool,
    s4d: bool,
    residual: bool,
    conv_over_time: bool,
    activation: bool,
}

impl Seen {
    fn layers(&mut self, layers: &[Layer]) {
        for layer in layers {
            match layer {
                Layer::Lstm(_) => self.lstm = true,
                Layer::Gru(_) => self.gru = true,
                Layer::S4d(_) => self.s4d = true,
                Layer::Conv1d(conv) => self.conv_over_time |= conv.kernel_size > 1,
                Layer::Activation(_) | Layer::Glu => self.activation = true,
                Layer::Residual(residual) => {
                    self.residual = true;
                    self.layers(&residual.body);
                }
                Layer::Branches(branches) => branches.branches.iter().for_each(|b| self.layers(b)),
                Layer::Affine(_) | Layer::Film(_) | Layer::Delay(_) => {}
            }
        }
    }
}

/// Checks layers one after another; gives the channels of the last.
pub(crate) fn check_layers(
    layers: &[Layer],
    inputs: usize,
    controls: usize,
) -> Result<usize, DescriptionError> {
    let mut width = inputs;
    for (i, layer) in layers.iter().enumerate() {
        width = layer
            .check(width, controls)
            .map_err(|e| e.within(&format!("layer {i}")))?;
    }
    Ok(width)
}

pub(crate) fn layers_cost(layers: &[Layer]) -> Option<Cost> {
    total(layers.iter().map(Part::cost))
}

pub(crate) fn layers_context(layers: &[Layer]) -> Option<usize> {
    layers
        .iter()
        .try_fold(0usize, |sum, layer| sum.checked_add(layer.context()?))
}
