//! The random streams that decide scikit-learn's results: NumPy's legacy generator (MT19937 with
//! masked rejection) and scikit-learn's own xorshift. Ported so that a seed means the same here.

use std::collections::HashSet;

const STATE: usize = 624;
const SHIFT: usize = 397;

/// NumPy's `RandomState(seed)`: Mersenne Twister (Matsumoto & Nishimura 1998).
#[derive(Clone, Debug)]
pub struct RandomState {
    state: [u32; STATE],
    next: usize,
}

impl RandomState {
    /// Seeded as `RandomState(seed)` is with one integer.
    pub fn new(seed: u32) -> Self {
        let mut state = [seed; STATE];
        for i in 1..STATE {
            let before = state[i - 1];
            state[i] = 1_812_433_253u32
                .wrapping_mul(before ^ (before >> 30))
                .wrapping_add(i as u32);
        }
        Self { state, next: STATE }
    }

    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.next == STATE {
            self.refill();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn refill(&mut self) {
        for i in 0..STATE {
            let joined =
                (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % STATE] & 0x7fff_ffff);
            let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + SHIFT) % STATE] ^ (joined >> 1) ^ twist;
        }
        self.next = 0;
    }

    /// Uniform in `0..=max`: draws of as many bits as `max` has, until one fits.
    fn up_to(&mut self, max: u32) -> u32 {
        if max == 0 {
            return 0;
        }
        let mask = u32::MAX >> max.leading_zeros();
        loop {
            let value = self.next_u32() & mask;
            if value <= max {
                return value;
            }
        }
    }

    /// `randint(bound)`: uniform in `0..bound`; 0 for a bound of 0.
    pub fn randint(&mut self, bound: u32) -> u32 {
        self.up_to(bound.saturating_sub(1))
    }

    /// `permutation(n)`.
    pub fn permutation(&mut self, n: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n).collect();
        for i in (1..order.len()).rev() {
            let j = self.up_to(i as u32) as usize;
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
    fn mersenne_twister_follows_its_published_stream() {
        // First outputs of init_genrand(5489), the reference program's default; the 10000th is
        // the check value of the C++ standard (mt19937).
        let mut random = RandomState::new(5489);
        assert_eq!(random.next_u32(), 3_499_211_612);
        assert_eq!(random.next_u32(), 581_869_302);
        let last = (3..=10_000).map(|_| random.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

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
