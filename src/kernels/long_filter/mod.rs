//! One filter of thousands of taps over a batch of rows, by FFT: `y[t] = Σ_i taps[i]·x[t + taps − 1
//! − i]`, "valid" as a convolution without padding is. `pass` knows slices, `operator` tensors.

mod operator;
mod pass;

pub use operator::long_filter;
