//! The weights and the state of a recurrent layer as tensors.

use burn::tensor::{Device, Tensor};

use super::shape::Cell;

/// The weights of a [`recurrent`](super::recurrent()) layer.
#[derive(Debug, Clone)]
pub struct RecurrentWeights {
    /// W `[gates · hidden_size, input_size]`.
    pub input: Tensor<2>,
    /// U `[gates · hidden_size, hidden_size]`.
    pub hidden: Tensor<2>,
    /// LSTM `[4 · hidden_size]`; GRU `[2 · 3 · hidden_size]`, those of W before those of U.
    pub bias: Tensor<1>,
}

/// What a sequence leaves behind for the next; constants to every gradient.
#[derive(Debug, Clone)]
pub struct RecurrentState {
    /// h `[batch, hidden_size]`.
    pub hidden: Tensor<2>,
    /// c `[batch, hidden_size]`; none for a GRU.
    pub cell: Option<Tensor<2>>,
}

impl RecurrentState {
    /// Silence.
    pub fn zeros(cell: Cell, batch: usize, hidden_size: usize, device: &Device) -> RecurrentState {
        let zeros = || Tensor::zeros([batch, hidden_size], device);
        RecurrentState {
            hidden: zeros(),
            cell: (cell == Cell::Lstm).then(zeros),
        }
    }

    /// Cut off from what led to it.
    pub fn detach(self) -> RecurrentState {
        RecurrentState {
            hidden: self.hidden.detach(),
            cell: self.cell.map(Tensor::detach),
        }
    }
}
