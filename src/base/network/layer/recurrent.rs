//! Layers with a hidden state that feeds back: LSTM and GRU.

use crate::network::bounds::{MAX_CHANNELS, channels, numbers, size};
use crate::network::error::DescriptionError;
use crate::network::part::{Cost, Part, without_history};
use serde::{Deserialize, Serialize};

/// One layer of long short-term memory, gates in the order i, f, g, o.
///
/// i, f, o = sigmoid, g = tanh of W·x + U·h + b; c ← f·c + i·g; h ← o·tanh c.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lstm {
    /// Channels read.
    pub input_size: usize,
    /// Channels written.
    pub hidden_size: usize,
    /// W: `[4 · hidden_size][input_size]`
    pub weight_input: Vec<f32>,
    /// U: `[4 · hidden_size][hidden_size]`
    pub weight_hidden: Vec<f32>,
    /// b: `[4 · hidden_size]`; where a format keeps two, their sum.
    pub bias: Vec<f32>,
    /// h before the first sample: `[hidden_size]`, or empty for zeros.
    pub initial_hidden: Vec<f32>,
    /// c before the first sample: `[hidden_size]`, or empty for zeros.
    pub initial_cell: Vec<f32>,
}

/// One gated recurrent unit layer, gates in the order r, z, n.
///
/// r, z = sigmoid(W·x + b + U·h + c); n = tanh(Wn·x + bn + r·(Un·h + cn)); h ← (1 − z)·n + z·h:
/// the reset gate acts after the matrix and its bias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gru {
    /// Channels read.
    pub input_size: usize,
    /// Channels written.
    pub hidden_size: usize,
    /// W: `[3 · hidden_size][input_size]`
    pub weight_input: Vec<f32>,
    /// U: `[3 · hidden_size][hidden_size]`
    pub weight_hidden: Vec<f32>,
    /// b: `[3 · hidden_size]`
    pub bias_input: Vec<f32>,
    /// c: `[3 · hidden_size]`
    pub bias_hidden: Vec<f32>,
    /// h before the first sample: `[hidden_size]`, or empty for zeros.
    pub initial_hidden: Vec<f32>,
}

/// Checks the parts LSTM (`gates` 4) and GRU (`gates` 3) share.
fn check_recurrent(
    sizes: [usize; 2],
    gates: usize,
    inputs: usize,
    weights: [&[f32]; 2],
) -> Result<(), DescriptionError> {
    let [input_size, hidden_size] = sizes;
    size("input_size", input_size, MAX_CHANNELS)?;
    size("hidden_size", hidden_size, MAX_CHANNELS)?;
    channels("recurrent layer input", input_size, inputs)?;
    let rows = gates * hidden_size;
    numbers("input weights", weights[0], rows.checked_mul(input_size))?;
    numbers("hidden weights", weights[1], rows.checked_mul(hidden_size))
}

fn optional(what: &str, values: &[f32], expected: usize) -> Result<(), DescriptionError> {
    if values.is_empty() {
        return Ok(());
    }
    numbers(what, values, Some(expected))
}

fn recurrent_cost(weights: [usize; 2], other: usize) -> Option<Cost> {
    let macs = weights[0].checked_add(weights[1])?;
    Some(without_history(macs.checked_add(other)?, macs))
}

impl Part for Lstm {
    fn check(&self, inputs: usize, _: usize) -> Result<usize, DescriptionError> {
        let sizes = [self.input_size, self.hidden_size];
        check_recurrent(sizes, 4, inputs, [&self.weight_input, &self.weight_hidden])?;
        numbers("bias", &self.bias, Some(4 * self.hidden_size))?;
        optional(
            "initial hidden state",
            &self.initial_hidden,
            self.hidden_size,
        )?;
        optional("initial cell state", &self.initial_cell, self.hidden_size)?;
        Ok(self.hidden_size)
    }

    fn cost(&self) -> Option<Cost> {
        let state = self.initial_hidden.len() + self.initial_cell.len();
        let weights = [self.weight_input.len(), self.weight_hidden.len()];
        recurrent_cost(weights, self.bias.len() + state)
    }

    fn context(&self) -> Option<usize> {
        None
    }

    fn shape(&self) -> String {
        format!("LSTM {}", self.hidden_size)
    }
}

impl Part for Gru {
    fn check(&self, inputs: usize, _: usize) -> Result<usize, DescriptionError> {
        let sizes = [self.input_size, self.hidden_size];
        check_recurrent(sizes, 3, inputs, [&self.weight_input, &self.weight_hidden])?;
        numbers("input bias", &self.bias_input, Some(3 * self.hidden_size))?;
        numbers("hidden bias", &self.bias_hidden, Some(3 * self.hidden_size))?;
        optional(
            "initial hidden state",
            &self.initial_hidden,
            self.hidden_size,
        )?;
        Ok(self.hidden_size)
    }

    fn cost(&self) -> Option<Cost> {
        let biases = self.bias_input.len() + self.bias_hidden.len() + self.initial_hidden.len();
        recurrent_cost([self.weight_input.len(), self.weight_hidden.len()], biases)
    }

    fn context(&self) -> Option<usize> {
        None
    }

    fn shape(&self) -> String {
        format!("GRU {}", self.hidden_size)
    }
}
