//! Windows as tensors.

use crate::data::windows::Batch;
use burn::prelude::*;

/// Dry `[batch, 1 + controls, input]`, the knobs standing still beside the sound, and wet
/// `[batch, 1, window]` on `device`.
pub fn tensors(batch: Batch, device: &Device) -> (Tensor<3>, Tensor<3>) {
    let size = batch.size.max(1);
    let (input, window) = (batch.dry.len() / size, batch.wet.len() / size);
    let controls = batch.controls.len() / size;
    let dry = match controls {
        0 => batch.dry,
        _ => {
            let mut rows = Vec::with_capacity(batch.dry.len() * (1 + controls));
            for (sound, knobs) in batch.dry.chunks(input).zip(batch.controls.chunks(controls)) {
                rows.extend_from_slice(sound);
                for &value in knobs {
                    rows.resize(rows.len() + input, value);
                }
            }
            rows
        }
    };
    let dry = TensorData::new(dry, [batch.size, 1 + controls, input]);
    let wet = TensorData::new(batch.wet, [batch.size, 1, window]);
    (
        Tensor::from_data(dry, device),
        Tensor::from_data(wet, device),
    )
}
