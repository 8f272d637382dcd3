//! The weights of the layer as tensors.

use burn::tensor::Tensor;

/// The weights of a [`residual_layer`](super::residual_layer()).
#[derive(Debug, Clone)]
pub struct ResidualWeights {
    /// w `[out, in, kernel]`, tap 0 the oldest.
    pub conv: Tensor<3>,
    /// b `[out]`.
    pub bias: Tensor<1>,
    /// s `[out, in, 1]`.
    pub shortcut: Tensor<3>,
    /// `[out]`, where φ has learned slopes.
    pub slopes: Option<Tensor<1>>,
}
