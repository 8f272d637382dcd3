//! [`super::scan`] as an [`Operator`].

use std::sync::{Arc, Mutex};

use super::buffers::Buffer;
use super::operator::{Forward, Operator, Values};
use super::scan::{Scan, State, Weights};
use crate::simd::Isa;

/// Inputs x, Re a, Im a, Re c, Im c, d. The state enters and leaves beside the tensors.
#[derive(Debug)]
pub(crate) struct ScanOperator {
    /// The shape.
    pub shape: Scan,
    /// The state before the first step; after the forward pass that after the last.
    pub state: Arc<Mutex<State>>,
}

fn weights<'a>(inputs: &[Values<'a>]) -> Weights<'a> {
    Weights {
        a_re: inputs[1].data,
        a_im: inputs[2].data,
        c_re: inputs[3].data,
        c_im: inputs[4].data,
        d: inputs[5].data,
    }
}

impl Operator for ScanOperator {
    fn forward(&self, inputs: &[Values<'_>], keep: bool) -> Forward {
        let (isa, x) = (Isa::detect(), inputs[0].data);
        let mut data = vec![0.0; x.len()];
        let mut state = match self.state.lock() {
            Ok(state) => state,
            Err(poisoned) => poisoned.into_inner(),
        };
        let batch = inputs[0].shape[0];
        let kept = self
            .shape
            .forward(isa, batch, x, &weights(inputs), &mut state, &mut data, keep);
        Forward {
            data,
            shape: inputs[0].shape.to_vec(),
            kept,
        }
    }

    fn backward(
        &self,
        inputs: &[Values<'_>],
        kept: &Buffer,
        dy: &[f32],
        wanted: &[bool],
    ) -> Vec<Option<Vec<f32>>> {
        let (batch, x) = (inputs[0].shape[0], inputs[0].data);
        let isa = Isa::detect();
        let got = self
            .shape
            .backward(isa, batch, x, &weights(inputs), kept, dy, wanted[0]);
        let weights = [got.a_re, got.a_im, got.c_re, got.c_im, got.d];
        std::iter::once(got.x).chain(weights.map(Some)).collect()
    }
}
