//! Recurrent networks: LSTM and GRU layers, optionally behind convolutions, a dense head whose answer
//! may be a gain on the dry sound, and a shortcut for the dry sound.
//!
//! A window starts from a zero state and first hears `warm_up` samples that only fill the
//! memory. Gradients flow back over `truncate` samples, the state over all of them. Prediction
//! hands the state from block to block, so a stream equals the whole.

mod layer;

use super::effect_network::{Build, EffectNetwork, Memory, Reach, Site};
use super::init::WeightInit;
use super::parts::{Activation, Conv, latest};
use super::state::State;
use super::work::Work;
use crate::config::{ModelConfig, RecurrentConfig};
use crate::kernels::recurrent::Cell;
use crate::network::{
    self, Architecture, AudioChannels, Branches, Control, DescriptionError, Join, Layer, Split,
};
use burn::prelude::*;
use layer::{RecurrentLayer, Start};

/// Convolutions (where there are any) → recurrent layers → dense head (· dry sound) (+ dry sound).
#[derive(Module, Debug)]
pub struct RecurrentNetwork {
    front: Vec<FrontLayer>,
    layers: Vec<RecurrentLayer>,
    head: Conv,
    skip: bool,
    gain: bool,
    warm_up: usize,
    truncate: usize,
    #[module(skip)]
    audio: AudioChannels,
}

/// One of the convolutions before the memory.
#[derive(Module, Debug)]
struct FrontLayer {
    conv: Conv,
    activation: Activation,
}

impl RecurrentNetwork {
    /// For inputs of `inputs` channels: sound, then knobs.
    pub fn new(
        cell: Cell,
        config: &RecurrentConfig,
        inputs: usize,
        audio: AudioChannels,
        init: &mut WeightInit,
    ) -> Self {
        let hidden = config.hidden_size;
        let (mut before, mut drive, mut sound) = (inputs, config.drive, audio.dry);
        let mut front = Vec::new();
        if let Some(layer) = &config.front {
            for &dilation in &layer.dilations {
                let shape = [layer.channels, before, layer.kernel_size];
                front.push(FrontLayer {
                    conv: Conv::new(shape, dilation, true, init).driven(drive, sound),
                    activation: Activation::new(layer.activation, layer.channels, init),
                });
                (before, drive, sound) = (layer.channels, 1.0, 1);
            }
        }
        let mut layers = Vec::new();
        for _ in 0..config.layers {
            let memory = config.memory;
            let start = Start {
                memory,
                drive,
                sound,
            };
            layers.push(RecurrentLayer::new(cell, before, hidden, start, init));
            (before, drive, sound) = (hidden, 1.0, 1);
        }
        Self {
            front,
            layers,
            head: Conv::new([audio.wet, hidden, 1], 1, true, init),
            skip: config.skip,
            gain: config.gain,
            warm_up: config.warm_up,
            truncate: config.truncate,
            audio,
        }
    }

    /// Without dry beside what the head says.
    pub fn without_skip(self) -> Self {
        Self {
            skip: false,
            ..self
        }
    }

    /// Architecture and weights as numbers.
    pub fn describe(&self) -> network::Sequential {
        let mut layers = Vec::new();
        for layer in &self.front {
            layers.push(Layer::Conv1d(layer.conv.describe()));
            layers.push(Layer::Activation(layer.activation.describe()));
        }
        layers.extend(self.layers.iter().map(RecurrentLayer::describe));
        layers.push(Layer::Conv1d(self.head.describe()));
        let input_channels = match (self.front.first(), self.layers.first()) {
            (Some(front), _) => front.conv.shape()[1],
            (None, Some(layer)) => layer.inputs(),
            (None, None) => 1,
        };
        if self.gain {
            layers = vec![as_gain(layers, self.audio, input_channels)];
        }
        if self.skip {
            let body = layers;
            let shortcut = shortcut(self.audio, input_channels);
            layers = vec![Layer::Residual(network::Residual { body, shortcut })];
        }
        network::Sequential {
            input_channels,
            layers,
        }
    }

    /// From a validated description of these channels of sound, with `config`'s warm-up and truncation. A described
    /// initial state is dropped: training and prediction fill the memory by listening.
    ///
    /// # Errors
    /// Layers other than convolutions with activations, then LSTM or GRU, then one dense head.
    pub fn from_description(
        network: &network::Sequential,
        audio: AudioChannels,
        config: &RecurrentConfig,
        device: &Device,
    ) -> Result<Self, DescriptionError> {
        let Form { layers, skip, gain } = Form::of(network, audio);
        let (mut front, mut recurrent, mut head) = (Vec::new(), Vec::new(), None);
        let mut rest = layers;
        while let Some((layer, behind)) = rest.split_first() {
            rest = behind;
            match layer {
                Layer::Conv1d(conv) if recurrent.is_empty() => {
                    let [Layer::Activation(activation), behind @ ..] = rest else {
                        return Err(unlike("a convolution without activation before the memory"));
                    };
                    rest = behind;
                    front.push(FrontLayer {
                        conv: Conv::from_description(conv, device)?,
                        activation: Activation::from_description(
                            activation,
                            conv.out_channels,
                            device,
                        )?,
                    });
                }
                Layer::Lstm(_) | Layer::Gru(_) => {
                    recurrent.extend(RecurrentLayer::from_description(layer, device));
                }
                Layer::Conv1d(conv) if rest.is_empty() && conv.kernel_size == 1 => {
                    head = Some(Conv::from_description(conv, device)?);
                }
                _ => return Err(unlike("another layer")),
            }
        }
        match head {
            Some(head) if !recurrent.is_empty() => Ok(Self {
                front,
                layers: recurrent,
                head,
                skip,
                gain,
                warm_up: config.warm_up,
                truncate: config.truncate,
                audio,
            }),
            _ => Err(unlike("no recurrent layer, or no dense layer at the end")),
        }
    }
}

impl EffectNetwork for RecurrentNetwork {
    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        self.forward_from(input, State::default())
    }

    /// Gradients end every `truncate` samples.
    fn forward_from(&self, input: Tensor<3>, mut state: State) -> Tensor<3> {
        let [_, _, len] = input.dims();
        let lookback = self.lookback();
        let mut at = 0;
        let mut advance = |count: usize| {
            let piece = input.clone().narrow(2, at, lookback + count);
            let (output, next) = self.advance(piece, std::mem::take(&mut state));
            state = next.detach();
            at += count;
            output
        };
        if self.warm_up > 0 {
            advance(self.warm_up);
        }
        let wanted = len - lookback - self.warm_up;
        let full = std::iter::repeat_n(self.truncate, wanted / self.truncate);
        let rest = wanted % self.truncate;
        let mut outputs: Vec<Tensor<3>> = full
            .chain((rest > 0).then_some(rest))
            .map(&mut advance)
            .collect();
        match outputs.len() {
            // A copy less.
            1 => outputs.swap_remove(0),
            _ => Tensor::cat(outputs, 2),
        }
    }

    fn audio_channels(&self) -> AudioChannels {
        self.audio
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Memory(self)
    }

    /// Nothing flows back through the samples that only fill the memory.
    fn work(&self, len: usize) -> Work {
        let per_step: Work = self
            .front
            .iter()
            .enumerate()
            .map(|(at, layer)| Work::nth(at, layer.conv.macs()))
            .chain(self.layers.iter().enumerate().map(|(at, layer)| {
                let (of_input, of_state) = layer.macs();
                Work::nth(self.front.len() + at, of_input) + Work::inner(of_state)
            }))
            .chain([Work::inner(self.head.macs())])
            .sum();
        per_step.times(len) + per_step.times(self.warm_up).forward_only()
    }

    fn architecture(&self, _: u32, _: &[Control]) -> Architecture {
        Architecture::Sequential(self.describe())
    }

    fn is_gain(&self) -> bool {
        self.gain
    }

    /// A gain's head does not say the answer.
    fn head_mut(&mut self) -> Option<&mut Conv> {
        (!self.gain).then_some(&mut self.head)
    }
}

impl Memory for RecurrentNetwork {
    fn advance(&self, input: Tensor<3>, state: State) -> (Tensor<3>, State) {
        let AudioChannels { dry, wet } = self.audio;
        let sound = input.clone().narrow(1, 0, dry);
        let mut x = input;
        for layer in &self.front {
            x = layer.activation.forward(layer.conv.forward(x));
        }
        let mut before = state;
        let mut after = State::default();
        let last = self.layers.len().saturating_sub(1);
        for (at, layer) in self.layers.iter().enumerate() {
            let head = (at == last).then_some(&self.head);
            x = layer.forward(x, head, &mut before, &mut after);
        }
        if !self.skip && !self.gain {
            return (x, after);
        }
        let sound = latest(sound, x.dims()[2]);
        let sound = match dry < wet {
            true => sound.repeat_dim(1, wet),
            false => sound,
        };
        let answer = match self.gain {
            true => x * sound.clone(),
            false => x,
        };
        let output = match self.skip {
            true => answer + sound,
            false => answer,
        };
        (output, after)
    }

    fn warm_up(&self) -> usize {
        self.warm_up
    }

    /// Past samples that the convolutions need.
    fn lookback(&self) -> usize {
        self.front.iter().map(|layer| layer.conv.context()).sum()
    }
}

impl<M: From<RecurrentNetwork>> Build<M> for RecurrentConfig {
    fn build(&self, site: &mut Site<'_>) -> M {
        let cell = match site.model {
            ModelConfig::Gru(_) => Cell::Gru,
            _ => Cell::Lstm,
        };
        RecurrentNetwork::new(cell, self, site.inputs, site.audio, &mut site.init).into()
    }
}

/// What a description says of the dry sound, and the layers that listen.
pub(super) struct Form<'a> {
    /// Convolutions, memory and head.
    pub layers: &'a [Layer],
    /// Dry is added.
    pub skip: bool,
    /// What the layers say is multiplied by dry.
    pub gain: bool,
}

impl<'a> Form<'a> {
    /// That of a network of these channels of sound.
    pub fn of(network: &'a network::Sequential, audio: AudioChannels) -> Self {
        let inputs = network.input_channels;
        let mut form = Form {
            layers: &network.layers,
            skip: false,
            gain: false,
        };
        if let [Layer::Residual(residual)] = form.layers
            && residual.shortcut == shortcut(audio, inputs)
        {
            (form.layers, form.skip) = (&residual.body, true);
        }
        if let [Layer::Branches(paths)] = form.layers
            && let [listening, around] = paths.branches.as_slice()
            && (&paths.split, paths.join) == (&Split::Copy, Join::Product)
            && *around == [Layer::Conv1d(dry_to_each(audio, inputs))]
        {
            (form.layers, form.gain) = (listening, true);
        }
        form
    }
}

/// What the layers say, times the dry sound.
fn as_gain(layers: Vec<Layer>, audio: AudioChannels, inputs: usize) -> Layer {
    Layer::Branches(Branches {
        split: Split::Copy,
        branches: vec![layers, vec![Layer::Conv1d(dry_to_each(audio, inputs))]],
        join: Join::Product,
    })
}

/// What brings the dry sound around the layers: nothing where each output has its own channel of it, else
/// the one channel to both sides.
fn shortcut(audio: AudioChannels, inputs: usize) -> Option<network::Conv1d> {
    (audio.dry < audio.wet).then(|| dry_to_each(audio, inputs))
}

/// The dry channel of each output, or the only one.
fn dry_to_each(audio: AudioChannels, inputs: usize) -> network::Conv1d {
    let own = |output: usize| output.min(audio.dry - 1);
    let weight = (0..audio.wet)
        .flat_map(|output| (0..inputs).map(move |input| f32::from(u8::from(input == own(output)))));
    network::Conv1d::dense(inputs, audio.wet, weight.collect(), Vec::new())
}

fn unlike(what: &str) -> DescriptionError {
    let why = format!(
        "{what}; convolutions with activations, then LSTM or GRU layers, then one dense layer \
         can be trained here"
    );
    DescriptionError::invalid("recurrent network", why)
}
