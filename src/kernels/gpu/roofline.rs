//! What a card can do at most, measured: the lines that a kernel's time is held against.

use burn::tensor::Device;
use burn_cubecl::cubecl::ir::{ElemType, FloatKind};
use burn_cubecl::cubecl::throughput::{MemoryAccess, ThroughputKey, ThroughputMode};

/// GB/s of a card's memory, copying, and GFLOP/s of its multiply-adds in f32. `None` where there is
/// no card, or none that can be timed.
pub fn roofline(device: &Device) -> (Option<f64>, Option<f64>) {
    let memory = ThroughputKey {
        mode: ThroughputMode::memory(MemoryAccess::Copy),
    };
    let arithmetic = ThroughputKey {
        mode: ThroughputMode::ComputeDirect {
            dtype: ElemType::Float(FloatKind::F32),
        },
    };
    let stats = device
        .clone()
        .inner()
        .performance_stats(&[memory, arithmetic]);
    let of = |at: usize| stats.get(at).and_then(|stat| stat.value.ok());
    let giga = |per_second: f64| per_second.is_finite().then_some(per_second * 1e-9);
    (
        of(0).and_then(|value| giga(value.bytes_per_s(&memory))),
        of(1).and_then(|value| giga(value.ops_per_s())),
    )
}
