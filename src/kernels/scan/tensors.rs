//! The weights of a diagonal state space as tensors.

use burn::tensor::Tensor;

/// The weights of a [`scan`](super::scan()), those of the continuous system that its coefficients come
/// of; its channels may lie in fewer rows of more states, as long as all rows have as many.
#[derive(Debug, Clone)]
pub struct ScanWeights {
    /// ln Δ, in samples: `[channels]`.
    pub log_step: Tensor<1>,
    /// Re A = −softplus of this, always decaying: `[channels, states]`.
    pub decay: Tensor<2>,
    /// Im A: `[channels, states]`.
    pub frequency: Tensor<2>,
    /// Re C: `[channels, states]`.
    pub output_re: Tensor<2>,
    /// Im C: `[channels, states]`.
    pub output_im: Tensor<2>,
    /// d: `[rows]`.
    pub d: Tensor<1>,
}

impl ScanWeights {
    /// The rows of a scan.
    pub fn rows(&self) -> usize {
        self.d.dims()[0]
    }

    /// States of a row.
    pub fn states(&self) -> usize {
        self.decay.shape().num_elements() / self.rows().max(1)
    }
}
