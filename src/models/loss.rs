//! What training minimises, on tensors: terms that are added up by weight.
//!
//! The figures reported to people are not these but [`crate::report::metrics`].

use crate::config::LossConfig;
use burn::prelude::*;
use burn::signal::{StftOptions, hann_window, stft};
use burn::tensor::activation::softplus;

/// Keeps ratios finite on silent batches: far below the power of one 24-bit step, 1.4e-14.
const SILENCE: f32 = 1e-16;

/// FFT, hop and window lengths of the multi-resolution STFT (Yamamoto et al. 2020).
pub const RESOLUTIONS: [[usize; 3]; 3] = [[1024, 120, 600], [2048, 240, 1200], [512, 50, 240]];

/// The weighted sum of the configured terms, `[1]`. Both sides `[batch, channel, time]`.
pub fn loss(config: &LossConfig, wet: Tensor<3>, predicted: Tensor<3>) -> Tensor<1> {
    let terms = config
        .terms()
        .into_iter()
        .filter(|(_, weight)| *weight != 0.0);
    let emphasised = || {
        let both = [wet.clone(), predicted.clone()];
        both.map(|side| pre_emphasis(side, config.pre_emphasis))
    };
    let plain = || [wet.clone(), predicted.clone()];
    let total = terms.map(|(name, weight)| {
        let term = match name {
            "mse" => mse(plain()),
            "mae" => (wet.clone() - predicted.clone()).abs().mean(),
            "esr" => esr(plain()),
            "dc" => {
                let offset = (wet.clone() - predicted.clone()).mean();
                offset.square() / (wet.clone().square().mean() + SILENCE)
            }
            "log_cosh" => log_cosh(wet.clone() - predicted.clone()),
            "pre_emphasised_mse" => mse(emphasised()),
            "pre_emphasised_esr" => esr(emphasised()),
            "multi_resolution_stft" => multi_resolution_stft(plain()),
            _ => multi_resolution_stft(emphasised()),
        };
        term * weight
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
    (wet - predicted).square().mean()
}

fn esr([wet, predicted]: [Tensor<3>; 2]) -> Tensor<1> {
    let power = wet.clone().square().mean() + SILENCE;
    mse([wet, predicted]) / power
}

/// x[t] − coefficient·x[t−1], one sample shorter than x.
fn pre_emphasis(x: Tensor<3>, coefficient: f64) -> Tensor<3> {
    let len = x.dims()[2];
    x.clone().narrow(2, 1, len - 1) - x.narrow(2, 0, len - 1) * coefficient
}

/// mean(log cosh e) = mean(|e| + softplus(−2|e|)) − log 2, which does not overflow.
fn log_cosh(error: Tensor<3>) -> Tensor<1> {
    let size = error.abs();
    (size.clone() + softplus(size * -2.0, 1.0)).mean() - std::f64::consts::LN_2
}

/// The mean over [`RESOLUTIONS`] of spectral convergence, ‖|W| − |P|‖ / ‖|W|‖ (Frobenius norms
/// over the batch), and the mean of |ln|W| − ln|P||, on Hann windows, frames centred, edges
/// mirrored.
fn multi_resolution_stft(sides: [Tensor<3>; 2]) -> Tensor<1> {
    let terms = RESOLUTIONS.map(|[n_fft, hop_length, win_length]| {
        let [wet, predicted] = sides
            .clone()
            .map(|x| magnitudes(x, n_fft, hop_length, win_length));
        let power = wet.clone().square().sum() + SILENCE;
        let distance = (wet.clone() - predicted.clone()).square().sum();
        // A root has no slope at 0; moved by a hair it has, and stays 0 for equal sides.
        let hair = f64::from(f32::EPSILON).powi(2);
        let distance = (distance / power + hair).sqrt() - f64::from(f32::EPSILON);
        distance + (wet.log() - predicted.log()).abs().mean()
    });
    let [a, b, c] = terms;
    (a + b + c) / RESOLUTIONS.len() as f64
}

/// |STFT|, at least 1e-4: quieter bins count as equal. `[batch · channel, frame, bin]`.
fn magnitudes(x: Tensor<3>, n_fft: usize, hop_length: usize, win_length: usize) -> Tensor<3> {
    let [batch, channels, len] = x.dims();
    let window = hann_window(win_length, true, &x.device());
    let options = StftOptions {
        n_fft,
        hop_length,
        win_length: Some(win_length),
        center: true,
        onesided: true,
    };
    let bins = stft(x.reshape([batch * channels, len]), Some(window), options);
    let power = bins.square().sum_dim(3).squeeze_dim::<3>(3);
    power.clamp_min(1e-8).sqrt()
}
