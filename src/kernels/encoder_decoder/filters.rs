//! The weights of an encoder–decoder as tensors.

use burn::tensor::Tensor;

/// The weights of an [`encoder_decoder`](super::encoder_decoder()).
#[derive(Debug, Clone)]
pub struct Filters {
    /// `[channels, 1, kernel]`, correlated with the input.
    pub encoder: Tensor<3>,
    /// `[channels]`.
    pub encoder_bias: Option<Tensor<1>>,
    /// The stage between the rectified channels and the way back.
    pub middle: Option<ScaleShift>,
    /// `[channels, 1, kernel]`, added up at the output; tied filters pass the encoder's again.
    pub decoder: Tensor<3>,
    /// `[1]`.
    pub decoder_bias: Option<Tensor<1>>,
}

/// `scale · x + shift` per channel.
#[derive(Debug, Clone)]
pub struct ScaleShift {
    /// `[channels]`.
    pub scale: Tensor<1>,
    /// `[channels]`.
    pub shift: Tensor<1>,
    /// Whether a ReLU follows.
    pub rectified: bool,
}
