//! What a network with memory hands from one block to the next.

use burn::prelude::*;
use std::collections::VecDeque;

/// Tensors `[batch, …]` in the order of the layers; empty: nothing heard yet, all zeros.
#[derive(Clone, Debug, Default)]
pub struct State(VecDeque<Tensor<2>>);

impl State {
    /// The next layer's part.
    pub(super) fn take(&mut self) -> Option<Tensor<2>> {
        self.0.pop_front()
    }

    /// Appends a layer's part.
    pub(super) fn push(&mut self, part: Tensor<2>) {
        self.0.push_back(part);
    }

    /// The same values, through which no gradient flows back.
    pub fn detach(self) -> Self {
        Self(self.0.into_iter().map(Tensor::detach).collect())
    }
}
