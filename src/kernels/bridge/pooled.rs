//! [Buffers](Buffer) as a tensor's memory, which come back when the tensor is dropped. Knows no
//! operator.

use std::mem::MaybeUninit;

use burn::tensor::{AllocationProperty, Bytes};
use burn_cubecl::cubecl::bytes::{AccessError, AccessPolicy, AllocationController};

use crate::kernels::memory::{Buffer, LINE};

/// The buffer's floats, where they lie.
pub(super) fn bytes(buffer: Buffer) -> Bytes {
    match buffer.try_into_vec() {
        Ok(values) => Bytes::from_elems(values),
        Err(buffer) => {
            let len = size_of_val::<[f32]>(&buffer);
            // SAFETY: all of a buffer's floats are initialised.
            unsafe { Bytes::from_controller(Box::new(Pooled(buffer)), len) }
        }
    }
}

struct Pooled(Buffer);

impl AllocationController for Pooled {
    fn alloc_align(&self) -> usize {
        LINE * size_of::<f32>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(
        &mut self,
        _: AccessPolicy,
    ) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let (len, floats) = (size_of_val::<[f32]>(&self.0), self.0.as_mut_ptr());
        // SAFETY: these are the bytes of the buffer's floats; whoever writes keeps them initialised.
        Ok(unsafe { std::slice::from_raw_parts_mut(floats.cast(), len) })
    }

    fn memory(&self, _: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let (len, floats) = (size_of_val::<[f32]>(&self.0), self.0.as_ptr());
        // SAFETY: these are the bytes of the buffer's floats.
        Ok(unsafe { std::slice::from_raw_parts(floats.cast(), len) })
    }
}
