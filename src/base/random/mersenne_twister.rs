//! The Mersenne Twister (MT19937) with NumPy's and Python's seeding, for results that a seed of
//! those programs decides: scikit-learn's random subsets, a notebook's shuffles.
//!
//! Algorithm: M. Matsumoto, T. Nishimura, ACM TOMACS 8 (1998).

const STATE: usize = 624;
const SHIFT: usize = 397;

/// The generator's state.
#[derive(Clone, Debug)]
pub struct MersenneTwister {
    state: [u32; STATE],
    next: usize,
}

impl MersenneTwister {
    /// Seeds as `numpy.random.RandomState(seed)` and the authors' `init_genrand` do.
    pub fn numpy(seed: u32) -> Self {
        let mut state = [seed; STATE];
        for i in 1..STATE {
            let before = state[i - 1];
            state[i] = 1_812_433_253_u32
                .wrapping_mul(before ^ (before >> 30))
                .wrapping_add(i as u32);
        }
        Self { state, next: STATE }
    }

    /// Seeds as Python's `random.seed(seed)` and the authors' `init_by_array` do.
    pub fn python(seed: u32) -> Self {
        let mut mt = Self::numpy(19_650_218);
        let mut i = 1;
        for round in 0..2 * STATE - 1 {
            let before = mt.state[i - 1];
            let spread = before ^ (before >> 30);
            mt.state[i] = if round < STATE {
                // The key is one word, so its position, which is added too, is always 0.
                (mt.state[i] ^ spread.wrapping_mul(1_664_525)).wrapping_add(seed)
            } else {
                (mt.state[i] ^ spread.wrapping_mul(1_566_083_941)).wrapping_sub(i as u32)
            };
            i += 1;
            if i == STATE {
                mt.state[0] = mt.state[STATE - 1];
                i = 1;
            }
        }
        mt.state[0] = 0x8000_0000;
        mt
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.next >= STATE {
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

    /// NumPy's legacy draw from `0..=max`: as many low bits as `max` has, too large ones
    /// rejected. Nothing is drawn when `max` is 0.
    pub fn numpy_up_to(&mut self, max: u32) -> u32 {
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

    /// Python's draw from `0..=max`: as many high bits as `max + 1` has, too large ones
    /// rejected. `max` is below `u32::MAX`.
    pub fn python_up_to(&mut self, max: u32) -> u32 {
        let bits = 32 - (max + 1).leading_zeros();
        loop {
            let value = self.next_u32() >> (32 - bits);
            if value <= max {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_streams_are_followed() {
        // First outputs of init_genrand(5489), the reference program's default; the 10000th is
        // the check value of the C++ standard (mt19937).
        let mut numpy = MersenneTwister::numpy(5489);
        assert_eq!(numpy.next_u32(), 3_499_211_612);
        assert_eq!(numpy.next_u32(), 581_869_302);
        let last = (3..=10_000).map(|_| numpy.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995));
        // random.seed(42); random.getrandbits(32), three times.
        let mut python = MersenneTwister::python(42);
        let draws = [python.next_u32(), python.next_u32(), python.next_u32()];
        assert_eq!(draws, [2_746_317_213, 478_163_327, 107_420_369]);
    }

    #[test]
    fn draws_stay_below_their_bound_and_reach_it() {
        let mut mt = MersenneTwister::numpy(3);
        for max in [0, 1, 2, 6, 7, 8] {
            let numpy: Vec<u32> = (0..200).map(|_| mt.numpy_up_to(max)).collect();
            let python: Vec<u32> = (0..200).map(|_| mt.python_up_to(max)).collect();
            for draws in [numpy, python] {
                assert_eq!(draws.iter().max(), Some(&max));
                assert_eq!(draws.iter().min(), Some(&0));
            }
        }
    }
}
