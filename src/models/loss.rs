//! What training minimises, on tensors: terms that are added up by weight.
//!
//! The figures reported to people are not these but [`crate::report::metrics`].

use crate::config::LossConfig;
use crate::kernels::composed::emphasised;
use crate::kernels::{mean, mean_square, mean_square_difference, spectral_distance};
use burn::prelude::*;
use burn::tensor::activation::softplus;

/// Keeps ratios finite on silent batches: far below the power of one 24-bit step, 1.4e-14.
const SILENCE: f32 = 1e-16;

pub use crate::kernels::spectral::RESOLUTIONS;

/// The weighted sum of the configured terms, `[1]`. Both sides `[batch, channel, time]`.
pub fn loss(config: &LossConfig, wet: Tensor<3>, predicted: Tensor<3>) -> Tensor<1> {
    let terms = config
        .terms()
        .into_iter()
        .filter(|(_, weight)| *weight != 0.0);
    let both_emphasised = || {
        let both = [wet.clone(), predicted.clone()];
        both.map(|side| emphasised(side, config.pre_emphasis))
    };
    let plain = || [wet.clone(), predicted.clone()];
    let total = terms.map(|(name, weight)| {
        let term = match name {
            "mse" => mse(plain()),
            "mae" => mean((wet.clone() - predicted.clone()).abs()),
            "esr" => esr(plain()),
            "dc" => {
                let offset = mean(wet.clone() - predicted.clone());
                offset.square() / (mean_square(wet.clone()) + SILENCE)
            }
            "log_cosh" => log_cosh(wet.clone() - predicted.clone()),
            "pre_emphasised_mse" => mse(both_emphasised()),
            "pre_emphasised_esr" => esr(both_emphasised()),
            "multi_resolution_stft" => spectral_distance(wet.clone(), predicted.clone(), None),
            _ => spectral_distance(wet.clone(), predicted.clone(), Some(config.pre_emphasis)),
        };
        match weight {
            1.0 => term,
            weight => term * weight,
        }
    });
    total
        .reduce(|sum, term| sum + term)
        .unwrap_or_else(|| mse(plain()))
}

/// The sum of the losses of all sizes of a network, `[1]`.
pub fn of_sizes(config: &LossConfig, wet: Tensor<3>, predicted: Vec<Tensor<3>>) -> Tensor<1> {
    let losses = predicted
        .into_iter()
        .map(|size| loss(config, wet.clone(), size));
    let total = losses.reduce(|sum, loss| sum + loss);
    total.unwrap_or_else(|| mse([wet.clone(), wet]))
}

fn mse([wet, predicted]: [Tensor<3>; 2]) -> Tensor<1> {
    mean_square_difference(wet, predicted)
}

fn esr([wet, predicted]: [Tensor<3>; 2]) -> Tensor<1> {
    let power = mean_square(wet.clone()) + SILENCE;
    mse([wet, predicted]) / power
}

/// mean(log cosh e) = mean(|e| + softplus(−2|e|)) − log 2, which does not overflow.
fn log_cosh(error: Tensor<3>) -> Tensor<1> {
    let size = error.abs();
    mean(size.clone() + softplus(size * -2.0, 1.0)) - std::f64::consts::LN_2
}
