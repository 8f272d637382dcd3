//! Operators that carry the load of training, behind one face for every backend.
//!
//! Knows nothing of networks.

pub mod conv;
pub mod encoder_decoder;
pub mod reference;
mod rows;
mod scratch;
mod spread;

use burn::prelude::*;
use burn::tensor::module;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

/// "Valid" correlation: `[batch, in, n + K − 1]` with `[out, in, K]` → `[batch, out, n]`,
/// y[t] = Σ w[k]·x[t + k].
pub fn conv1d(x: Tensor<3>, weight: Tensor<3>) -> Tensor<3> {
    module::conv1d(x, weight, None, ConvOptions::new([1], [0], [1], 1))
}

/// "Valid" transposed convolution: `[batch, in, n + K − 1]` with `[in, out, K]` →
/// `[batch, out, n]`, y[t] = Σ w[k]·x[t + K − 1 − k]: the sums that all K taps reach.
pub fn conv_transpose1d(x: Tensor<3>, weight: Tensor<3>) -> Tensor<3> {
    let trimmed = weight.dims()[2] - 1;
    let options = ConvTransposeOptions::new([1], [trimmed], [0], [1], 1);
    module::conv_transpose1d(x, weight, None, options)
}
