//! Signal processing on plain slices: transforms, filter banks, resampling, alignment.
//!
//! Knows no files, no tensors and no networks.

pub mod align;
pub mod fft;
pub mod mel;
pub mod modulation;
pub mod probe;
pub mod resample;
pub mod shift;
pub mod stft;
pub mod window;
