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
    predict(model, &Device::flex(), &[], dry)
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
            let mut predictor = Predictor::new(&model, &Device::flex(), &[]);
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
        let continued = predict(&model, &Device::flex(), past, rest);
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

#[test]
fn dense_windows_meet_without_a_seam() {
    let windows = WindowConfig {
        window_len: 64,
        hop: 64,
    };
    let config = ModelConfig::Linear(DenseConfig { hidden_size: 8 });
    let model = models::build(&config, &windows, 1, &Device::flex());
    // A slow wave: neighbouring outputs of one window differ by a little, and a hard cut
    // between windows by as much as two unrelated values.
    let dry: Vec<f32> = (0..6400).map(|i| (i as f32 * 0.003).sin()).collect();
    let out = whole(&model, &dry);
    let hard: Vec<f32> = dry
        .chunks(64)
        .flat_map(|w| {
            let data = TensorData::new(w.to_vec(), [1, 1, 64]);
            to_host(model.forward(Tensor::from_data(data, &Device::flex())))
        })
        .collect();
    let edge = |x: &[f32]| -> f32 {
        let jumps = (2..98).map(|w| (x[w * 64] - x[w * 64 - 1]).abs());
        jumps.sum::<f32>() / 96.0
    };
    let inside = |x: &[f32]| -> f32 {
        let jumps = (2..98).map(|w| (x[w * 64 + 16] - x[w * 64 + 15]).abs());
        jumps.sum::<f32>() / 96.0
    };
    assert!(edge(&hard) > 1.5 * inside(&hard), "no seam to remove");
    // Cross-faded, the edges are ordinary places.
    assert!(edge(&out) < 1.5 * inside(&out), "{} {}", edge(&out), inside(&out));
}
