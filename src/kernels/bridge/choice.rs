//! Which form of an operator a tensor gets: the fused one where its values lie in host memory, or
//! the composed one.

use std::cell::Cell;

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Tensor};

thread_local! {
    static COMPOSED_ONLY: Cell<bool> = const { Cell::new(false) };
}

/// Calls `work` with every operator that this thread starts in its composed form, on host tensors
/// too: how benchmarks run the same network both ways.
pub fn composed_only<R>(work: impl FnOnce() -> R) -> R {
    /// Puts the old value back, whatever happens.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            COMPOSED_ONLY.set(self.0);
        }
    }
    let _restore = Restore(COMPOSED_ONLY.replace(true));
    work()
}

/// Whether operators on this tensor take their fused form: its values lie in host memory as f32,
/// where operators can read them, and [`composed_only`] is not in force. For networks that have a
/// better way than the composed form elsewhere.
pub fn is_fused<const D: usize>(tensor: &Tensor<D>) -> bool {
    let device = tensor.device().inner();
    !COMPOSED_ONLY.get()
        && tensor.dtype() == DType::F32
        && matches!(
            device.as_dispatch(),
            DispatchDevice::Flex(_) | DispatchDevice::NdArray(_)
        )
}
