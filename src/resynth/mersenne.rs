//! The Mersenne Twister (MT19937) with Python's and NumPy's seeding and shuffling, so that a
//! notebook's seeded shuffle can be repeated draw for draw.
//!
//! Algorithm: M. Matsumoto, T. Nishimura, ACM TOMACS 8 (1998). New effects use a modern
//! generator; this one is only for `--compat`.

const N: usize = 624;
const M: usize = 397;

/// The generator's state.
#[derive(Clone, Debug)]
pub struct MersenneTwister {
    state: [u32; N],
    next: usize,
}

impl MersenneTwister {
    /// Seeds as `numpy.random.seed(seed)` and the authors' `init_genrand` do.
    pub fn numpy(seed: u32) -> Self {
        let mut state = [0; N];
        let mut last = seed;
        for (i, slot) in state.iter_mut().enumerate() {
            if i > 0 {
                let mixed = 1_812_433_253_u32.wrapping_mul(last ^ (last >> 30));
                last = mixed.wrapping_add(i as u32);
            }
            *slot = last;
        }
        Self { state, next: N }
    }

    /// Seeds as Python's `random.seed(seed)` and the authors' `init_by_array` do.
    pub fn python(seed: u32) -> Self {
        let mut mt = Self::numpy(19_650_218);
        let mut i = 1;
        for round in 0..2 * N - 1 {
            let before = mt.state[i - 1];
            let spread = before ^ (before >> 30);
            mt.state[i] = if round < N {
                // The key is one word, so its position, which is added too, is always 0.
                (mt.state[i] ^ spread.wrapping_mul(1_664_525)).wrapping_add(seed)
            } else {
                (mt.state[i] ^ spread.wrapping_mul(1_566_083_941)).wrapping_sub(i as u32)
            };
            i += 1;
            if i == N {
                mt.state[0] = mt.state[N - 1];
                i = 1;
            }
        }
        mt.state[0] = 0x8000_0000;
        mt
    }

    fn refill(&mut self) {
        for i in 0..N {
            let joined = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (joined >> 1) ^ twist;
        }
        self.next = 0;
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.next >= N {
            self.refill();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// NumPy's legacy draw from `0..=max`: low bits under a mask, too large ones rejected.
    fn numpy_interval(&mut self, max: u32) -> usize {
        let mask = u32::MAX.checked_shr(max.leading_zeros()).unwrap_or(0);
        loop {
            let value = self.next_u32() & mask;
            if value <= max {
                return value as usize;
            }
        }
    }

    /// Python's draw from `0..=max`: high bits, too large ones rejected.
    fn python_interval(&mut self, max: u32) -> usize {
        let bits = 32 - (max + 1).leading_zeros();
        loop {
            let value = self.next_u32() >> (32 - bits);
            if value <= max {
                return value as usize;
            }
        }
    }
}

/// The order in which `numpy.random.seed(seed); numpy.random.shuffle(list)` leaves `n` items.
pub fn numpy_shuffle(seed: u32, n: usize) -> Vec<usize> {
    let mut mt = MersenneTwister::numpy(seed);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, mt.numpy_interval(i as u32));
    }
    order
}

/// What `random.seed(seed); random.shuffle(rows)` does to the rows of a two-dimensional NumPy
/// array: row `i` of the result is row `result[i]` of the original.
///
/// Python swaps by assigning two views to each other; the first assignment overwrites what
/// the second one reads, so row i becomes a copy of row j and row j stays: about half of the
/// rows are lost.
pub fn python_shuffle_of_rows(seed: u32, n: usize) -> Vec<usize> {
    let mut mt = MersenneTwister::python(seed);
    let mut source: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        source[i] = source[mt.python_interval(i as u32)];
    }
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_draws_are_those_of_the_reference_programs() {
        // numpy.random.seed(5489) and the authors' mt19937ar.c without a seed.
        assert_eq!(MersenneTwister::numpy(5489).next_u32(), 3_499_211_612);
        // random.seed(42); random.getrandbits(32), three times.
        let mut python = MersenneTwister::python(42);
        let draws = [python.next_u32(), python.next_u32(), python.next_u32()];
        assert_eq!(draws, [2_746_317_213, 478_163_327, 107_420_369]);
    }
}
