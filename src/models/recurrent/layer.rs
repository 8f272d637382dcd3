//! One layer with memory, of either cell, and its first weights. Knows no network.

use crate::kernels::recurrent::Cell;
use crate::kernels::{self, RecurrentState, RecurrentWeights};
use crate::models::init::{WeightInit, parameter};
use crate::models::parts::{Conv, numbers};
use crate::models::state::State;
use crate::network;
use burn::module::Param;
use burn::prelude::*;

/// A layer; what its gates are and their order, [`Cell`] says.
#[derive(Module, Debug)]
pub(super) enum RecurrentLayer {
    Lstm(Lstm),
    Gru(Gru),
}

/// Weights of long short-term memory.
#[derive(Module, Debug)]
pub(super) struct Lstm {
    /// `[4 · hidden, inputs]`
    weight_input: Param<Tensor<2>>,
    /// `[4 · hidden, hidden]`
    weight_hidden: Param<Tensor<2>>,
    /// `[4 · hidden]`
    bias: Param<Tensor<1>>,
}

/// Weights of gated recurrent units; the reset gate acts after the matrix and its bias.
#[derive(Module, Debug)]
pub(super) struct Gru {
    /// `[3 · hidden, inputs]`
    weight_input: Param<Tensor<2>>,
    /// `[3 · hidden, hidden]`
    weight_hidden: Param<Tensor<2>>,
    /// `[3 · hidden]`
    bias_input: Param<Tensor<1>>,
    /// `[3 · hidden]`
    bias_hidden: Param<Tensor<1>>,
}

/// What a layer is before anything is learned, beside random.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// Samples that the slowest unit remembers; `None`: all about as long.
    pub memory: Option<usize>,
    /// Factor on the weights of the first inputs.
    pub drive: f32,
    /// How many of them: channels of sound.
    pub sound: usize,
}

impl RecurrentLayer {
    /// Uniform in ±1/√hidden. The gate that keeps the memory has 1 more of bias, so that memory
    /// lasts before anything is learned (Jozefowicz et al. 2015). With `start.memory`, its bias is
    /// what lets a unit remember that long, and an LSTM's input gate is closed as far as its
    /// forget gate is open (Tallec & Ollivier 2018).
    pub fn new(
        cell: Cell,
        inputs: usize,
        hidden: usize,
        start: Start,
        init: &mut WeightInit,
    ) -> Self {
        let bound = 1.0 / (hidden as f32).sqrt();
        let rows = gates(cell) * hidden;
        let weight_input = input_weights([rows, inputs], bound, &start, init);
        let weight_hidden = init.uniform([rows, hidden], bound);
        let mut bias = init.numbers(rows, bound);
        let mut bias_hidden = match cell {
            Cell::Lstm => Vec::new(),
            Cell::Gru => init.numbers(rows, bound),
        };
        // Of both cells the second gate.
        let keeping = hidden..2 * hidden;
        match start.memory {
            None => bias[keeping].iter_mut().for_each(|b| *b += 1.0),
            Some(samples) => {
                for (unit, open) in remembering(hidden, samples).enumerate() {
                    bias[hidden + unit] = open;
                    match cell {
                        Cell::Lstm => bias[unit] = -open,
                        Cell::Gru => bias_hidden[hidden + unit] = 0.0,
                    }
                }
            }
        }
        let bias = init.given([rows], bias);
        match cell {
            Cell::Lstm => Self::Lstm(Lstm {
                weight_input,
                weight_hidden,
                bias,
            }),
            Cell::Gru => Self::Gru(Gru {
                weight_input,
                weight_hidden,
                bias_input: bias,
                bias_hidden: init.given([rows], bias_hidden),
            }),
        }
    }

    /// Its cell, and its weights as the operator wants them.
    fn parts(&self) -> (Cell, RecurrentWeights) {
        let (cell, input, hidden, bias) = match self {
            Self::Lstm(lstm) => (
                Cell::Lstm,
                &lstm.weight_input,
                &lstm.weight_hidden,
                lstm.bias.val(),
            ),
            Self::Gru(gru) => (
                Cell::Gru,
                &gru.weight_input,
                &gru.weight_hidden,
                Tensor::cat(vec![gru.bias_input.val(), gru.bias_hidden.val()], 0),
            ),
        };
        let weights = RecurrentWeights {
            input: input.val(),
            hidden: hidden.val(),
            bias,
        };
        (cell, weights)
    }

    /// Channels that enter, and units.
    fn sizes(&self) -> [usize; 2] {
        let (input, hidden) = match self {
            Self::Lstm(lstm) => (&lstm.weight_input, &lstm.weight_hidden),
            Self::Gru(gru) => (&gru.weight_input, &gru.weight_hidden),
        };
        [input.dims()[1], hidden.dims()[1]]
    }

    /// Channels that enter.
    pub fn inputs(&self) -> usize {
        self.sizes()[0]
    }

    /// Multiply-adds per step that read its input, and that read its state.
    pub fn macs(&self) -> (usize, usize) {
        let [inputs, hidden] = self.sizes();
        let gates = match self {
            Self::Lstm(_) => gates(Cell::Lstm),
            Self::Gru(_) => gates(Cell::Gru),
        };
        (gates * hidden * inputs, gates * hidden * hidden)
    }

    /// `[batch, inputs, time]` → `[batch, hidden, time]`, or what `head` hears of that; takes its
    /// state from `before` (zeros where it is empty) and appends it to `after`: h, and of an LSTM c.
    pub fn forward(
        &self,
        x: Tensor<3>,
        head: Option<&Conv>,
        before: &mut State,
        after: &mut State,
    ) -> Tensor<3> {
        let [batch, _, _] = x.dims();
        let [_, hidden] = self.sizes();
        let (cell, weights) = self.parts();
        let mut state = RecurrentState::zeros(cell, batch, hidden, &x.device());
        for part in std::iter::once(&mut state.hidden).chain(&mut state.cell) {
            if let Some(known) = before.take() {
                *part = known;
            }
        }
        let (y, state) = match head {
            None => kernels::recurrent(x, cell, weights, state),
            Some(head) => kernels::recurrent_with_head(x, cell, weights, head.tensors(), state),
        };
        after.push_within_one(state.hidden);
        if let Some(cell) = state.cell {
            after.push(cell);
        }
        y
    }

    pub fn describe(&self) -> network::Layer {
        let [input_size, hidden_size] = self.sizes();
        match self {
            Self::Lstm(lstm) => network::Layer::Lstm(network::Lstm {
                input_size,
                hidden_size,
                weight_input: numbers(&lstm.weight_input),
                weight_hidden: numbers(&lstm.weight_hidden),
                bias: numbers(&lstm.bias),
                initial_hidden: Vec::new(),
                initial_cell: Vec::new(),
            }),
            Self::Gru(gru) => network::Layer::Gru(network::Gru {
                input_size,
                hidden_size,
                weight_input: numbers(&gru.weight_input),
                weight_hidden: numbers(&gru.weight_hidden),
                bias_input: numbers(&gru.bias_input),
                bias_hidden: numbers(&gru.bias_hidden),
                initial_hidden: Vec::new(),
            }),
        }
    }

    /// From a validated description; `None` where that is of another layer.
    pub fn from_description(layer: &network::Layer, device: &Device) -> Option<Self> {
        let matrix = |values: &Vec<f32>, columns: usize| {
            parameter([values.len() / columns, columns], values.clone(), device)
        };
        let bias = |values: &Vec<f32>| parameter([values.len()], values.clone(), device);
        match layer {
            network::Layer::Lstm(lstm) => Some(Self::Lstm(Lstm {
                weight_input: matrix(&lstm.weight_input, lstm.input_size),
                weight_hidden: matrix(&lstm.weight_hidden, lstm.hidden_size),
                bias: bias(&lstm.bias),
            })),
            network::Layer::Gru(gru) => Some(Self::Gru(Gru {
                weight_input: matrix(&gru.weight_input, gru.input_size),
                weight_hidden: matrix(&gru.weight_hidden, gru.hidden_size),
                bias_input: bias(&gru.bias_input),
                bias_hidden: bias(&gru.bias_hidden),
            })),
            _ => None,
        }
    }
}

fn gates(cell: Cell) -> usize {
    match cell {
        Cell::Lstm => 4,
        Cell::Gru => 3,
    }
}

/// Input weights `[gates · hidden, inputs]`, uniform in ±`bound`, those of the first inputs, the sound,
/// `drive` times larger.
fn input_weights(
    [rows, inputs]: [usize; 2],
    bound: f32,
    start: &Start,
    init: &mut WeightInit,
) -> Param<Tensor<2>> {
    let mut weights = init.numbers(rows * inputs, bound);
    for row in weights.chunks_exact_mut(inputs) {
        row.iter_mut()
            .take(start.sound)
            .for_each(|w| *w *= start.drive);
    }
    init.given([rows, inputs], weights)
}

/// For each of `units` the bias with which a forgetting gate keeps σ(bias) of the memory per
/// sample, so that it lasts 2 samples for the first unit, `longest` for the last, evenly in
/// octaves between: σ(ln(n − 1)) = 1 − 1/n.
fn remembering(units: usize, longest: usize) -> impl Iterator<Item = f32> {
    let octaves = (longest as f32 / 2.0).ln() / units.saturating_sub(1).max(1) as f32;
    (0..units).map(move |unit| (2.0 * (octaves * unit as f32).exp() - 1.0).ln())
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
