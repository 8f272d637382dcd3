//! The weights of a state-space layer as tensors.

use burn::tensor::Tensor;

use crate::kernels::activation::Activation;
use crate::kernels::scan::ScanWeights;

/// A layer: its weights and its activation.
#[derive(Debug, Clone)]
pub struct StateSpaceTensors {
    /// The filters' weights, a row per channel.
    pub scan: ScanWeights,
    /// W `[out, in, 1]`, as many out as in.
    pub mix: Tensor<3>,
    /// b `[out]`.
    pub bias: Tensor<1>,
    /// φ.
    pub activation: Activation,
}
