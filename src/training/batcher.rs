//! Windows as tensors.

use crate::data::windows::Batch;
use crate::kernels::uploaded;
use crate::network::AudioChannels;
use burn::prelude::*;

/// Dry `[batch, dry + controls, input]`, the knobs standing still beside the sound, on `device`, and
/// wet `[batch, wet, window]` on `wet_device`.
pub fn tensors(batch: Batch, device: &Device, wet_device: &Device) -> (Tensor<3>, Tensor<3>) {
    let size = batch.size.max(1);
    let AudioChannels {
        dry: heard,
        wet: made,
    } = batch.audio_channels;
    let (input, window) = (
        batch.dry.len() / (size * heard),
        batch.wet.len() / (size * made),
    );
    let controls = batch.controls.len() / size;
    let dry = match controls {
        0 => batch.dry,
        _ => {
            let mut rows = Vec::with_capacity(size * (heard + controls) * input);
            let sounds = batch.dry.chunks(heard * input);
            for (sound, knobs) in sounds.zip(batch.controls.chunks(controls)) {
                rows.extend_from_slice(sound);
                for &value in knobs {
                    rows.resize(rows.len() + input, value);
                }
            }
            rows
        }
    };
    let dry = TensorData::new(dry, [batch.size, heard + controls, input]);
    let wet = TensorData::new(batch.wet, [batch.size, made, window]);
    (uploaded(dry, device), uploaded(wet, wet_device))
}
