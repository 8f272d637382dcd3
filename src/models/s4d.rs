//! Diagonal state-space network (S4D, Gu et al. 2022): layers of filter banks whose poles are
//! learned, each followed by a 1×1 mix, an activation (or a gate) and a shortcut.
//!
//! The filters themselves are [`super::filter_bank`]'s.

use super::effect_network::{Build, EffectNetwork, Memory, Reach, Site, warmed_up};
use super::filter_bank::FilterBank;
use super::init::WeightInit;
use super::parts::{Activation, Conv, Film, sound_and_knobs};
use super::state::State;
use super::work::Work;
use crate::config::{Conditioning, S4dConfig};
use crate::kernels;
use crate::network::{self, Architecture, AudioChannels, Control, Layer};
use burn::prelude::*;
use burn::tensor::activation::sigmoid;

/// 1×1 in → layers `x ← x + act(film(mix(filters(x))))` → 1×1 out.
#[derive(Module, Debug)]
pub struct S4dNetwork {
    input: Conv,
    layers: Vec<S4dLayer>,
    head: Conv,
    warm_up: usize,
    #[module(skip)]
    audio: AudioChannels,
}

/// One layer.
#[derive(Module, Debug)]
struct S4dLayer {
    filters: FilterBank,
    mix: Conv,
    film: Option<Film>,
    activation: Activation,
    gated: bool,
}

impl S4dLayer {
    /// x and what is made of it, from the state in `before` on; that afterwards is appended to `after`.
    fn forward(
        &self,
        x: Tensor<3>,
        knobs: Option<&Tensor<3>>,
        before: &mut State,
        after: &mut State,
    ) -> Tensor<3> {
        if let Some(layer) = self.as_one(&x) {
            let (y, state) = kernels::state_space(x, layer, before.take());
            after.push(state);
            return y;
        }
        let filtered = self.filters.forward(x.clone(), before, after);
        self.respond(filtered, knobs) + x
    }

    /// The layer for the operator that is all of it, where there is nothing in it besides and where x
    /// lies within that operator's reach.
    fn as_one(&self, x: &Tensor<3>) -> Option<kernels::StateSpaceTensors> {
        let activation = self.activation.function();
        if self.gated || self.film.is_some() || !activation.is_fused() || !kernels::is_fused(x) {
            return None;
        }
        let (mix, bias) = self.mix.tensors();
        Some(kernels::StateSpaceTensors {
            scan: self.filters.tensors(),
            mix,
            bias: bias?,
            activation,
        })
    }

    /// What is made of the filters' output: act(film(mix)), or gated halves of film(mix(act)).
    fn respond(&self, filtered: Tensor<3>, knobs: Option<&Tensor<3>>) -> Tensor<3> {
        let heard = match self.gated {
            true => self.activation.forward(filtered),
            false => filtered,
        };
        let mut y = self.mix.forward(heard);
        if let (Some(film), Some(knobs)) = (&self.film, knobs) {
            y = film.forward(y, knobs.clone());
        }
        if !self.gated {
            return self.activation.forward(y);
        }
        let half = y.dims()[1] / 2;
        let gate = sigmoid(y.clone().narrow(1, half, half));
        y.narrow(1, 0, half) * gate
    }

    /// In the order of [`S4dLayer::respond`].
    fn describe(&self) -> Vec<Layer> {
        let activation = Layer::Activation(self.activation.describe());
        let mut body = vec![Layer::S4d(self.filters.describe())];
        if self.gated {
            body.push(activation.clone());
        }
        body.push(Layer::Conv1d(self.mix.describe()));
        body.extend(self.film.as_ref().map(|film| Layer::Film(film.describe())));
        body.push(if self.gated { Layer::Glu } else { activation });
        body
    }
}

impl S4dNetwork {
    /// For inputs of `inputs` channels: sound, then knobs.
    pub fn new(
        config: &S4dConfig,
        inputs: usize,
        audio: AudioChannels,
        init: &mut WeightInit,
    ) -> Self {
        let (controls, channels) = (inputs - audio.dry, config.channels);
        let film = controls > 0 && config.conditioning == Conditioning::Film;
        let first = if film { audio.dry } else { inputs };
        let mixed = if config.gated { 2 * channels } else { channels };
        let input = Conv::new([channels, first, 1], 1, true, init).driven(config.drive, audio.dry);
        let layers = (0..config.layers).map(|_| S4dLayer {
            filters: FilterBank::new(channels, config.states, config.memory, init),
            mix: Conv::new([mixed, channels, 1], 1, true, init),
            film: film.then(|| Film::new(controls, mixed, init)),
            activation: Activation::new(config.activation, channels, init),
            gated: config.gated,
        });
        let layers = layers.collect();
        Self {
            input,
            layers,
            head: Conv::new([audio.wet, channels, 1], 1, true, init),
            warm_up: config.warm_up,
            audio,
        }
    }
}

impl EffectNetwork for S4dNetwork {
    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        self.forward_from(input, State::default())
    }

    fn forward_from(&self, input: Tensor<3>, state: State) -> Tensor<3> {
        warmed_up(self, input, state)
    }

    fn audio_channels(&self) -> AudioChannels {
        self.audio
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Memory(self)
    }

    /// Multiply-adds of a window of `len` output samples: per state and sample 4 for the
    /// complex product, 2 for what is heard of it.
    fn work(&self, len: usize) -> Work {
        let layers = self.layers.iter().map(|layer| {
            let states = layer.filters.channels() * layer.filters.states();
            Work::inner(6 * states + layer.filters.channels() + layer.mix.macs())
        });
        let ends = Work::first(self.input.macs()) + Work::inner(self.head.macs());
        (ends + layers.sum()).times(self.warm_up + len)
    }

    fn architecture(&self, _: u32, _: &[Control]) -> Architecture {
        let mut layers = vec![Layer::Conv1d(self.input.describe())];
        for layer in &self.layers {
            let body = layer.describe();
            let shortcut = None;
            layers.push(Layer::Residual(network::Residual { body, shortcut }));
        }
        layers.push(Layer::Conv1d(self.head.describe()));
        Architecture::Sequential(network::Sequential {
            input_channels: self.input.shape()[1],
            layers,
        })
    }

    fn head_mut(&mut self) -> Option<&mut Conv> {
        Some(&mut self.head)
    }
}

impl Memory for S4dNetwork {
    fn advance(&self, input: Tensor<3>, state: State) -> (Tensor<3>, State) {
        let (sound, knobs) = sound_and_knobs(input.clone(), self.audio.dry);
        let has_film = self.layers.iter().any(|layer| layer.film.is_some());
        let mut x = self.input.forward(if has_film { sound } else { input });
        let (mut before, mut after) = (state, State::default());
        for layer in &self.layers {
            x = layer.forward(x, knobs.as_ref(), &mut before, &mut after);
        }
        (self.head.forward(x), after)
    }

    fn warm_up(&self) -> usize {
        self.warm_up
    }
}

impl<M: From<S4dNetwork>> Build<M> for S4dConfig {
    fn build(&self, site: &mut Site<'_>) -> M {
        S4dNetwork::new(self, site.inputs, site.audio, &mut site.init).into()
    }
}
