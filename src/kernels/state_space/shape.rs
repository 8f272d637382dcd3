//! The shape of a state-space layer, and its weights and gradients as slices.

use crate::kernels::activation::Activation;
use crate::kernels::scan::{Scan, ScanGradients, ScanSlices};

/// A layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StateSpaceLayer {
    /// Its filters, one bank per channel of x and y.
    pub scan: Scan,
    /// φ, one of the [fused](Activation::is_fused) ones.
    pub activation: Activation,
}

/// Its weights.
#[derive(Debug, Clone, Copy)]
pub struct StateSpaceSlices<'a> {
    /// Those of the filters.
    pub scan: ScanSlices<'a>,
    /// W `[out, in]`.
    pub mix: &'a [f32],
    /// b `[out]`.
    pub bias: &'a [f32],
}

/// The gradients, shaped like what they are gradients of.
#[derive(Debug, Clone, Default)]
pub struct StateSpaceGradients {
    /// Of the filters' weights and, where it is asked for, of x.
    pub scan: ScanGradients,
    /// Of W.
    pub mix: Vec<f32>,
    /// Of b.
    pub bias: Vec<f32>,
}

impl StateSpaceLayer {
    pub(super) fn check(&self, weights: &StateSpaceSlices<'_>) {
        let channels = self.scan.channels;
        assert!(self.activation.is_fused(), "{:?}", self.activation);
        assert_eq!(weights.mix.len(), channels * channels);
        assert_eq!(weights.bias.len(), channels);
    }
}
