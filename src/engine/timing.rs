//! How fast a network plays here: time per sample and per block, and how much of the processor's
//! arithmetic that uses.

use super::{Engine, EngineError};
use crate::models::description::Network;
use crate::simd::{Isa, peak};
use serde::Serialize;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The block lengths hosts use.
pub const BLOCK_LENGTHS: [usize; 9] = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096];

/// A network's speed on one core.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timing {
    /// The instruction set used.
    pub isa: String,
    /// The rate the network runs at, in hertz.
    pub sample_rate: u32,
    /// Multiply-adds per sample.
    pub macs_per_sample: usize,
    /// This core's multiply-add peak, measured in the same run, in 10⁹ operations per second.
    pub peak_gflops: f64,
    /// One row per block length.
    pub blocks: Vec<BlockTiming>,
}

/// Speed at one block length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BlockTiming {
    /// Samples per block.
    pub block: usize,
    /// Nanoseconds per sample: the median over blocks.
    pub ns_per_sample: f64,
    /// Seconds of audio per second of work.
    pub real_time_factor: f64,
    /// Median time of one block in microseconds.
    pub p50_us: f64,
    /// 99th percentile of the time of one block in microseconds.
    pub p99_us: f64,
    /// Multiply-adds per second as a fraction of the peak.
    pub fraction_of_peak: f64,
}

/// Measures `network` at every length of `blocks`, each for `time`, with knobs at their defaults.
///
/// # Errors
/// The description is not valid.
pub fn measure(network: &Network, blocks: &[usize], time: Duration) -> Result<Timing, EngineError> {
    let isa = Isa::detect();
    let mut engine = Engine::with_isa(network, isa)?;
    engine.prewarm();
    let signal = noise(blocks.iter().copied().max().unwrap_or(1));
    let macs = network.macs_per_sample();
    let peak_gflops = peak::measure(isa).one_core_gflops;
    let rows = blocks.iter().filter(|b| **b > 0).map(|block| {
        let mut seconds = time_blocks(&mut engine, &signal[..*block], time);
        seconds.sort_by(f64::total_cmp);
        let (p50, p99) = (percentile(&seconds, 50), percentile(&seconds, 99));
        let per_sample = p50 / *block as f64;
        BlockTiming {
            block: *block,
            ns_per_sample: per_sample * 1e9,
            real_time_factor: 1.0 / (per_sample * f64::from(engine.sample_rate())),
            p50_us: p50 * 1e6,
            p99_us: p99 * 1e6,
            fraction_of_peak: 2.0 * macs as f64 / per_sample / 1e9 / peak_gflops,
        }
    });
    Ok(Timing {
        isa: isa.to_string(),
        sample_rate: network.sample_rate,
        macs_per_sample: macs,
        peak_gflops,
        blocks: rows.collect(),
    })
}

/// Seconds of every block, for about `time`, at least 20 blocks, after a few to warm up.
fn time_blocks(engine: &mut Engine, signal: &[f32], time: Duration) -> Vec<f64> {
    let mut output = vec![0.0; signal.len()];
    for _ in 0..3 {
        engine.process(signal, &mut output);
    }
    let mut seconds = Vec::new();
    let start = Instant::now();
    while seconds.len() < 20 || start.elapsed() < time {
        let block = Instant::now();
        engine.process(black_box(signal), &mut output);
        seconds.push(block.elapsed().as_secs_f64());
        black_box(&output);
    }
    seconds
}

/// The value below which `percent` of the sorted values lie.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(0.0)
}

/// Noise at −20 dBFS; the same on every call.
fn noise(len: usize) -> Vec<f32> {
    let mut state = 1u32;
    let sample = |_| {
        // A linear congruential generator (the constants of Numerical Recipes).
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 167_772_160.0 - 0.05
    };
    (0..len).map(sample).collect()
}
