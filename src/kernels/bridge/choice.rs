//! Which form of an operator a tensor gets: a fused one, where its values lie in host memory or on
//! a card that the operator has kernels for, or the composed one.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Device, Tensor};

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

/// The forms of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Vector code on values in host memory.
    Host,
    /// Kernels on a card.
    Card,
    /// burn's own operators.
    Composed,
}

/// The form for a tensor; [`Form::Composed`] where [`composed_only`] is in force. What the operator
/// has no kernels for (`on_card` says why) is composed on a card, and
/// [said](composed_on_cards).
pub(crate) fn form_of<const D: usize>(
    tensor: &Tensor<D>,
    operator: &str,
    on_card: Result<(), String>,
) -> Form {
    if COMPOSED_ONLY.get() || tensor.dtype() != DType::F32 {
        return Form::Composed;
    }
    match (tensor.device().inner().as_dispatch(), on_card) {
        (DispatchDevice::Flex(_) | DispatchDevice::NdArray(_), _) => Form::Host,
        (DispatchDevice::Cube(_), Ok(())) => Form::Card,
        (DispatchDevice::Cube(_), Err(why)) => {
            let mut composed = COMPOSED.lock().unwrap_or_else(PoisonError::into_inner);
            composed.entry(format!("{operator}{why}")).or_default();
            Form::Composed
        }
        _ => Form::Composed,
    }
}

/// Whether an operator with kernels for cards takes them.
pub(crate) fn is_on_card<const D: usize>(tensor: &Tensor<D>) -> bool {
    form_of(tensor, "", Ok(())) == Form::Card
}

/// Whether tensors on this device lie on a card.
pub(super) fn is_card(device: &Device) -> bool {
    matches!(
        device.clone().inner().as_dispatch(),
        DispatchDevice::Cube(_)
    )
}

/// Whether this device is a card with room for so many numbers in one piece.
pub fn has_room_for(device: &Device, numbers: usize) -> bool {
    is_card(device) && numbers <= largest_buffer_on(device) / size_of::<f32>()
}

/// Bytes of the largest buffer that the tensor's card has room for in one piece.
fn largest_buffer<const D: usize>(tensor: &Tensor<D>) -> usize {
    largest_buffer_on(&tensor.device())
}

fn largest_buffer_on(device: &Device) -> usize {
    match device.clone().inner().as_dispatch() {
        DispatchDevice::Cube(card) => card.client().properties().memory.max_page_size as usize,
        _ => usize::MAX,
    }
}

/// Bytes that the threads of a cube can share on the tensor's card.
pub(crate) fn shared_memory<const D: usize>(tensor: &Tensor<D>) -> usize {
    match tensor.device().inner().as_dispatch() {
        DispatchDevice::Cube(card) => card.client().properties().hardware.max_shared_memory_size,
        _ => usize::MAX,
    }
}

/// Calls `work` with x, or with parts of its batch where the buffers of all of it, so many bytes an
/// item, are more than its card has in one piece.
pub(crate) fn in_fitting_parts(
    x: Tensor<3>,
    bytes_per_item: usize,
    work: impl Fn(Tensor<3>) -> Tensor<3>,
) -> Tensor<3> {
    let batch = x.dims()[0];
    let most = largest_buffer(&x) / bytes_per_item.max(1);
    let parts = batch.div_ceil(most.clamp(1, batch.max(1)));
    if parts <= 1 {
        return work(x);
    }
    let parts = x.split(batch.div_ceil(parts), 0).into_iter();
    Tensor::cat(parts.map(work).collect(), 0)
}

/// Whether an operator without kernels for cards takes its form for host memory.
pub(crate) fn is_on_host<const D: usize>(tensor: &Tensor<D>, operator: &str) -> bool {
    form_of(tensor, operator, Err(String::new())) == Form::Host
}

/// What was composed on a card for want of kernels, and whether that was told.
static COMPOSED: Mutex<BTreeMap<String, bool>> = Mutex::new(BTreeMap::new());

/// The operators that this process has composed of the tensor library's on a card and that were not
/// told yet, and why where it is not all of them: such a step takes many more launches.
pub fn composed_on_cards() -> Vec<String> {
    let mut composed = COMPOSED.lock().unwrap_or_else(PoisonError::into_inner);
    let untold = composed.iter_mut().filter(|(_, told)| !**told);
    let tell = untold.map(|(operator, told)| {
        *told = true;
        operator.clone()
    });
    tell.collect()
}

/// Whether operators on this tensor take their form for host memory: its values lie there as f32,
/// where operators can read them, and [`composed_only`] is not in force. For networks that have a
/// better way than the composed form elsewhere.
pub fn is_fused<const D: usize>(tensor: &Tensor<D>) -> bool {
    form_of(tensor, "", Ok(())) == Form::Host
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DeviceType, TensorData};

    #[test]
    fn a_batch_that_does_not_fit_goes_in_parts() {
        let Some(card) = Device::enumerate(DeviceType::Wgpu)
            .into_vec()
            .into_iter()
            .next()
        else {
            eprintln!("skipped: no Vulkan driver here (Debian: mesa-vulkan-drivers)");
            return;
        };
        let values: Vec<f32> = (0..10).map(|n| n as f32).collect();
        let x = Tensor::<3>::from_data(TensorData::new(values.clone(), [5, 1, 2]), &card);
        let room = largest_buffer(&x);
        for (bytes, expected) in [
            (0, vec![5]),
            (room / 2, vec![2, 2, 1]),
            (2 * room, vec![1; 5]),
        ] {
            let batches = Mutex::new(Vec::new());
            let y = in_fitting_parts(x.clone(), bytes, |x| {
                batches.lock().unwrap().push(x.dims()[0]);
                x + 1.0
            });
            assert_eq!(*batches.lock().unwrap(), expected);
            let got = y.into_data().try_into_vec::<f32>().unwrap();
            let wanted: Vec<f32> = values.iter().map(|value| value + 1.0).collect();
            assert_eq!(got, wanted);
        }
    }
}
