//! State-space network with temporal FiLM (S4-TF, Comunità, Steinmetz & Reiss 2025): filter banks
//! with learned poles, each followed by a 1×1 mix, a modulation that follows the layer's own
//! peaks, an activation and a shortcut.
//!
//! The filters are [`super::filter_bank`]'s. Knows no other network.

mod temporal_film;

use super::effect_network::{Build, EffectNetwork, Memory, Reach, Site, warmed_up};
use super::filter_bank::FilterBank;
use super::init::WeightInit;
use super::parts::{Activation, Conv, Film, sound_and_knobs};
use super::state::State;
use super::work::Work;
use crate::config::{Conditioning, S4TfConfig};
use crate::network::{Architecture, AudioChannels, Control, Layer, Residual, Sequential};
use burn::prelude::*;
use temporal_film::TemporalFilm;

/// 1×1 in → layers `x ← x + act(temporal(film(mix(filters(x)))))` → 1×1 out.
#[derive(Module, Debug)]
pub struct S4TfNetwork {
    input: Conv,
    layers: Vec<S4TfLayer>,
    head: Conv,
    warm_up: usize,
    #[module(skip)]
    audio: AudioChannels,
}

/// One layer.
#[derive(Module, Debug)]
struct S4TfLayer {
    filters: FilterBank,
    mix: Conv,
    film: Option<Film>,
    temporal: TemporalFilm,
    activation: Activation,
}

impl S4TfLayer {
    fn new(config: &S4TfConfig, controls: Option<usize>, init: &mut WeightInit) -> Self {
        let channels = config.channels;
        Self {
            filters: FilterBank::new(channels, config.states, config.memory, init),
            mix: Conv::new([channels, channels, 1], 1, true, init),
            film: controls.map(|controls| Film::new(controls, channels, init)),
            temporal: TemporalFilm::new(channels, config.hidden_size, config.block_size, init),
            activation: Activation::new(config.activation, channels, init),
        }
    }

    /// `[batch, channels, n]` → the same; takes its states from `before`, appends them to `after`.
    fn forward(
        &self,
        x: Tensor<3>,
        knobs: Option<&Tensor<3>>,
        before: &mut State,
        after: &mut State,
    ) -> Tensor<3> {
        let mut y = self
            .mix
            .forward(self.filters.forward(x.clone(), before, after));
        if let (Some(film), Some(knobs)) = (&self.film, knobs) {
            y = film.forward(y, knobs.clone());
        }
        x + self
            .activation
            .forward(self.temporal.forward(y, before, after))
    }

    /// In the order of [`S4TfLayer::forward`].
    fn describe(&self) -> Layer {
        let mut body = vec![
            Layer::S4d(self.filters.describe()),
            Layer::Conv1d(self.mix.describe()),
        ];
        body.extend(self.film.as_ref().map(|film| Layer::Film(film.describe())));
        body.push(Layer::TemporalFilm(self.temporal.describe()));
        body.push(Layer::Activation(self.activation.describe()));
        Layer::Residual(Residual {
            body,
            shortcut: None,
        })
    }

    /// Multiply-adds per sample: per state 4 for the complex product, 2 for what is heard of it.
    fn macs(&self) -> usize {
        let states = self.filters.channels() * self.filters.states();
        6 * states + self.filters.channels() + self.mix.macs() + self.temporal.macs()
    }
}

impl S4TfNetwork {
    /// For inputs of `inputs` channels: sound, then knobs.
    fn new(
        config: &S4TfConfig,
        inputs: usize,
        audio: AudioChannels,
        init: &mut WeightInit,
    ) -> Self {
        let film = inputs > audio.dry && config.conditioning == Conditioning::Film;
        let (first, controls) = if film {
            (audio.dry, Some(inputs - audio.dry))
        } else {
            (inputs, None)
        };
        let channels = config.channels;
        Self {
            input: Conv::new([channels, first, 1], 1, true, init).driven(config.drive, audio.dry),
            layers: (0..config.layers)
                .map(|_| S4TfLayer::new(config, controls, init))
                .collect(),
            head: Conv::new([audio.wet, channels, 1], 1, true, init),
            warm_up: config.warm_up,
            audio,
        }
    }
}

impl EffectNetwork for S4TfNetwork {
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

    fn work(&self, len: usize) -> Work {
        let layers = self.layers.iter().map(|layer| Work::inner(layer.macs()));
        let ends = Work::first(self.input.macs()) + Work::inner(self.head.macs());
        (ends + layers.sum()).times(self.warm_up + len)
    }

    fn architecture(&self, _: u32, _: &[Control]) -> Architecture {
        let first = std::iter::once(Layer::Conv1d(self.input.describe()));
        let layers = first.chain(self.layers.iter().map(S4TfLayer::describe));
        let last = std::iter::once(Layer::Conv1d(self.head.describe()));
        Architecture::Sequential(Sequential {
            input_channels: self.input.shape()[1],
            layers: layers.chain(last).collect(),
        })
    }

    fn head_mut(&mut self) -> Option<&mut Conv> {
        Some(&mut self.head)
    }
}

impl Memory for S4TfNetwork {
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

impl<M: From<S4TfNetwork>> Build<M> for S4TfConfig {
    fn build(&self, site: &mut Site<'_>) -> M {
        S4TfNetwork::new(self, site.inputs, site.audio, &mut site.init).into()
    }
}
