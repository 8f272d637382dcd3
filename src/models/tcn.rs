//! Temporal convolution network: dilated causal convolutions, each with a 1×1 shortcut around
//! it, optionally modulated by the knobs (Bai et al. 2018; Steinmetz & Reiss 2021, without
//! batch normalisation).

use super::effect_network::{Build, EffectNetwork, Reach, Site};
use super::init::WeightInit;
use super::parts::{Activation, Conv, Film, latest, sound_and_knobs};
use super::work::Work;
use crate::config::{Conditioning, TcnConfig};
use crate::kernels;
use crate::network::{self, Architecture, AudioChannels, Control, Layer};
use burn::prelude::*;

/// Layers `x ← act(film(conv(x))) + shortcut(x)`, then a 1×1 convolution.
#[derive(Module, Debug)]
pub struct Tcn {
    layers: Vec<TcnLayer>,
    head: Conv,
    #[module(skip)]
    audio: AudioChannels,
}

/// One layer.
#[derive(Module, Debug)]
struct TcnLayer {
    conv: Conv,
    film: Option<Film>,
    activation: Activation,
    shortcut: Conv,
}

impl Tcn {
    /// For inputs of `inputs` channels: sound, then knobs.
    pub fn new(
        config: &TcnConfig,
        inputs: usize,
        audio: AudioChannels,
        init: &mut WeightInit,
    ) -> Self {
        let (controls, channels) = (inputs - audio.dry, config.channels);
        let film = controls > 0 && config.conditioning == Conditioning::Film;
        let mut before = if film { audio.dry } else { inputs };
        let mut layers = Vec::new();
        for dilation in config.dilations().unwrap_or_default() {
            let shape = [channels, before, config.kernel_size];
            let drive = if layers.is_empty() { config.drive } else { 1.0 };
            layers.push(TcnLayer {
                conv: Conv::new(shape, dilation, true, init).driven(drive, audio.dry),
                film: film.then(|| Film::new(controls, channels, init)),
                activation: Activation::new(config.activation, channels, init),
                shortcut: Conv::new([channels, before, 1], 1, false, init),
            });
            before = channels;
        }
        Self {
            layers,
            head: Conv::new([audio.wet, channels, 1], 1, true, init),
            audio,
        }
    }

    fn has_film(&self) -> bool {
        self.layers.iter().any(|layer| layer.film.is_some())
    }

    /// Samples of input that one sample of output depends on.
    fn receptive_field(&self) -> usize {
        let contexts = self.layers.iter().map(|layer| layer.conv.context());
        contexts.sum::<usize>() + 1
    }
}

impl TcnLayer {
    /// As a layer that knobs do not modulate; `None` where they do.
    fn plain(&self) -> Option<kernels::ResidualTensors> {
        match self.film {
            Some(_) => None,
            None => self.conv.beside(&self.activation, &self.shortcut),
        }
    }

    fn forward(&self, x: Tensor<3>, knobs: Option<&Tensor<3>>) -> Tensor<3> {
        let mut y = self.conv.forward(x.clone());
        if let (Some(film), Some(knobs)) = (&self.film, knobs) {
            y = film.forward(y, knobs.clone());
        }
        let heard = latest(x, y.dims()[2]);
        self.activation.forward(y) + self.shortcut.forward(heard)
    }
}

impl EffectNetwork for Tcn {
    /// `[batch, inputs, context + n]` → `[batch, wet, n]`.
    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let (sound, knobs) = sound_and_knobs(input.clone(), self.audio.dry);
        let x = if self.has_film() { sound } else { input };
        let plain: Option<Vec<_>> = self.layers.iter().map(TcnLayer::plain).collect();
        let x = match plain {
            Some(layers) => kernels::residual_layers(x, layers),
            None => {
                let through = |x, layer: &TcnLayer| layer.forward(x, knobs.as_ref());
                self.layers.iter().fold(x, through)
            }
        };
        self.head.forward(x)
    }

    fn audio_channels(&self) -> AudioChannels {
        self.audio
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Samples(self.receptive_field())
    }

    fn work(&self, len: usize) -> Work {
        let mut have = len + self.receptive_field() - 1;
        let layers = self.layers.iter().enumerate().map(|(at, layer)| {
            have -= layer.conv.context();
            Work::nth(at, (layer.conv.macs() + layer.shortcut.macs()) * have)
        });
        layers.sum::<Work>() + Work::inner(self.head.macs() * len)
    }

    fn architecture(&self, _: u32, _: &[Control]) -> Architecture {
        let mut layers = Vec::new();
        for layer in &self.layers {
            let mut body = vec![Layer::Conv1d(layer.conv.describe())];
            body.extend(layer.film.as_ref().map(|film| Layer::Film(film.describe())));
            body.push(Layer::Activation(layer.activation.describe()));
            let shortcut = Some(layer.shortcut.describe());
            layers.push(Layer::Residual(network::Residual { body, shortcut }));
        }
        layers.push(Layer::Conv1d(self.head.describe()));
        Architecture::Sequential(network::Sequential {
            input_channels: self.layers.first().map_or(1, |l| l.conv.shape()[1]),
            layers,
        })
    }

    fn head_mut(&mut self) -> Option<&mut Conv> {
        Some(&mut self.head)
    }
}

impl<M: From<Tcn>> Build<M> for TcnConfig {
    fn build(&self, site: &mut Site<'_>) -> M {
        Tcn::new(self, site.inputs, site.audio, &mut site.init).into()
    }
}
