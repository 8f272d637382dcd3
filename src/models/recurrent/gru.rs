//! One layer of gated recurrent units, gates in the order r, z, n; the reset gate acts after
//! the matrix and its bias.

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

impl Gru {
    /// Uniform in ±1/√hidden; the update gate's bias is 1 more, so that memory lasts before
    /// anything is learned. With `start.memory`, it is what lets a unit remember that long.
    pub fn new(inputs: usize, hidden: usize, start: Start, init: &mut WeightInit) -> Self {
        let bound = 1.0 / (hidden as f32).sqrt();
        let weight_input = input_weights([3 * hidden, inputs], bound, start.drive, init);
        let weight_hidden = init.uniform([3 * hidden, hidden], bound);
        let mut bias = init.numbers(3 * hidden, bound);
        let mut bias_hidden = init.numbers(3 * hidden, bound);
        let update = hidden..2 * hidden;
        match start.memory {
            None => bias[update].iter_mut().for_each(|b| *b += 1.0),
            Some(samples) => {
                bias_hidden[update.clone()].fill(0.0);
                let open = remembering(hidden, samples);
                bias[update]
                    .iter_mut()
                    .zip(open)
                    .for_each(|(b, open)| *b = open);
            }
        }
        Self {
            weight_input,
            weight_hidden,
            bias_input: init.given([3 * hidden], bias),
            bias_hidden: init.given([3 * hidden], bias_hidden),
        }
    }

    pub fn inputs(&self) -> usize {
        self.weight_input.dims()[1]
    }

    pub fn hidden(&self) -> usize {
        self.weight_hidden.dims()[1]
    }

    /// `[batch, inputs, time]` → `[batch, hidden, time]`; takes h from `before` (zeros where it
    /// is empty) and appends it to `after`.
    pub fn forward(&self, x: Tensor<3>, before: &mut State, after: &mut State) -> Tensor<3> {
        let [batch, _, _] = x.dims();
        let hidden = self.weight_hidden.dims()[1];
        let zeros = || Tensor::zeros([batch, hidden], &x.device());
        let state = RecurrentState {
            hidden: before.take().unwrap_or_else(zeros),
            cell: None,
        };
        let weights = RecurrentWeights {
            input: self.weight_input.val(),
            hidden: self.weight_hidden.val(),
            bias: Tensor::cat(vec![self.bias_input.val(), self.bias_hidden.val()], 0),
        };
        let (y, state) = kernels::recurrent(x, Cell::Gru, weights, state);
        after.push(state.hidden);
        y
    }

    pub fn describe(&self) -> network::Gru {
        let [rows, input_size] = self.weight_input.dims();
        network::Gru {
            input_size,
            hidden_size: rows / 3,
            weight_input: numbers(&self.weight_input),
            weight_hidden: numbers(&self.weight_hidden),
            bias_input: numbers(&self.bias_input),
            bias_hidden: numbers(&self.bias_hidden),
            initial_hidden: Vec::new(),
        }
    }

    pub fn from_description(gru: &network::Gru, device: &Device) -> Self {
        let (inputs, hidden) = (gru.input_size, gru.hidden_size);
        Self {
            weight_input: parameter([3 * hidden, inputs], gru.weight_input.clone(), device),
            weight_hidden: parameter([3 * hidden, hidden], gru.weight_hidden.clone(), device),
            bias_input: parameter([3 * hidden], gru.bias_input.clone(), device),
            bias_hidden: parameter([3 * hidden], gru.bias_hidden.clone(), device),
        }
    }
}
