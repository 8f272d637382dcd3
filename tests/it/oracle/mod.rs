//! Slow, obvious forms of what the program computes fast, in double precision.

pub mod engine;
pub mod kernels;
pub mod spectral;
