//! The operators composed of burn's own: the path of every backend without a fused form, and the
//! oracle the fused forms are held to, gradients included.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::module;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

use super::{Filters, ScaleShift};

/// As [`super::conv1d`].
pub fn conv1d(
    x: Tensor<3>,
    weight: Tensor<3>,
    bias: Option<Tensor<1>>,
    [left, right]: [usize; 2],
    dilation: usize,
) -> Tensor<3> {
    let options = ConvOptions::new_with_padding([1], [(left, right)], [dilation], 1);
    module::conv1d(x, weight, bias, options)
}

/// As [`super::conv_transpose1d`].
pub fn conv_transpose1d(
    x: Tensor<3>,
    weight: Tensor<3>,
    bias: Option<Tensor<1>>,
    [crop_left, crop_right]: [usize; 2],
    dilation: usize,
) -> Tensor<3> {
    let options = ConvTransposeOptions::new([1], [0], [0], [dilation], 1);
    let full = module::conv_transpose1d(x, weight, bias, options);
    let len = full.dims()[2] - crop_left - crop_right;
    full.narrow(2, crop_left, len)
}

/// As [`super::encoder_decoder`].
pub fn encoder_decoder(
    x: Tensor<3>,
    filters: Filters,
    padding: [usize; 2],
    crop: [usize; 2],
) -> Tensor<3> {
    let hidden = relu(conv1d(x, filters.encoder, filters.encoder_bias, padding, 1));
    let hidden = match filters.middle {
        None => hidden,
        Some(ScaleShift {
            scale,
            shift,
            rectified,
        }) => {
            let per_channel = |values: Tensor<1>| values.reshape([1, -1, 1]);
            let hidden = hidden * per_channel(scale) + per_channel(shift);
            if rectified { relu(hidden) } else { hidden }
        }
    };
    conv_transpose1d(hidden, filters.decoder, filters.decoder_bias, crop, 1)
}
