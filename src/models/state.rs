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

    /// The same with `part` before the others.
    pub(super) fn behind(mut self, part: Tensor<2>) -> Self {
        self.0.push_front(part);
        self
    }

    /// Whether nothing was heard yet, as for ever in a network without memory.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The state of these rows of the batch, in this order.
    pub fn rows(&self, rows: &[i32], device: &Device) -> Self {
        let select = |part: &Tensor<2>| {
            let rows = Tensor::<1, Int>::from_data(TensorData::from(rows), device);
            part.clone().select(0, rows)
        };
        Self(self.0.iter().map(select).collect())
    }

    /// The same on another device.
    pub fn to_device(self, device: &Device) -> Self {
        let parts = self.0.into_iter();
        Self(parts.map(|part| part.to_device(device)).collect())
    }

    /// The same values, through which no gradient flows back.
    pub fn detach(self) -> Self {
        Self(self.0.into_iter().map(Tensor::detach).collect())
    }
}
