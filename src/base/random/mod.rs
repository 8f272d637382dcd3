//! Random streams that must be the same for ever: that of NumPy and Python, and plain noise. What is
//! free to choose its own stream uses a modern generator (`rand_chacha`) instead. Knows nothing of
//! what is drawn.

mod mersenne_twister;
mod noise;

pub use mersenne_twister::MersenneTwister;
pub use noise::Noise;
