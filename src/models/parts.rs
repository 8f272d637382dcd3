//! What the field's networks are assembled from: convolutions that compute only what they have
//! real input for, activations, modulation by knobs, and their plain descriptions.
//!
//! Knows no network. Signals are `[batch, channel, time]`; everything is aligned at the end.

use super::init::{WeightInit, parameter};
use crate::kernels;
use crate::network::{self, DescriptionError, Function, Layer};
use burn::module::Param;
use burn::prelude::*;

/// The newest `len` samples of a signal.
pub(super) fn latest(x: Tensor<3>, len: usize) -> Tensor<3> {
    let have = x.dims()[2];
    if have == len {
        return x;
    }
    x.narrow(2, have - len, len)
}

/// A parameter's numbers, row-major.
pub(super) fn numbers<const D: usize>(param: &Param<Tensor<D>>) -> Vec<f32> {
    let data = param.val().into_data().convert::<f32>();
    data.try_to_vec().unwrap_or_default()
}

/// A dilated convolution over time. With kernel size 1 a dense layer over channels.
#[derive(Module, Debug)]
pub struct Conv {
    /// `[out, in, kernel]`, tap 0 the oldest.
    weight: Param<Tensor<3>>,
    /// `[out]`.
    bias: Option<Param<Tensor<1>>>,
    dilation: usize,
}

impl Conv {
    /// `shape`: out, in, kernel. Weights and bias uniform in ±1/√(inputs · taps), the
    /// convention that the field's recipes were found with.
    pub fn new(shape: [usize; 3], dilation: usize, bias: bool, init: &mut WeightInit) -> Self {
        let [out, inputs, taps] = shape;
        let bound = 1.0 / ((inputs * taps) as f32).sqrt();
        Self {
            weight: init.uniform([out, inputs, taps], bound),
            bias: bias.then(|| init.uniform([out], bound)),
            dilation,
        }
    }

    /// With these weights, `[out, in, kernel]`, and no bias.
    pub fn of(weight: Param<Tensor<3>>) -> Self {
        Self {
            weight,
            bias: None,
            dilation: 1,
        }
    }

    /// With the first weights of the first inputs, so many channels of sound, `drive` times larger.
    pub fn driven(self, drive: f32, sound: usize) -> Self {
        let [out, inputs, taps] = self.shape();
        let mut weights = numbers(&self.weight);
        for row in weights.chunks_exact_mut(inputs * taps) {
            row.iter_mut().take(sound * taps).for_each(|w| *w *= drive);
        }
        let device = self.weight.val().device();
        Self {
            weight: parameter([out, inputs, taps], weights, &device),
            ..self
        }
    }

    /// Adds its number of `by` to each output, where there is a bias.
    pub fn shift(&mut self, by: &[f32]) {
        let add = |b: Tensor<1>| {
            let by = Tensor::from_data(TensorData::from(by), &b.device());
            b + by
        };
        self.bias = self.bias.take().map(|bias| bias.map(add));
    }

    /// Weights and bias, a row for each output, the bias at its end: `[out][in · kernel + 1]`.
    pub fn rows(&self) -> Vec<Vec<f64>> {
        let (weights, [out, ..]) = (numbers(&self.weight), self.shape());
        let bias = self.bias.as_ref().map_or(vec![0.0; out], numbers);
        let rows = weights.chunks(weights.len() / out).zip(&bias);
        rows.map(|(row, bias)| row.iter().chain([bias]).map(|&x| f64::from(x)).collect())
            .collect()
    }

    /// Adds `by`, rows as [`Conv::rows`] gives them.
    pub fn adjust(&mut self, by: &[Vec<f64>]) {
        let (mut weights, mut bias) = (Vec::new(), Vec::new());
        for row in by {
            let mut row = row.iter().map(|&x| x as f32);
            bias.extend(row.next_back());
            weights.extend(row);
        }
        let shape = self.shape();
        let add = |w: Tensor<3>| {
            let by = Tensor::from_data(TensorData::new(weights, shape), &w.device());
            w + by
        };
        self.weight = self.weight.clone().map(add);
        self.shift(&bias);
    }

    /// With what it hears as its answer: an output for each input. Of one tap.
    pub fn opened(&self) -> Self {
        let [_, inputs, _] = self.shape();
        let one = |at: usize| {
            if at.is_multiple_of(inputs + 1) {
                1.0
            } else {
                0.0
            }
        };
        let device = self.weight.val().device();
        let ones = (0..inputs * inputs).map(one).collect();
        Self::of(parameter([inputs, inputs, 1], ones, &device))
    }

    /// Its weights and its bias, for an operator that does its work on the way.
    pub fn tensors(&self) -> (Tensor<3>, Option<Tensor<1>>) {
        (self.weight.val(), self.bias.as_ref().map(Param::val))
    }

    /// `[batch, in, context + n]` → `[batch, out, n]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let (weight, bias) = self.tensors();
        kernels::conv1d(x, weight, bias, [0, 0], self.dilation)
    }

    /// The taps of one of its filters, the newest first: `[taps]`.
    pub fn newest_first(&self, output: usize, input: usize) -> Tensor<1> {
        let rows = self.weight.val().narrow(0, output, 1).narrow(1, input, 1);
        rows.reshape([-1]).flip([0])
    }

    /// φ of this convolution of x, plus `shortcut`, of one tap, of x where that is aligned with it, as one
    /// layer; `None` without a bias.
    pub(super) fn beside(
        &self,
        activation: &Activation,
        shortcut: &Conv,
    ) -> Option<kernels::ResidualTensors> {
        Some(kernels::ResidualTensors {
            weights: kernels::ResidualWeights {
                conv: self.weight.val(),
                bias: self.bias.as_ref()?.val(),
                shortcut: shortcut.weight.val(),
                slopes: activation.slopes.as_ref().map(Param::val),
            },
            dilation: self.dilation,
            activation: activation.function,
        })
    }

    /// Past samples that one output needs besides the newest.
    pub fn context(&self) -> usize {
        (self.weight.dims()[2] - 1) * self.dilation
    }

    /// Weight and bias, flattened, in this order.
    pub fn flat(&self) -> Vec<Tensor<1>> {
        let weight = self.weight.val();
        let count = weight.dims().iter().product::<usize>();
        let weight = weight.reshape([count]);
        std::iter::once(weight)
            .chain(self.bias.as_ref().map(Param::val))
            .collect()
    }

    /// Multiply-adds per output sample.
    pub fn macs(&self) -> usize {
        self.shape().iter().product()
    }

    /// Out, in, kernel.
    pub fn shape(&self) -> [usize; 3] {
        self.weight.dims()
    }

    /// Samples between taps.
    pub fn dilation(&self) -> usize {
        self.dilation
    }

    /// Whether there is one.
    pub fn has_bias(&self) -> bool {
        self.bias.is_some()
    }

    pub fn describe(&self) -> network::Conv1d {
        let [out_channels, in_channels, kernel_size] = self.weight.dims();
        network::Conv1d {
            in_channels,
            out_channels,
            kernel_size,
            dilation: self.dilation,
            groups: 1,
            weight: numbers(&self.weight),
            bias: self.bias.as_ref().map(numbers).unwrap_or_default(),
        }
    }

    /// From a validated description.
    pub fn from_description(
        conv: &network::Conv1d,
        device: &Device,
    ) -> Result<Self, DescriptionError> {
        if conv.groups != 1 {
            let why = format!("{} groups cannot be trained here; 1 can", conv.groups);
            return Err(DescriptionError::invalid("convolution", why));
        }
        let shape = [conv.out_channels, conv.in_channels, conv.kernel_size];
        let bias = (!conv.bias.is_empty())
            .then(|| parameter([conv.out_channels], conv.bias.clone(), device));
        Ok(Self {
            weight: parameter(shape, conv.weight.clone(), device),
            bias,
            dilation: conv.dilation,
        })
    }
}

/// An element-wise function, with its slopes where these are learned.
#[derive(Module, Debug)]
pub(super) struct Activation {
    /// `[channels]`, of [`Function::PRelu`] alone.
    slopes: Option<Param<Tensor<1>>>,
    #[module(skip)]
    function: Function,
}

impl Activation {
    /// For a signal of `channels`.
    pub fn new(function: Function, channels: usize, init: &WeightInit) -> Self {
        let learned = function == Function::PRelu;
        Self {
            slopes: learned.then(|| init.constant([channels], Function::FIRST_SLOPE)),
            function,
        }
    }

    pub fn function(&self) -> Function {
        self.function
    }

    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        match &self.slopes {
            Some(slopes) => kernels::p_relu(x, slopes.val()),
            None => kernels::activate(x, self.function),
        }
    }

    pub fn describe(&self) -> network::Activation {
        let slopes = self.slopes.as_ref().map(numbers).unwrap_or_default();
        network::Activation::new(self.function, slopes)
    }

    /// From a validated description.
    pub fn from_description(
        activation: &network::Activation,
        channels: usize,
        device: &Device,
    ) -> Result<Self, DescriptionError> {
        use network::Activation as Plain;
        let function = activation.function()?;
        let slopes = match activation {
            Plain::PRelu { slopes } if slopes.len() == 1 => Some(vec![slopes[0]; channels]),
            Plain::PRelu { slopes } => Some(slopes.clone()),
            _ => None,
        };
        Ok(Self {
            slopes: slopes.map(|slopes| parameter([slopes.len()], slopes, device)),
            function,
        })
    }
}

/// Scale and shift per channel, computed from the knobs by a small dense network.
#[derive(Module, Debug)]
pub(super) struct Film {
    first: Conv,
    second: Conv,
}

/// Units between knobs and modulation: enough for a curve per knob.
const FILM_HIDDEN: usize = 16;

impl Film {
    pub fn new(controls: usize, channels: usize, init: &mut WeightInit) -> Self {
        Self {
            first: Conv::new([FILM_HIDDEN, controls, 1], 1, true, init),
            second: Conv::new([2 * channels, FILM_HIDDEN, 1], 1, true, init),
        }
    }

    /// x · (1 + scale) + shift for x `[batch, channels, time]` and knobs `[batch, controls, 1]`:
    /// near the identity at first.
    pub fn forward(&self, x: Tensor<3>, knobs: Tensor<3>) -> Tensor<3> {
        let channels = x.dims()[1];
        let values = self.second.forward(self.first.forward(knobs).tanh());
        let scale = values.clone().narrow(1, 0, channels) + 1.0;
        x * scale + values.narrow(1, channels, channels)
    }

    /// The description has no "1 +": it goes into the scales' biases.
    pub fn describe(&self) -> network::Film {
        let mut second = self.second.describe();
        let channels = second.out_channels / 2;
        for bias in second.bias.iter_mut().take(channels) {
            *bias += 1.0;
        }
        network::Film {
            generator: vec![
                Layer::Conv1d(self.first.describe()),
                Layer::Activation(network::Activation::Tanh),
                Layer::Conv1d(second),
            ],
            shift: true,
        }
    }
}

/// Sound `[batch, dry, time]` and, where there are any, knobs `[batch, controls, 1]` of an input
/// `[batch, dry + controls, time]`. Knobs stand still during a window.
pub(super) fn sound_and_knobs(input: Tensor<3>, dry: usize) -> (Tensor<3>, Option<Tensor<3>>) {
    let controls = input.dims()[1] - dry;
    if controls == 0 {
        return (input, None);
    }
    let knobs = input.clone().narrow(1, dry, controls).narrow(2, 0, 1);
    (input.narrow(1, 0, dry), Some(knobs))
}
