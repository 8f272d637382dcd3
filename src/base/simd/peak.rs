//! The most multiply-adds this machine does per second: what a kernel's speed is a fraction of.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use super::Isa;
use super::vector::{Kernel, Simd};

/// The measured peak.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct FmaPeak {
    /// Billions of floating-point operations per second of one core (a multiply-add is two).
    pub one_core_gflops: f64,
    /// The same of all cores at once.
    pub all_cores_gflops: f64,
    /// How many cores that is.
    pub cores: usize,
}

/// Measures the peak of `isa`, as the best of many runs of about 2 ms each: other work on the
/// machine can only make a run slower, so the best is the nearest to the truth, and short runs
/// are the likeliest to be left alone by it.
pub fn measure(isa: Isa) -> FmaPeak {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    FmaPeak {
        one_core_gflops: best(isa, 1),
        all_cores_gflops: best(isa, cores),
        cores,
    }
}

/// [`FmaPeak::one_core_gflops`] alone: an eighth of a second.
pub fn one_core_gflops(isa: Isa) -> f64 {
    best(isa, 1)
}

fn best(isa: Isa, cores: usize) -> f64 {
    let repeats = calibrate(isa);
    let runs = (0..RUNS).map(|_| gflops(isa, cores, repeats));
    runs.fold(0.0, f64::max)
}

/// Runs of which the best counts.
const RUNS: usize = 60;
/// Independent sums where there are 16 registers: more than any processor's latency times its
/// multiply-adds per cycle needs (4 × 2 and 5 × 2 today).
const FEW_CHAINS: usize = 12;
/// The same where there are 32: the slack makes up for uneven scheduling (3 % here).
const MANY_CHAINS: usize = 24;
/// Multiply-adds on each chain per repeat.
const STEPS: usize = 1000;

struct Chains {
    repeats: usize,
    start: f32,
}

impl Kernel for Chains {
    /// Operations done, and a value that depends on all of them.
    type Output = (f64, f32);

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> (f64, f32) {
        match S::REGISTERS {
            32.. => self.chains::<S, MANY_CHAINS>(s),
            _ => self.chains::<S, FEW_CHAINS>(s),
        }
    }
}

impl Chains {
    #[inline(always)]
    fn chains<S: Simd, const N: usize>(self, s: S) -> (f64, f32) {
        let factor = s.splat(black_box(0.999));
        let term = s.splat(black_box(self.start));
        let mut sums = [term; N];
        for _ in 0..self.repeats * STEPS {
            for sum in &mut sums {
                *sum = s.fma(*sum, factor, term);
            }
        }
        let total = sums.into_iter().fold(s.zero(), |a, b| s.add(a, b));
        let operations = 2.0 * (S::LANES * N * STEPS * self.repeats) as f64;
        (operations, s.sum(total))
    }
}

/// How many repeats take about 2 ms.
fn calibrate(isa: Isa) -> usize {
    let mut repeats = 1;
    loop {
        let start = Instant::now();
        black_box(isa.run(Chains {
            repeats,
            start: 1e-3,
        }));
        if start.elapsed().as_secs_f64() > 0.002 {
            return repeats;
        }
        repeats *= 2;
    }
}

/// Operations per nanosecond of `cores` threads that start together, over the slowest's time.
fn gflops(isa: Isa, cores: usize, repeats: usize) -> f64 {
    let barrier = Barrier::new(cores);
    let work = || {
        barrier.wait();
        let start = Instant::now();
        let (operations, value) = isa.run(Chains {
            repeats,
            start: 1e-3,
        });
        black_box(value);
        (operations, start.elapsed().as_secs_f64())
    };
    let results: Vec<(f64, f64)> = thread::scope(|scope| {
        let others: Vec<_> = (1..cores).map(|_| scope.spawn(work)).collect();
        let mut results = vec![work()];
        results.extend(others.into_iter().filter_map(|t| t.join().ok()));
        results
    });
    let operations: f64 = results.iter().map(|r| r.0).sum();
    let seconds = results.iter().map(|r| r.1).fold(0.0, f64::max);
    operations / seconds * 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_available_set_counts_its_operations_and_a_finite_rate() {
        for isa in Isa::available() {
            let (operations, value) = isa.run(Chains {
                repeats: 1,
                start: 1e-3,
            });
            // 0.999ⁿ of the way to 1e-3/(1 − 0.999) = 1 on every lane and chain.
            let sums = operations / (2 * STEPS) as f64;
            let exact = 1.0 - 0.999f64.powi(STEPS as i32 + 1);
            let mean = f64::from(value) / sums;
            assert!((mean - exact).abs() < 1e-3, "{isa}: {mean} for {exact}");
            assert!(gflops(isa, 1, 1).is_finite());
        }
    }
}
