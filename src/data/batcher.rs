//! Windows as tensors: the one place of this layer that knows burn.

use super::windows::Batch;
use burn::prelude::*;

/// Dry `[batch, 1, input]` and wet `[batch, 1, window]` on `device`.
pub fn tensors(batch: Batch, device: &Device) -> (Tensor<3>, Tensor<3>) {
    let tensor = |samples: Vec<f32>| {
        let len = samples.len() / batch.size.max(1);
        Tensor::from_data(TensorData::new(samples, [batch.size, 1, len]), device)
    };
    (tensor(batch.dry), tensor(batch.wet))
}
