//! The layer as tensors.

use burn::tensor::Tensor;

use super::shape::{Curve, ResidualLayer};
use crate::kernels::activation::Activation;

/// The weights of a layer.
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

/// A layer.
#[derive(Debug, Clone)]
pub struct ResidualTensors {
    /// Its weights.
    pub weights: ResidualWeights,
    /// Samples between taps.
    pub dilation: usize,
    /// φ where the weights have no slopes.
    pub activation: Activation,
}

impl ResidualTensors {
    /// Its shape.
    ///
    /// # Panics
    /// The weights do not fit together.
    pub(super) fn shape(&self) -> ResidualLayer {
        let ResidualWeights {
            conv,
            bias,
            shortcut,
            slopes,
        } = &self.weights;
        let [out_channels, in_channels, kernel_size] = conv.dims();
        assert_eq!(
            (bias.dims(), shortcut.dims()),
            ([out_channels], [out_channels, in_channels, 1]),
            "residual_layer: shapes of the weights"
        );
        let curve = match slopes {
            Some(slopes) => {
                assert_eq!(slopes.dims(), [out_channels], "residual_layer: slopes");
                Curve::Slopes
            }
            None => Curve::One(self.activation),
        };
        ResidualLayer {
            in_channels,
            out_channels,
            kernel_size,
            dilation: self.dilation,
            curve,
        }
    }

    /// Whether the kernels have its φ.
    pub(super) fn is_fused(&self) -> bool {
        self.weights.slopes.is_some() || self.activation.is_fused()
    }

    /// The weights in the order of the stack's list.
    pub(super) fn flat(self) -> impl Iterator<Item = Tensor<1>> {
        let ResidualWeights {
            conv,
            bias,
            shortcut,
            slopes,
        } = self.weights;
        let threes = [conv, shortcut].map(|of| of.reshape([-1]));
        threes.into_iter().chain([bias]).chain(slopes)
    }
}
