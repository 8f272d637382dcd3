//! [`super::recurrent`] as an [`Operator`].

use std::sync::{Arc, Mutex};

use super::buffers::Buffer;
use super::operator::{Forward, Operator, Values};
use super::recurrent::{Recurrent, State, Weights};
use crate::simd::Isa;

/// Inputs x, W, U, bias. The state enters and leaves beside the tensors: it carries no gradient,
/// and the output would otherwise have to hold it.
#[derive(Debug)]
pub(crate) struct RecurrentOperator {
    /// The layer.
    pub shape: Recurrent,
    /// The state before the first step; after the forward pass that after the last.
    pub state: Arc<Mutex<State>>,
}

fn weights<'a>(inputs: &[Values<'a>]) -> Weights<'a> {
    Weights {
        input: inputs[1].data,
        hidden: inputs[2].data,
        bias: inputs[3].data,
    }
}

impl Operator for RecurrentOperator {
    fn forward(&self, inputs: &[Values<'_>], keep: bool) -> Forward {
        let (batch, len) = (inputs[0].shape[0], inputs[0].shape[2]);
        let shape = vec![batch, self.shape.hidden_size, len];
        let mut state = match self.state.lock() {
            Ok(state) => state,
            Err(poisoned) => poisoned.into_inner(),
        };
        let (isa, x) = (Isa::detect(), inputs[0].data);
        let (data, kept) = self
            .shape
            .forward(isa, batch, x, &weights(inputs), &mut state, keep);
        Forward { data, shape, kept }
    }

    fn needs_output(&self) -> bool {
        true
    }

    fn backward(
        &self,
        inputs: &[Values<'_>],
        kept: &Buffer,
        dy: &[f32],
        wanted: &[bool],
    ) -> Vec<Option<Vec<f32>>> {
        let (batch, x) = (inputs[0].shape[0], inputs[0].data);
        let (isa, y) = (Isa::detect(), inputs[4].data);
        let got = self
            .shape
            .backward(isa, batch, x, &weights(inputs), y, kept, dy, wanted[0]);
        vec![got.x, Some(got.input), Some(got.hidden), Some(got.bias)]
    }
}
