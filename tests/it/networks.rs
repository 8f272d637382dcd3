//! What every network must do, whatever it is: be causal where it says so, listen as far as
//! it says, and say the same however the signal is cut.

use crate::support::noise;
use burn::prelude::*;
use effigy::config::{ConvConfig, DenseConfig, ModelConfig, MultiscaleConfig, WindowConfig};
use effigy::models::predict::{Predictor, predict, to_host};
use effigy::models::{self, EffectModel};

fn networks() -> Vec<(ModelConfig, EffectModel)> {
    let conv = ConvConfig {
        channels: 3,
        kernel_size: 5,
        lookahead: None,
    };
    let ahead = ConvConfig {
        lookahead: Some(3),
        ..conv.clone()
    };
    let several = MultiscaleConfig {
        channels: 2,
        kernel_sizes: vec![2, 7, 4],
        lookahead: None,
    };
    let windows = WindowConfig {
        window_len: 32,
        hop: 16,
    };
    [
        ModelConfig::Linear(DenseConfig { hidden_size: 6 }),
        ModelConfig::Nonlinear(DenseConfig { hidden_size: 6 }),
        ModelConfig::Conv(conv.clone()),
        ModelConfig::Conv(ahead),
        ModelConfig::ConvTied(conv.clone()),
        ModelConfig::ConvNoMiddle(conv.clone()),
        ModelConfig::ConvDenseMiddle(conv),
        ModelConfig::ConvMultiscale(several),
    ]
    .into_iter()
    .map(|config| {
        let model = models::build(&config, &windows, 5, &Device::flex());
        (config, model)
    })
    .collect()
}

fn whole(model: &EffectModel, dry: &[f32]) -> Vec<f32> {
    predict(model, &Device::flex(), &[], &[], dry)
}

#[test]
fn nothing_before_a_changed_sample_changes_but_the_lookahead() {
    for (config, model) in networks() {
        if model.fixed_window().is_some() {
            continue;
        }
        let mut dry = noise(200, 9);
        let before = whole(&model, &dry);
        dry[100] += 0.5;
        let after = whole(&model, &dry);
        let changed: Vec<usize> = (0..200).filter(|&i| before[i] != after[i]).collect();
        let (first, last) = (changed[0], changed[changed.len() - 1]);
        assert!(first >= 100 - model.lookahead(), "{config:?}: {first}");
        assert!(last <= 100 + model.context(), "{config:?}: {last}");
    }
}

/// A pulse in silence moves exactly the receptive field: no ReLU hides it, for filters of
/// both signs are there.
#[test]
fn the_measured_receptive_field_is_the_declared_one() {
    for (config, model) in networks() {
        if model.fixed_window().is_some() {
            continue;
        }
        let silence = whole(&model, &[0.0; 100]);
        let mut touched = [false; 100];
        for pulse in [1.0, -1.0] {
            let mut dry = [0.0; 100];
            dry[50] = pulse;
            let answer = whole(&model, &dry);
            for i in 0..100 {
                touched[i] |= answer[i] != silence[i];
            }
        }
        let first = touched.iter().position(|&t| t).unwrap();
        let last = touched.iter().rposition(|&t| t).unwrap();
        assert_eq!(last - first + 1, model.receptive_field(), "{config:?}");
        assert_eq!(50 - first, model.lookahead(), "{config:?}");
    }
}

#[test]
fn any_block_length_gives_what_the_whole_signal_gives() {
    let dry = noise(40_000, 3);
    for (config, model) in networks() {
        let expected = whole(&model, &dry);
        assert_eq!(expected.len(), dry.len());
        for block in [1000, 16_384, 33_333] {
            let mut out = Vec::new();
            let mut predictor = Predictor::new(&model, &Device::flex(), &[], &[]);
            for piece in dry.chunks(block) {
                predictor.push(piece, &mut out);
            }
            predictor.finish(&mut out);
            assert_eq!(out.len(), expected.len(), "{config:?} by {block}");
            let worst = out.iter().zip(&expected).map(|(a, b)| (a - b).abs());
            let worst = worst.fold(0.0, f32::max);
            assert!(worst <= 1e-6, "{config:?} by {block}: {worst}");
        }
    }
}

#[test]
fn short_signals_have_an_answer_of_their_length() {
    for (config, model) in networks() {
        for len in [0, 1, 2, 15, 16, 17, 31, 33] {
            assert_eq!(whole(&model, &noise(len, 2)).len(), len, "{config:?}");
        }
    }
}

#[test]
fn a_signal_continues_after_its_past() {
    let dry = noise(3000, 3);
    for (config, model) in networks() {
        let expected = whole(&model, &dry);
        let split = 1024;
        let (past, rest) = dry.split_at(split);
        let continued = predict(&model, &Device::flex(), &[], past, rest);
        for (a, b) in continued.iter().zip(&expected[split..]) {
            assert!((a - b).abs() <= 1e-6, "{config:?}");
        }
    }
}

/// A window in training is the same stretch that prediction answers.
#[test]
fn windows_and_prediction_agree() {
    let dry = noise(300, 8);
    for (config, model) in networks() {
        if model.fixed_window().is_some() {
            continue;
        }
        let expected = whole(&model, &dry);
        let (context, lookahead) = (model.context(), model.lookahead());
        let from = 100;
        let input = dry[from - context..from + 64 + lookahead].to_vec();
        let len = input.len();
        let tensor = Tensor::from_data(TensorData::new(input, [1, 1, len]), &Device::flex());
        let window = to_host(model.forward(tensor));
        assert_eq!(window.len(), 64);
        for (a, b) in window.iter().zip(&expected[from..]) {
            assert!((a - b).abs() <= 1e-6, "{config:?}");
        }
    }
}

/// The obvious form of half-overlapping windows: each one alone, faded in and out by a Hann
/// window, added up.
#[test]
fn dense_windows_are_cross_faded() {
    let (window, half) = (64, 32);
    let windows = WindowConfig {
        window_len: window,
        hop: window,
    };
    let config = ModelConfig::Nonlinear(DenseConfig { hidden_size: 8 });
    let model = models::build(&config, &windows, 1, &Device::flex());
    let dry = noise(1000, 4);
    let mut padded = vec![0.0; half];
    padded.extend(&dry);
    padded.resize(1000 + 2 * window, 0.0);
    let mut expected = vec![0.0f64; padded.len()];
    let mut weights = vec![0.0f64; padded.len()];
    for start in (0..=padded.len() - window).step_by(half) {
        let input = padded[start..start + window].to_vec();
        let tensor = Tensor::from_data(TensorData::new(input, [1, 1, window]), &Device::flex());
        for (i, y) in to_host(model.forward(tensor)).into_iter().enumerate() {
            let angle = std::f64::consts::TAU * (i as f64 + 0.5) / window as f64;
            let weight = 0.5 - 0.5 * angle.cos();
            expected[start + i] += weight * f64::from(y);
            weights[start + i] += weight;
        }
    }
    let found = whole(&model, &dry);
    for (i, y) in found.iter().enumerate() {
        assert!((weights[half + i] - 1.0).abs() < 1e-12);
        assert!(
            (f64::from(*y) - expected[half + i]).abs() < 1e-6,
            "sample {i}"
        );
    }
}
