//! Noise from a linear congruential generator: for test signals, which have to be the same on every
//! call, but not good.

/// Uniform samples in −1..1; never ends.
#[derive(Clone, Debug)]
pub struct Noise {
    state: u32,
}

impl Noise {
    /// The stream of a seed.
    pub fn new(seed: u32) -> Self {
        Self { state: seed }
    }

    /// The next 24 bits.
    pub fn next_bits(&mut self) -> u32 {
        // The constants of Numerical Recipes.
        self.state = self
            .state
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        self.state >> 8
    }
}

impl Iterator for Noise {
    type Item = f32;

    fn next(&mut self) -> Option<f32> {
        Some(self.next_bits() as f32 / 8_388_608.0 - 1.0)
    }
}
