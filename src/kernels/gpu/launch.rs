//! What every launch needs, and what launches are counted by: how many there were, ours and the
//! tensor library's, and how many bytes ours were given. Knows no operator.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use burn_cubecl::cubecl::logging::{LaunchObservation, LaunchObserver};
use burn_cubecl::cubecl::prelude::{BufferArg, CubeCount, CubeDim, TensorArg};
use burn_cubecl::tensor::CubeTensor;
use serde::Serialize;

use crate::kernels::bridge::uploaded_bytes;

/// Bytes of all buffers that our launches were given.
static BYTES: AtomicU64 = AtomicU64::new(0);

/// The tensor as a kernel's argument; its bytes are counted as read, or written, once.
pub(super) fn buffer(tensor: &CubeTensor) -> BufferArg {
    part(tensor, tensor.meta.shape().iter().product())
}

/// The same for a kernel that touches only so many of the tensor's numbers.
pub(super) fn part(tensor: &CubeTensor, numbers: usize) -> BufferArg {
    count(numbers);
    tensor.clone().into_buffer_arg()
}

/// The tensor as a member of a sequence of a kernel's arguments.
pub(super) fn tensor(tensor: &CubeTensor) -> TensorArg {
    count(tensor.meta.shape().iter().product());
    tensor.clone().into_tensor_arg()
}

fn count(numbers: usize) {
    BYTES.fetch_add((numbers * size_of::<f32>()) as u64, Relaxed);
}

/// Threads of a cube where each works on a number of its own.
pub(super) const THREADS: usize = 256;

/// Cubes of [`THREADS`] for `threads` threads.
pub(super) fn cubes(threads: usize) -> CubeCount {
    const ROW: usize = 65_535;
    let cubes = threads.div_ceil(THREADS);
    CubeCount::Static(cubes.min(ROW) as u32, cubes.div_ceil(ROW) as u32, 1)
}

/// The threads of such a cube.
pub(super) fn cube() -> CubeDim {
    CubeDim::new_1d(THREADS as u32)
}

/// Channels of a thread that works on a sample of several.
pub(super) const CHANNELS: usize = 8;

/// Cubes for a thread per sample and [`CHANNELS`] channels of every item.
pub(super) fn blocks(len: usize, channels: usize, batch: usize) -> CubeCount {
    CubeCount::Static(
        len.div_ceil(THREADS) as u32,
        channels.div_ceil(CHANNELS) as u32,
        batch as u32,
    )
}

/// What was launched on cards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Launches {
    /// By the fused operators.
    pub fused: u64,
    /// By the tensor library.
    pub composed: u64,
    /// Of the buffers that the fused launches read or write, each counted once per launch.
    pub fused_bytes: u64,
    /// Of the numbers brought to cards.
    pub uploaded_bytes: u64,
}

impl Launches {
    /// All launches.
    pub fn all(&self) -> u64 {
        self.fused + self.composed
    }
}

#[derive(Default)]
struct Counter {
    fused: AtomicU64,
    composed: AtomicU64,
}

impl LaunchObserver for Counter {
    fn launched(&self, kernel: &'static str) {
        let ours = kernel.starts_with(env!("CARGO_CRATE_NAME"));
        let count = if ours { &self.fused } else { &self.composed };
        count.fetch_add(1, Relaxed);
    }
}

/// Calls `work`, which must wait for the card at its end, and counts what this process launches
/// meanwhile.
pub fn counted<R>(work: impl FnOnce() -> R) -> (R, Launches) {
    let counter = Arc::new(Counter::default());
    let bytes = [BYTES.load(Relaxed), uploaded_bytes()];
    let watching = LaunchObservation::new(counter.clone());
    let result = work();
    drop(watching);
    let launches = Launches {
        fused: counter.fused.load(Relaxed),
        composed: counter.composed.load(Relaxed),
        fused_bytes: BYTES.load(Relaxed) - bytes[0],
        uploaded_bytes: uploaded_bytes() - bytes[1],
    };
    (result, launches)
}
