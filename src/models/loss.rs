//! What training minimises, on tensors: terms that are added up by weight.
//!
//! The figures reported to people are not these but [`crate::report::metrics`].

use crate::config::LossConfig;
use burn::prelude::*;
use burn::tensor::activation::softplus;

/// Keeps ratios finite on silent batches: far below the power of one 24-bit step, 1.4e-14.
const SILENCE: f32 = 1e-16;

/// The weighted sum of the configured terms, `[1]`. Both sides `[batch, channel, time]`.
pub fn loss(config: &LossConfig, wet: Tensor<3>, predicted: Tensor<3>) -> Tensor<1> {
    let error = wet.clone() - predicted;
    let power = || wet.clone().square().mean();
    let mut total: Option<Tensor<1>> = None;
    for (name, weight) in config.terms() {
        if weight == 0.0 {
            continue;
        }
        let term = match name {
            "mse" => error.clone().square().mean(),
            "mae" => error.clone().abs().mean(),
            "esr" => error.clone().square().mean() / (power() + SILENCE),
            "dc" => error.clone().mean().square() / (power() + SILENCE),
            _ => log_cosh(error.clone()),
        };
        let term = term * weight;
        total = Some(match total {
            Some(sum) => sum + term,
            None => term,
        });
    }
    total.unwrap_or_else(|| error.square().mean())
}

/// mean(log cosh e) = mean(|e| + softplus(−2|e|)) − log 2, which does not overflow.
fn log_cosh(error: Tensor<3>) -> Tensor<1> {
    let size = error.abs();
    (size.clone() + softplus(size * -2.0, 1.0)).mean() - std::f64::consts::LN_2
}
