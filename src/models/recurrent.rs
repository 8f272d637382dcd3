//! Recurrent networks: LSTM and GRU layers, optionally behind convolutions, a dense head, and a
//! shortcut for the dry sound.
//!
//! A window starts from a zero state and first hears `warm_up` samples that only fill the
//! memory. Gradients flow back over `truncate` samples, the state over all of them. Prediction
//! hands the state from block to block, so a stream equals the whole.

mod gru;
mod lstm;

use super::init::WeightInit;
use super::parts::{Activation, Conv, latest};
use super::state::State;
use super::work::Work;
use crate::config::{ConvLstmConfig, RecurrentConfig};
use crate::network::{self, DescriptionError, Layer};
use burn::module::Param;
use burn::prelude::*;
use gru::Gru;
use lstm::Lstm;

/// Convolutions (where there are any) → recurrent layers → dense head (+ dry sound).
#[derive(Module, Debug)]
pub struct RecurrentNetwork {
    front: Vec<FrontLayer>,
    layers: Vec<RecurrentLayer>,
    head: Conv,
    skip: bool,
    warm_up: usize,
    truncate: usize,
}

/// One of the convolutions before the memory.
#[derive(Module, Debug)]
struct FrontLayer {
    conv: Conv,
    activation: Activation,
}

/// One layer with memory.
#[derive(Module, Debug)]
enum RecurrentLayer {
    Lstm(Lstm),
    Gru(Gru),
}

impl RecurrentLayer {
    /// Multiply-adds per step that read its input, and that read its state.
    fn macs(&self) -> (usize, usize) {
        let (gates, inputs, hidden) = match self {
            Self::Lstm(lstm) => (4, lstm.inputs(), lstm.hidden()),
            Self::Gru(gru) => (3, gru.inputs(), gru.hidden()),
        };
        (gates * hidden * inputs, gates * hidden * hidden)
    }
}

/// Which unit the layers are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent unit.
    Gru,
}

/// What a layer is before anything is learned, beside random.
#[derive(Clone, Copy, Debug)]
struct Start {
    /// Samples that the slowest unit remembers; `None`: all about as long.
    memory: Option<usize>,
    /// Factor on the weights of the first input.
    drive: f32,
}

/// Input weights `[gates · hidden, inputs]`, uniform in ±`bound`, those of the first input
/// `drive` times larger.
fn input_weights(
    [rows, inputs]: [usize; 2],
    bound: f32,
    drive: f32,
    init: &mut WeightInit,
) -> Param<Tensor<2>> {
    let mut weights = init.numbers(rows * inputs, bound);
    weights.iter_mut().step_by(inputs).for_each(|w| *w *= drive);
    init.given([rows, inputs], weights)
}

/// For each of `units` the bias with which a forgetting gate keeps σ(bias) of the memory per
/// sample, so that it lasts 2 samples for the first unit, `longest` for the last, evenly in
/// octaves between: σ(ln(n − 1)) = 1 − 1/n.
fn remembering(units: usize, longest: usize) -> impl Iterator<Item = f32> {
    let octaves = (longest as f32 / 2.0).ln() / units.saturating_sub(1).max(1) as f32;
    (0..units).map(move |unit| (2.0 * (octaves * unit as f32).exp() - 1.0).ln())
}

impl RecurrentNetwork {
    /// For inputs of `inputs` channels: sound, then knobs.
    pub fn new(unit: Unit, config: &RecurrentConfig, inputs: usize, init: &mut WeightInit) -> Self {
        let hidden = config.hidden_size;
        let layers = (0..config.layers).map(|layer| {
            let (inputs, drive) = match layer {
                0 => (inputs, config.drive),
                _ => (hidden, 1.0),
            };
            let start = Start {
                memory: config.memory,
                drive,
            };
            match unit {
                Unit::Lstm => RecurrentLayer::Lstm(Lstm::new(inputs, hidden, start, init)),
                Unit::Gru => RecurrentLayer::Gru(Gru::new(inputs, hidden, start, init)),
            }
        });
        Self {
            front: Vec::new(),
            layers: layers.collect(),
            head: Conv::new([1, hidden, 1], 1, true, init),
            skip: config.skip,
            warm_up: config.warm_up,
            truncate: config.truncate,
        }
    }

    /// An LSTM behind convolutions.
    pub fn behind_convolutions(
        config: &ConvLstmConfig,
        inputs: usize,
        init: &mut WeightInit,
    ) -> Self {
        let channels = config.channels;
        let mut before = inputs;
        let mut front = Vec::new();
        for &dilation in &config.dilations {
            let shape = [channels, before, config.kernel_size];
            let drive = if front.is_empty() { config.drive } else { 1.0 };
            front.push(FrontLayer {
                conv: Conv::new(shape, dilation, true, init).driven(drive),
                activation: Activation::new(config.activation, channels, init),
            });
            before = channels;
        }
        Self {
            front,
            ..Self::new(Unit::Lstm, &config.recurrent(), channels, init)
        }
    }

    /// `[batch, inputs, lookback + warm_up + n]` → `[batch, 1, n]`, from a zero state.
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let [_, _, len] = input.dims();
        let lookback = self.lookback();
        let mut state = State::default();
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
        let outputs: Vec<Tensor<3>> = full
            .chain((rest > 0).then_some(rest))
            .map(&mut advance)
            .collect();
        Tensor::cat(outputs, 2)
    }

    /// `[batch, inputs, lookback + n]` → `[batch, 1, n]`, from where `state` stands, and where
    /// it stands afterwards.
    pub fn advance(&self, input: Tensor<3>, state: State) -> (Tensor<3>, State) {
        let sound = input.clone().narrow(1, 0, 1);
        let mut x = input;
        for layer in &self.front {
            x = layer.activation.forward(layer.conv.forward(x));
        }
        let mut before = state;
        let mut after = State::default();
        for layer in &self.layers {
            x = match layer {
                RecurrentLayer::Lstm(lstm) => lstm.forward(x, &mut before, &mut after),
                RecurrentLayer::Gru(gru) => gru.forward(x, &mut before, &mut after),
            };
        }
        let len = x.dims()[2];
        let output = self.head.forward(x);
        let output = match self.skip {
            true => output + latest(sound, len),
            false => output,
        };
        (output, after)
    }

    /// Multiply-adds of a window of `len` output samples. Nothing flows back through the
    /// samples that only fill the memory.
    pub fn work(&self, len: usize) -> Work {
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

    /// Past samples that the convolutions need.
    pub fn lookback(&self) -> usize {
        self.front.iter().map(|layer| layer.conv.context()).sum()
    }

    /// Samples that a window spends on filling the memory.
    pub fn warm_up(&self) -> usize {
        self.warm_up
    }

    /// Architecture and weights as numbers.
    pub fn describe(&self) -> network::Sequential {
        let mut layers = Vec::new();
        for layer in &self.front {
            layers.push(Layer::Conv1d(layer.conv.describe()));
            layers.push(Layer::Activation(layer.activation.describe()));
        }
        for layer in &self.layers {
            layers.push(match layer {
                RecurrentLayer::Lstm(lstm) => Layer::Lstm(lstm.describe()),
                RecurrentLayer::Gru(gru) => Layer::Gru(gru.describe()),
            });
        }
        layers.push(Layer::Conv1d(self.head.describe()));
        let input_channels = match (self.front.first(), self.layers.first()) {
            (Some(front), _) => front.conv.shape()[1],
            (None, Some(RecurrentLayer::Lstm(lstm))) => lstm.inputs(),
            (None, Some(RecurrentLayer::Gru(gru))) => gru.inputs(),
            (None, None) => 1,
        };
        if self.skip {
            let body = layers;
            let shortcut = None;
            layers = vec![Layer::Residual(network::Residual { body, shortcut })];
        }
        network::Sequential {
            input_channels,
            layers,
        }
    }

    /// From a validated description, with `config`'s warm-up and truncation. A described
    /// initial state is dropped: training and prediction fill the memory by listening.
    ///
    /// # Errors
    /// Layers other than convolutions with activations, then LSTM or GRU, then one dense head.
    pub fn from_description(
        network: &network::Sequential,
        config: &RecurrentConfig,
        device: &Device,
    ) -> Result<Self, DescriptionError> {
        let (layers, skip) = match network.layers.as_slice() {
            [Layer::Residual(residual)] if residual.shortcut.is_none() => (&residual.body, true),
            _ => (&network.layers, false),
        };
        let (mut front, mut recurrent, mut head) = (Vec::new(), Vec::new(), None);
        let mut rest = layers.as_slice();
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
                Layer::Lstm(lstm) => {
                    recurrent.push(RecurrentLayer::Lstm(Lstm::from_description(lstm, device)))
                }
                Layer::Gru(gru) => {
                    recurrent.push(RecurrentLayer::Gru(Gru::from_description(gru, device)))
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
                warm_up: config.warm_up,
                truncate: config.truncate,
            }),
            _ => Err(unlike("no recurrent layer, or no dense layer at the end")),
        }
    }
}

fn unlike(what: &str) -> DescriptionError {
    let why = format!(
        "{what}; convolutions with activations, then LSTM or GRU layers, then one dense layer \
         can be trained here"
    );
    DescriptionError::invalid("recurrent network", why)
}

#[cfg(test)]
mod tests {
    use super::remembering;

    #[test]
    fn memories_are_spread_in_octaves() {
        let lasting: Vec<f32> = remembering(5, 32)
            .map(|bias| 1.0 + bias.exp()) // 1/(1 − σ(bias))
            .collect();
        for (found, expected) in lasting.iter().zip([2.0, 4.0, 8.0, 16.0, 32.0]) {
            assert!((found / expected - 1.0).abs() < 1e-5, "{lasting:?}");
        }
        assert_eq!(remembering(1, 100).next(), Some(0.0));
    }
}
