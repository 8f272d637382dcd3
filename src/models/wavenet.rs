//! The WaveNet of the guitar-modelling field, in the form that its players run.
//!
//! Per array: x₀ = R·x (1×1, no bias); per layer z = conv(x) + M·input, a = act(z) (gated: first
//! half act, second half sigmoid, multiplied), head += a, x ← x + W·a + w. The next array starts
//! from x and the convolved head; the output is the last array's head times `head_scale`.

use super::effect_network::{EffectNetwork, Reach};
use super::init::WeightInit;
use super::parts::{Activation, Conv, latest};
use super::work::Work;
use crate::config::{WaveNetArray, WaveNetConfig};
use crate::kernels::{self, wavenet as fused};
use crate::network::{
    self, Architecture, AudioChannels, Control, DescriptionError, Gating, LayerArray, LayerFilms,
    WaveLayer,
};
use burn::prelude::*;
use burn::tensor::activation::sigmoid;

/// A WaveNet whose condition is its own input.
#[derive(Module, Debug)]
pub struct WaveNet {
    arrays: Vec<Array>,
    /// Not learned: it sets how large the first predictions are.
    head_scale: f32,
    #[module(skip)]
    audio: AudioChannels,
}

/// Layers of one width that feed one head.
#[derive(Module, Debug)]
struct Array {
    rechannel: Conv,
    layers: Vec<DilatedLayer>,
    head: Conv,
}

/// One layer.
#[derive(Module, Debug)]
struct DilatedLayer {
    conv: Conv,
    mixer: Conv,
    activation: Activation,
    layer1x1: Conv,
    gated: bool,
}

impl WaveNet {
    /// For inputs of `inputs` channels: sound, then knobs.
    pub fn new(
        config: &WaveNetConfig,
        inputs: usize,
        audio: AudioChannels,
        init: &mut WeightInit,
    ) -> Self {
        let (mut arrays, head_scale) = config.resolve();
        if let Some(last) = arrays.last_mut() {
            last.head_size = audio.wet;
        }
        let mut before = inputs;
        let arrays = arrays.iter().enumerate().map(|(index, array)| {
            let mut built = Array::new(array, before, inputs, init);
            if index == 0 {
                built.rechannel = built.rechannel.driven(config.drive, audio.dry);
            }
            for layer in &mut built.layers {
                layer.mixer = layer.mixer.clone().driven(config.drive, audio.dry);
            }
            before = array.channels;
            built
        });
        Self {
            arrays: arrays.collect(),
            head_scale,
            audio,
        }
    }

    /// The prediction layer by layer: for activations that have no fused form, and the oracle of the
    /// weights' order.
    pub fn forward_composed(&self, input: Tensor<3>) -> Tensor<3> {
        let mut x = input.clone();
        let mut head: Option<Tensor<3>> = None;
        for (index, array) in self.arrays.iter().enumerate() {
            let is_last = index + 1 == self.arrays.len();
            let (next, sum) = array.forward(x, &input, head, is_last);
            x = next;
            head = Some(array.head.forward(sum));
        }
        head.unwrap_or(input) * self.head_scale
    }

    /// The shape as the fused operator wants it; `None` without arrays.
    fn shape(&self) -> Option<fused::WaveNet> {
        Some(fused::WaveNet {
            in_channels: self.arrays.first()?.rechannel.shape()[1],
            arrays: self.arrays.iter().map(Array::shape).collect(),
            head_scale: self.head_scale,
        })
    }

    /// Whether the fused operator knows all activations.
    fn is_fused(&self) -> bool {
        let mut layers = self.arrays.iter().flat_map(|array| &array.layers);
        layers.all(|layer| layer.activation.function().is_fused())
    }

    /// Samples of input that one sample of output depends on.
    pub fn receptive_field(&self) -> usize {
        // Backwards: from the output through this array's head, or through the arrays behind.
        let (mut behind, mut heads) = (0, 0);
        for array in self.arrays.iter().rev() {
            heads += array.head.context();
            let own: usize = array.layers.iter().map(|l| l.conv.context()).sum();
            behind = own + heads.max(behind);
        }
        behind + 1
    }

    /// Architecture and weights as numbers.
    pub fn describe(&self) -> network::WaveNet {
        network::WaveNet {
            input_channels: self.arrays.first().map_or(1, |a| a.rechannel.shape()[1]),
            condition: None,
            arrays: self.arrays.iter().map(Array::describe).collect(),
            head: None,
            head_scale: self.head_scale,
        }
    }

    /// From a validated description, of these channels of sound.
    ///
    /// # Errors
    /// Names the part that cannot be trained here: a condition network, a head behind the
    /// arrays, FiLM, a bottleneck, grouped or missing 1×1 convolutions, a blend.
    pub fn from_description(
        wavenet: &network::WaveNet,
        audio: AudioChannels,
        device: &Device,
    ) -> Result<Self, DescriptionError> {
        refuse("condition network", wavenet.condition.is_some())?;
        refuse("post-stack head", wavenet.head.is_some())?;
        let arrays = wavenet.arrays.iter();
        Ok(Self {
            arrays: arrays
                .map(|array| Array::from_description(array, device))
                .collect::<Result<_, _>>()?,
            head_scale: wavenet.head_scale,
            audio,
        })
    }
}

impl EffectNetwork for WaveNet {
    /// `[batch, inputs, context + n]` → `[batch, wet, n]`.
    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        match self.shape() {
            Some(shape) if self.is_fused() => {
                let parts = self.arrays.iter().flat_map(Array::flat).collect();
                kernels::wavenet(input, kernels::join(parts), &shape)
            }
            _ => self.forward_composed(input),
        }
    }

    fn audio_channels(&self) -> AudioChannels {
        self.audio
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Samples(self.receptive_field())
    }

    fn work(&self, len: usize) -> Work {
        self.shape().map_or_else(Work::default, |shape| {
            let len = len + shape.receptive_field() - 1;
            let forward = shape.multiply_adds(len);
            Work {
                forward,
                backward: 2 * forward - shape.input_multiply_adds(len),
            }
        })
    }

    fn architecture(&self, _: u32, _: &[Control]) -> Architecture {
        Architecture::WaveNet(self.describe())
    }

    fn shift_output(&mut self, by: &[f32]) {
        if let Some(last) = self.arrays.last_mut() {
            let by: Vec<f32> = by.iter().map(|by| by / self.head_scale).collect();
            last.head.shift(&by);
        }
    }
}

fn refuse(what: &str, there: bool) -> Result<(), DescriptionError> {
    if there {
        return Err(DescriptionError::invalid(
            what,
            "cannot be trained here, only played",
        ));
    }
    Ok(())
}

impl Array {
    fn new(config: &WaveNetArray, before: usize, inputs: usize, init: &mut WeightInit) -> Self {
        let channels = config.channels;
        let middle = if config.gated { 2 * channels } else { channels };
        let taps = config.layer_kernel_sizes();
        let rechannel = Conv::new([channels, before, 1], 1, false, init);
        let layers = taps
            .iter()
            .zip(&config.dilations)
            .map(|(&taps, &dilation)| DilatedLayer {
                conv: Conv::new([middle, channels, taps], dilation, true, init),
                mixer: Conv::new([middle, inputs, 1], 1, false, init),
                activation: Activation::new(config.activation, channels, init),
                layer1x1: Conv::new([channels, channels, 1], 1, true, init),
                gated: config.gated,
            });
        let layers = layers.collect();
        let head_shape = [config.head_size, channels, config.head_kernel_size];
        Self {
            rechannel,
            layers,
            head: Conv::new(head_shape, 1, config.head_bias, init),
        }
    }

    /// What the next array starts from, and the sum of the layers before the head's
    /// convolution. `is_last`: nobody hears the last layer's output.
    fn forward(
        &self,
        x: Tensor<3>,
        condition: &Tensor<3>,
        head: Option<Tensor<3>>,
        is_last: bool,
    ) -> (Tensor<3>, Tensor<3>) {
        let mut x = self.rechannel.forward(x);
        let mut sum = head;
        for (index, layer) in self.layers.iter().enumerate() {
            let heard = layer.activate(&x, condition);
            if !(is_last && index + 1 == self.layers.len()) {
                x = latest(x, heard.dims()[2]) + layer.layer1x1.forward(heard.clone());
            }
            sum = Some(match sum {
                Some(sum) => {
                    let len = sum.dims()[2].min(heard.dims()[2]);
                    latest(sum, len) + latest(heard, len)
                }
                None => heard,
            });
        }
        let sum = sum.unwrap_or_else(|| x.clone());
        (x, sum)
    }

    /// All weights in the order of a `.nam` file.
    fn flat(&self) -> Vec<Tensor<1>> {
        let layers = self.layers.iter().flat_map(|layer| {
            let convs = [&layer.conv, &layer.mixer, &layer.layer1x1];
            convs.into_iter().flat_map(Conv::flat)
        });
        let mut parts = self.rechannel.flat();
        parts.extend(layers);
        parts.extend(self.head.flat());
        parts
    }

    fn shape(&self) -> fused::LayerArray {
        let layer = |layer: &DilatedLayer| fused::Layer {
            kernel_size: layer.conv.shape()[2],
            dilation: layer.conv.dilation(),
            activation: layer.activation.function(),
            gated: layer.gated,
        };
        let [head_channels, channels, head_kernel_size] = self.head.shape();
        fused::LayerArray {
            channels,
            layers: self.layers.iter().map(layer).collect(),
            head_channels,
            head_kernel_size,
            head_bias: self.head.has_bias(),
        }
    }

    fn describe(&self) -> LayerArray {
        LayerArray {
            rechannel: self.rechannel.describe(),
            layers: self.layers.iter().map(DilatedLayer::describe).collect(),
            head_rechannel: self.head.describe(),
        }
    }

    fn from_description(array: &LayerArray, device: &Device) -> Result<Self, DescriptionError> {
        let layers = array.layers.iter();
        Ok(Self {
            rechannel: Conv::from_description(&array.rechannel, device)?,
            layers: layers
                .map(|layer| DilatedLayer::from_description(layer, device))
                .collect::<Result<_, _>>()?,
            head: Conv::from_description(&array.head_rechannel, device)?,
        })
    }
}

impl DilatedLayer {
    /// act(conv(x) + mix(condition)), shorter than x by the convolution's context.
    fn activate(&self, x: &Tensor<3>, condition: &Tensor<3>) -> Tensor<3> {
        let z = self.conv.forward(x.clone());
        let len = z.dims()[2];
        let z = z + self.mixer.forward(latest(condition.clone(), len));
        if !self.gated {
            return self.activation.forward(z);
        }
        let half = z.dims()[1] / 2;
        let gate = sigmoid(z.clone().narrow(1, half, half));
        self.activation.forward(z.narrow(1, 0, half)) * gate
    }

    fn describe(&self) -> WaveLayer {
        WaveLayer {
            conv: self.conv.describe(),
            mixer: self.mixer.describe(),
            activation: self.activation.describe(),
            gating: match self.gated {
                true => Gating::Gated(network::Activation::Sigmoid),
                false => Gating::None,
            },
            layer1x1: Some(self.layer1x1.describe()),
            head1x1: None,
            films: LayerFilms::default(),
        }
    }

    fn from_description(layer: &WaveLayer, device: &Device) -> Result<Self, DescriptionError> {
        refuse("FiLM", layer.films.all().into_iter().any(Option::is_some))?;
        refuse("head1x1", layer.head1x1.is_some())?;
        refuse("bottleneck", layer.bottleneck() != layer.width())?;
        let gated = match &layer.gating {
            Gating::None => false,
            Gating::Gated(network::Activation::Sigmoid) => true,
            _ => {
                return Err(DescriptionError::invalid(
                    "gating",
                    "only a sigmoid gate can be trained here",
                ));
            }
        };
        let Some(layer1x1) = &layer.layer1x1 else {
            return Err(DescriptionError::invalid(
                "layer1x1",
                "a layer without it cannot be trained here",
            ));
        };
        Ok(Self {
            conv: Conv::from_description(&layer.conv, device)?,
            mixer: Conv::from_description(&layer.mixer, device)?,
            activation: Activation::from_description(
                &layer.activation,
                layer.bottleneck(),
                device,
            )?,
            layer1x1: Conv::from_description(layer1x1, device)?,
            gated,
        })
    }
}
