//! What is brought to a card, and how much that was.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use burn::tensor::{Device, Tensor, TensorData};

use super::choice::is_card;

static BYTES: AtomicU64 = AtomicU64::new(0);

/// Numbers of 32 bits as a tensor; what goes to a card is counted.
pub fn uploaded<const D: usize>(data: TensorData, device: &Device) -> Tensor<D> {
    if is_card(device) {
        let bytes = data.shape().num_elements() * size_of::<f32>();
        BYTES.fetch_add(bytes as u64, Relaxed);
    }
    Tensor::from_data(data, device)
}

/// How many bytes this process has brought to cards through [`uploaded`].
pub(in crate::kernels) fn bytes() -> u64 {
    BYTES.load(Relaxed)
}
