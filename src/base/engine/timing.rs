//! How fast a network plays here: time per sample and per block, and how much of the processor's
//! arithmetic that uses.

use super::{Engine, EngineError};
use crate::network::Network;
use crate::random::Noise;
use crate::simd::{Isa, peak, processor};
use serde::Serialize;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The block lengths hosts use.
pub const BLOCK_LENGTHS: [usize; 9] = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096];

/// A network's speed on one core.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timing {
    /// What the processor calls itself.
    pub processor: String,
    /// The instruction set used.
    pub isa: String,
    /// The rate the network runs at, in hertz.
    pub sample_rate: u32,
    /// Multiply-adds per sample.
    pub macs_per_sample: usize,
    /// This core's multiply-add peak with that instruction set, in 10⁹ operations per second (a
    /// multiply-add is two): the better of two measurements, before the network's and after.
    pub peak_gflops: f64,
    /// One row per block length.
    pub blocks: Vec<BlockTiming>,
}

/// Speed at one block length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BlockTiming {
    /// Samples per block.
    pub block: usize,
    /// Nanoseconds per sample: the mean over a stretch of blocks, the median over stretches.
    pub ns_per_sample: f64,
    /// Seconds of audio per second of work.
    pub real_time_factor: f64,
    /// Median time of one block in microseconds.
    pub p50_us: f64,
    /// 99th percentile of the time of one block in microseconds.
    pub p99_us: f64,
    /// Multiply-adds per second as a fraction of the peak. What activations cost is in the time
    /// and not in the count.
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
    let before = peak::one_core_gflops(isa);
    let each = blocks.iter().filter(|block| **block > 0);
    let measured: Vec<(usize, Vec<f64>)> = each
        .map(|block| (*block, time_blocks(&mut engine, &signal[..*block], time)))
        .collect();
    let peak_gflops = peak::one_core_gflops(isa).max(before);
    let operations = 2.0 * macs as f64;
    let rows = measured.into_iter().map(|(block, seconds)| {
        let per_sample = seconds_per_sample(&seconds, block);
        let mut seconds = seconds;
        seconds.sort_by(f64::total_cmp);
        BlockTiming {
            block,
            ns_per_sample: per_sample * 1e9,
            real_time_factor: 1.0 / (per_sample * f64::from(engine.sample_rate())),
            p50_us: percentile(&seconds, 50) * 1e6,
            p99_us: percentile(&seconds, 99) * 1e6,
            fraction_of_peak: operations / per_sample / 1e9 / peak_gflops,
        }
    });
    Ok(Timing {
        processor: processor(),
        isa: isa.to_string(),
        sample_rate: network.sample_rate,
        macs_per_sample: macs,
        peak_gflops,
        blocks: rows.collect(),
    })
}

/// Samples over which the time of blocks is averaged: long enough to hold their share of the
/// work that is not due in every block, short enough that some are left alone by other programs.
const STRETCH: usize = 2048;

/// The median over stretches of the mean time of a sample.
fn seconds_per_sample(seconds: &[f64], block: usize) -> f64 {
    let mean = |stretch: &[f64]| stretch.iter().sum::<f64>() / (stretch.len() * block) as f64;
    let mut means: Vec<f64> = seconds.chunks(STRETCH.div_ceil(block)).map(mean).collect();
    means.sort_by(f64::total_cmp);
    percentile(&means, 50)
}

/// Seconds of every block, for about `time`, at least 20 blocks, after a few to warm up.
fn time_blocks(engine: &mut Engine, signal: &[f32], time: Duration) -> Vec<f64> {
    let channels = engine.audio_channels();
    let heard = vec![signal; channels.dry];
    let mut outputs = vec![vec![0.0; signal.len()]; channels.wet];
    let mut output: Vec<&mut [f32]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    for _ in 0..3 {
        engine.process_channels(&heard, &mut output);
    }
    let mut seconds = Vec::new();
    let start = Instant::now();
    while seconds.len() < 20 || start.elapsed() < time {
        let block = Instant::now();
        engine.process_channels(black_box(&heard), &mut output);
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
    let mut noise = Noise::new(1);
    let sample = |_| noise.next_bits() as f32 / 167_772_160.0 - 0.05;
    (0..len).map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_costs_its_share_of_rare_work_and_none_of_an_interruption() {
        // Blocks of 512 at 1 µs, every fourth at 5 µs; for one stretch another program ran.
        let mut seconds: Vec<f64> = (0..40).map(|i| [1e-6, 1e-6, 1e-6, 5e-6][i % 4]).collect();
        seconds[9] = 1.0;
        assert!((seconds_per_sample(&seconds, 512) * 512.0 - 2e-6).abs() < 1e-12);
    }
}
