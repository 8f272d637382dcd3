//! One layer of long short-term memory, gates in the order i, f, g, o.

use super::{Start, input_weights, remembering};
use crate::kernels::recurrent::Cell;
use crate::kernels::{self, RecurrentState, RecurrentWeights};
use crate::models::init::{WeightInit, parameter};
use crate::models::parts::numbers;
use crate::models::state::State;
use crate::network;
use burn::module::Param;
use burn::prelude::*;

/// The layer's weights.
#[derive(Module, Debug)]
pub(super) struct Lstm {
    /// `[4 · hidden, inputs]`
    weight_input: Param<Tensor<2>>,
    /// `[4 · hidden, hidden]`
    weight_hidden: Param<Tensor<2>>,
    /// `[4 · hidden]`
    bias: Param<Tensor<1>>,
}

impl Lstm {
    /// Uniform in ±1/√hidden; the forget gate's bias is 1 more, so that memory lasts before
    /// anything is learned (Jozefowicz et al. 2015). With `start.memory`, it is what lets a unit
    /// remember that long, and the input gate is closed as far as the forget gate is open
    /// (Tallec & Ollivier 2018).
    pub fn new(inputs: usize, hidden: usize, start: Start, init: &mut WeightInit) -> Self {
        let bound = 1.0 / (hidden as f32).sqrt();
        let weight_input = input_weights([4 * hidden, inputs], bound, start.drive, init);
        let weight_hidden = init.uniform([4 * hidden, hidden], bound);
        let mut bias = init.numbers(4 * hidden, bound);
        match start.memory {
            None => bias[hidden..2 * hidden].iter_mut().for_each(|b| *b += 1.0),
            Some(samples) => {
                let (input, rest) = bias.split_at_mut(hidden);
                for (unit, open) in remembering(hidden, samples).enumerate() {
                    (input[unit], rest[unit]) = (-open, open);
                }
            }
        }
        Self {
            weight_input,
            weight_hidden,
            bias: init.given([4 * hidden], bias),
        }
    }

    pub fn inputs(&self) -> usize {
        self.weight_input.dims()[1]
    }

    pub fn hidden(&self) -> usize {
        self.weight_hidden.dims()[1]
    }

    /// `[batch, inputs, time]` → `[batch, hidden, time]`; takes h and c from `before` (zeros
    /// where it is empty) and appends them to `after`.
    pub fn forward(&self, x: Tensor<3>, before: &mut State, after: &mut State) -> Tensor<3> {
        let [batch, _, _] = x.dims();
        let hidden = self.weight_hidden.dims()[1];
        let zeros = || Tensor::zeros([batch, hidden], &x.device());
        let state = RecurrentState {
            hidden: before.take().unwrap_or_else(zeros),
            cell: Some(before.take().unwrap_or_else(zeros)),
        };
        let weights = RecurrentWeights {
            input: self.weight_input.val(),
            hidden: self.weight_hidden.val(),
            bias: self.bias.val(),
        };
        let (y, state) = kernels::recurrent(x, Cell::Lstm, weights, state);
        after.push(state.hidden);
        if let Some(cell) = state.cell {
            after.push(cell);
        }
        y
    }

    pub fn describe(&self) -> network::Lstm {
        let [rows, input_size] = self.weight_input.dims();
        network::Lstm {
            input_size,
            hidden_size: rows / 4,
            weight_input: numbers(&self.weight_input),
            weight_hidden: numbers(&self.weight_hidden),
            bias: numbers(&self.bias),
            initial_hidden: Vec::new(),
            initial_cell: Vec::new(),
        }
    }

    pub fn from_description(lstm: &network::Lstm, device: &Device) -> Self {
        let (inputs, hidden) = (lstm.input_size, lstm.hidden_size);
        Self {
            weight_input: parameter([4 * hidden, inputs], lstm.weight_input.clone(), device),
            weight_hidden: parameter([4 * hidden, hidden], lstm.weight_hidden.clone(), device),
            bias: parameter([4 * hidden], lstm.bias.clone(), device),
        }
    }
}
