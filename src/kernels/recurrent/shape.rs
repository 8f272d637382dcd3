//! The shape of a recurrent layer, and its weights, gradients and state as slices.

use crate::kernels::memory::Buffer;

/// Which recurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Long short-term memory, gates in the order i, f, g, o.
    Lstm,
    /// Gated recurrent unit, gates in the order r, z, n.
    Gru,
}

/// A recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recurrent {
    /// The recurrence.
    pub cell: Cell,
    /// Channels of x.
    pub input_size: usize,
    /// Units.
    pub hidden_size: usize,
}

/// Its weights.
#[derive(Debug, Clone, Copy)]
pub struct RecurrentSlices<'a> {
    /// W `[gates · hidden_size, input_size]`.
    pub input: &'a [f32],
    /// U `[gates · hidden_size, hidden_size]`.
    pub hidden: &'a [f32],
    /// LSTM: b `[4 · hidden_size]`, the sum of both biases where a format has two. GRU: of W and
    /// of U `[2, 3 · hidden_size]`.
    pub bias: &'a [f32],
}

/// A dense layer that hears the units at each step.
#[derive(Debug, Clone, Copy)]
pub struct HeadSlices<'a> {
    /// `[outputs, hidden_size]`.
    pub weight: &'a [f32],
    /// `[outputs]`, or none.
    pub bias: &'a [f32],
}

/// The gradients of its weights.
#[derive(Debug, Clone, Default)]
pub struct HeadGradients {
    /// `[outputs, hidden_size]`.
    pub weight: Vec<f32>,
    /// `[outputs]`, whether there is a bias or not.
    pub bias: Vec<f32>,
}

/// The gradients of the weights and, where asked for, of x.
#[derive(Debug, Clone, Default)]
pub struct RecurrentGradients {
    /// `[batch, input_size, len]`.
    pub x: Option<Buffer>,
    /// Of W.
    pub input: Vec<f32>,
    /// Of U.
    pub hidden: Vec<f32>,
    /// Of the biases.
    pub bias: Vec<f32>,
}

/// What a sequence leaves behind for the next, row-major `[batch, hidden_size]`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PlainRecurrentState {
    /// h.
    pub hidden: Vec<f32>,
    /// c; empty for a GRU.
    pub cell: Vec<f32>,
}

impl Recurrent {
    /// Gates of the cell.
    pub fn gates(&self) -> usize {
        match self.cell {
            Cell::Lstm => 4,
            Cell::Gru => 3,
        }
    }

    /// Numbers in the bias.
    pub fn biases(&self) -> usize {
        match self.cell {
            Cell::Lstm => 4 * self.hidden_size,
            Cell::Gru => 6 * self.hidden_size,
        }
    }

    /// The state before anything was heard.
    pub fn zero_state(&self, batch: usize) -> PlainRecurrentState {
        PlainRecurrentState {
            hidden: vec![0.0; batch * self.hidden_size],
            cell: match self.cell {
                Cell::Lstm => vec![0.0; batch * self.hidden_size],
                Cell::Gru => Vec::new(),
            },
        }
    }

    /// Multiply-adds of a forward pass over one item of `len` steps.
    pub fn multiply_adds(&self, len: usize) -> u64 {
        (self.gates() * self.hidden_size * (self.input_size + self.hidden_size) * len) as u64
    }
}
