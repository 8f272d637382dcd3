//! The weights and the state of a diagonal state space as tensors.

use burn::tensor::{Device, Tensor};

/// The weights of a [`scan`](super::scan()).
#[derive(Debug, Clone)]
pub struct ScanWeights {
    /// Re a `[channels, states]`.
    pub a_re: Tensor<2>,
    /// Im a.
    pub a_im: Tensor<2>,
    /// Re c `[channels, states]`.
    pub c_re: Tensor<2>,
    /// Im c.
    pub c_im: Tensor<2>,
    /// d `[channels]`.
    pub d: Tensor<1>,
}

/// What a sequence leaves behind for the next `[batch, channels, states]`; constants to every
/// gradient.
#[derive(Debug, Clone)]
pub struct ScanState {
    /// Re s.
    pub re: Tensor<3>,
    /// Im s.
    pub im: Tensor<3>,
}

impl ScanState {
    /// Silence, for `shape` = `[batch, channels, states]`.
    pub fn zeros(shape: [usize; 3], device: &Device) -> ScanState {
        ScanState {
            re: Tensor::zeros(shape, device),
            im: Tensor::zeros(shape, device),
        }
    }

    /// Cut off from what led to it.
    pub fn detach(self) -> ScanState {
        ScanState {
            re: self.re.detach(),
            im: self.im.detach(),
        }
    }
}
