//! The random streams that decide scikit-learn's results: what NumPy's legacy `RandomState` draws
//! and scikit-learn's own xorshift. Ported so that a seed means the same here.

use crate::random::MersenneTwister;
use std::collections::HashSet;

/// NumPy's `RandomState(seed)`.
#[derive(Clone, Debug)]
pub struct RandomState(MersenneTwister);

impl RandomState {
    /// Seeded as `RandomState(seed)` is with one integer.
    pub fn new(seed: u32) -> Self {
        Self(MersenneTwister::numpy(seed))
    }

    /// `randint(bound)`: uniform in `0..bound`; 0 for a bound of 0.
    pub fn randint(&mut self, bound: u32) -> u32 {
        self.0.numpy_up_to(bound.saturating_sub(1))
    }

    /// `permutation(n)`.
    pub fn permutation(&mut self, n: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n).collect();
        for i in (1..order.len()).rev() {
            let j = self.0.numpy_up_to(i as u32) as usize;
            order.swap(i, j);
        }
        order
    }

    /// scikit-learn's `sample_without_replacement(population, samples)`, which draws in one of
    /// three ways depending on the share drawn.
    pub fn sample_without_replacement(&mut self, population: u32, samples: u32) -> Vec<u32> {
        let samples = samples.min(population);
        let share = f64::from(samples) / f64::from(population.max(1));
        if share > 0.01 && share < 0.99 {
            let mut order = self.permutation(population);
            order.truncate(samples as usize);
            return order;
        }
        if share < 0.2 {
            let mut taken = HashSet::new();
            let mut chosen = Vec::new();
            while chosen.len() < samples as usize {
                let candidate = self.randint(population);
                if taken.insert(candidate) {
                    chosen.push(candidate);
                }
            }
            return chosen;
        }
        let mut reservoir: Vec<u32> = (0..samples).collect();
        for i in samples..population {
            let place = self.randint(i + 1);
            if place < samples {
                reservoir[place as usize] = i;
            }
        }
        reservoir
    }
}

/// scikit-learn's `our_rand_r`: one step of xorshift (13, 17, 5), 31 bits.
pub(crate) fn rand_r(seed: &mut u32) -> u32 {
    if *seed == 0 {
        *seed = 1;
    }
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    *seed % 0x8000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_without_replacement_are_distinct_at_every_share() {
        let mut random = RandomState::new(1);
        for (population, samples) in [(10_000, 7), (100, 50), (1000, 999), (7, 7), (3, 9)] {
            let drawn = random.sample_without_replacement(population, samples);
            let distinct: HashSet<_> = drawn.iter().collect();
            assert_eq!(distinct.len(), samples.min(population) as usize);
            assert!(drawn.iter().all(|&i| i < population));
        }
    }
}
