//! Training losses: their formulas on plain numbers, zero for equal sides, gradients.

use crate::support::noise;
use burn::prelude::*;
use effigy::audio::SampleRate;
use effigy::config::LossConfig;
use effigy::models::loss::{RESOLUTIONS, loss};
use effigy::report::metrics::{self, SpanSums};

const NAMES: [&str; 9] = [
    "mse",
    "mae",
    "esr",
    "dc",
    "log_cosh",
    "pre_emphasised_mse",
    "pre_emphasised_esr",
    "multi_resolution_stft",
    "pre_emphasised_multi_resolution_stft",
];

fn only(name: &str) -> LossConfig {
    let nothing = if name == "esr" { "" } else { "esr = 0.0" };
    toml::from_str(&format!("{nothing}\n{name} = 1.0")).unwrap()
}

fn tensor(values: &[f32], device: &Device) -> Tensor<3> {
    let len = values.len() / 2;
    Tensor::from_data(TensorData::new(values.to_vec(), [2, 1, len]), device)
}

fn value(config: &LossConfig, wet: &[f32], predicted: &[f32]) -> f64 {
    let device = Device::flex();
    let value = loss(config, tensor(wet, &device), tensor(predicted, &device));
    f64::from(value.into_scalar::<f32>())
}

#[test]
fn equal_sides_cost_nothing_and_give_finite_gradients() {
    let wet = noise(2 * 1500, 2);
    for name in NAMES {
        let config = only(name);
        // log cosh is a difference to ln 2, rounded in f32.
        assert!(value(&config, &wet, &wet).abs() < 5e-7, "{name}");
        let device = Device::flex().autodiff();
        let predicted = tensor(&wet, &device).require_grad();
        let grads = loss(&config, tensor(&wet, &device), predicted.clone()).backward();
        let grad = predicted.grad(&grads).unwrap();
        let largest = grad.abs().max().into_scalar::<f32>();
        assert!(largest.is_finite(), "{name}: {largest}");
    }
}

/// Along the wet side itself, from half of it: every bin of a spectrum then moves in proportion.
/// (Along noise some bins always pass near silence, where a logarithm has no use for finite
/// steps.) f32 sums over steps of 2e-3 leave about 1e-4 of the slope.
#[test]
fn gradients_are_finite_differences() {
    let wet = noise(2 * 1500, 2);
    let predicted: Vec<f32> = wet.iter().map(|w| 0.5 * w).collect();
    let direction = wet.clone();
    let moved = |step: f32| -> Vec<f32> {
        let both = predicted.iter().zip(&direction);
        both.map(|(p, d)| p + step * d).collect()
    };
    for name in NAMES {
        let config = only(name);
        let device = Device::flex().autodiff();
        let tracked = tensor(&predicted, &device).require_grad();
        let grads = loss(&config, tensor(&wet, &device), tracked.clone()).backward();
        let slope = tracked.grad(&grads).unwrap() * tensor(&direction, &Device::flex());
        let slope = f64::from(slope.sum().into_scalar::<f32>());
        let step = 2e-3;
        let ahead = value(&config, &wet, &moved(step));
        let behind = value(&config, &wet, &moved(-step));
        let difference = (ahead - behind) / f64::from(2.0 * step);
        let error = (slope - difference).abs();
        assert!(
            error < 1e-3 * difference.abs() + 2e-5,
            "{name}: {slope} for {difference}"
        );
    }
}

#[test]
fn plain_terms_are_their_formulas() {
    let (wet, predicted) = (noise(200, 8), noise(200, 9));
    let predicted: Vec<f32> = predicted.iter().map(|p| 3.0 * p + 0.1).collect();
    let pairs = || wet.iter().zip(&predicted);
    let mean = |of: &dyn Fn(f64, f64) -> f64| {
        let terms = pairs().map(|(w, p)| of(f64::from(*w), f64::from(*p)));
        terms.sum::<f64>() / 200.0
    };
    let (mse, power) = (mean(&|w, p| (w - p).powi(2)), mean(&|w, _| w * w));
    for (name, expected) in [
        ("mse", mse),
        ("mae", mean(&|w, p| (w - p).abs())),
        ("esr", mse / power),
        ("dc", mean(&|w, p| w - p).powi(2) / power),
        ("log_cosh", mean(&|w, p| (w - p).cosh().ln())),
    ] {
        let found = value(&only(name), &wet, &predicted);
        assert!(
            (found / expected - 1.0).abs() < 1e-5,
            "{name}: {found} for {expected}"
        );
    }
}

#[test]
fn pre_emphasis_is_the_difference_to_the_scaled_neighbour() {
    let (wet, predicted) = (noise(200, 4), noise(200, 5));
    let emphasised = |x: &[f32]| -> Vec<f64> {
        let rows = x.chunks(100).flat_map(|row| row.windows(2));
        rows.map(|w| f64::from(w[1]) - 0.85 * f64::from(w[0]))
            .collect()
    };
    let (w, p) = (emphasised(&wet), emphasised(&predicted));
    let squares = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
    let error: Vec<f64> = w.iter().zip(&p).map(|(w, p)| w - p).collect();
    let mse = squares(&error) / w.len() as f64;
    assert!((value(&only("pre_emphasised_mse"), &wet, &predicted) / mse - 1.0).abs() < 1e-5);
    let esr = squares(&error) / squares(&w);
    assert!((value(&only("pre_emphasised_esr"), &wet, &predicted) / esr - 1.0).abs() < 1e-5);
}

/// |STFT| by the plain sum over each frame: Hann window in the frame's middle, frames centred,
/// edges mirrored.
fn magnitudes(x: &[f32], [n_fft, hop, win]: [usize; 3]) -> Vec<f64> {
    let (len, half) = (x.len() as i64, n_fft as i64 / 2);
    let mirrored = |i: i64| {
        let i = if i < 0 { -i } else { i };
        f64::from(x[(if i >= len { 2 * (len - 1) - i } else { i }) as usize])
    };
    let turn = std::f64::consts::TAU;
    let angle = |i: usize| turn * i as f64 / n_fft as f64;
    let cosines: Vec<f64> = (0..n_fft).map(|i| angle(i).cos()).collect();
    let sines: Vec<f64> = (0..n_fft).map(|i| angle(i).sin()).collect();
    let left = (n_fft - win) / 2;
    let mut found = Vec::new();
    for frame in 0..=x.len() / hop {
        let windowed: Vec<f64> = (0..win)
            .map(|i| {
                let window = 0.5 - 0.5 * (turn * i as f64 / win as f64).cos();
                window * mirrored((frame * hop + left + i) as i64 - half)
            })
            .collect();
        for bin in 0..=n_fft / 2 {
            let part = |table: &[f64]| -> f64 {
                let turned = |i: usize| table[bin * (left + i) % n_fft];
                windowed
                    .iter()
                    .enumerate()
                    .map(|(i, x)| x * turned(i))
                    .sum()
            };
            let (re, im) = (part(&cosines), part(&sines));
            found.push((re * re + im * im).max(1e-8).sqrt());
        }
    }
    found
}

/// Both sides sum tens of thousands of bins, the loss in f32.
#[test]
fn multi_resolution_stft_is_its_formula() {
    let (wet, predicted) = (noise(2 * 1300, 6), noise(2 * 1300, 7));
    let predicted: Vec<f32> = predicted.iter().map(|p| 0.5 * p).collect();
    let mut expected = 0.0;
    for resolution in RESOLUTIONS {
        let both = |x: &[f32]| -> Vec<f64> {
            let rows = x.chunks(1300).flat_map(|row| magnitudes(row, resolution));
            rows.collect()
        };
        let (w, p) = (both(&wet), both(&predicted));
        let squares: f64 = w.iter().map(|w| w * w).sum();
        let apart: f64 = w.iter().zip(&p).map(|(w, p)| (w - p).powi(2)).sum();
        let logs: f64 = w.iter().zip(&p).map(|(w, p)| (w.ln() - p.ln()).abs()).sum();
        expected += ((apart / squares).sqrt() + logs / w.len() as f64) / 3.0;
    }
    let found = value(&only("multi_resolution_stft"), &wet, &predicted);
    assert!(
        (found / expected - 1.0).abs() < 1e-4,
        "{found} for {expected}"
    );
}

/// The figure reported to people and the loss that training minimises are one definition: sums
/// in f64 there, in f32 here.
#[test]
fn the_reported_multi_resolution_stft_is_the_loss() {
    assert_eq!(metrics::RESOLUTIONS, RESOLUTIONS);
    let (wet, predicted) = (noise(2 * 3000, 6), noise(2 * 3000, 8));
    let predicted: Vec<f32> = predicted.iter().map(|p| 0.5 * p).collect();
    let mut sums = SpanSums::new(SampleRate::new(44_100).unwrap());
    for (wet, predicted) in wet.chunks(3000).zip(predicted.chunks(3000)) {
        sums.add(wet, predicted);
    }
    let found = sums.metrics();
    let expected = value(&only("multi_resolution_stft"), &wet, &predicted);
    let reported = found.multi_resolution_stft.unwrap();
    assert!(
        (reported / expected - 1.0).abs() < 1e-4,
        "{reported} for {expected}"
    );
    let expected = value(&only("pre_emphasised_esr"), &wet, &predicted);
    let reported = found.pre_emphasised_esr.unwrap();
    assert!(
        (reported / expected - 1.0).abs() < 1e-5,
        "{reported} for {expected}"
    );
    assert_eq!(LossConfig::default().pre_emphasis, metrics::PRE_EMPHASIS);
}
