//! Silence for silence: what a network still puts out after a second of silence is taken off its
//! output, as a scale is set to zero.
//!
//! Knows neither steps nor folders.

use crate::data::pair::Span;
use crate::models::EffectModel;
use crate::models::predict::predict;
use burn::prelude::*;

/// Settings of the knobs that silence is listened to at.
const MOST_SETTINGS: usize = 4;

/// `model` with the mean of what it puts out in silence taken off its output; with knobs, the mean
/// over settings of `spans`. Networks whose last layer has no bias stay as they are, as do those that
/// are not finite.
pub fn tare(mut model: EffectModel, device: &Device, spans: &[Span]) -> EffectModel {
    let mut settings: Vec<&[f32]> = Vec::new();
    for span in spans {
        let known = settings.contains(&span.pair().controls());
        if !known && settings.len() < MOST_SETTINGS {
            settings.push(span.pair().controls());
        }
    }
    let Some(rate) = spans.first().map(|span| span.pair().sample_rate().hz()) else {
        return model;
    };
    let offsets = settings
        .iter()
        .map(|knobs| idle(&model, device, knobs, rate as usize));
    let offset = (offsets.sum::<f64>() / settings.len() as f64) as f32;
    if offset.is_finite() {
        model.shift_output(-offset);
    }
    model
}

/// The mean of the last quarter of a second of silence.
fn idle(model: &EffectModel, device: &Device, knobs: &[f32], rate: usize) -> f64 {
    let heard = predict(model, device, knobs, &[], &vec![0.0; rate]);
    let rest = &heard[heard.len() - heard.len() / 4..];
    rest.iter().map(|&x| f64::from(x)).sum::<f64>() / rest.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;
    use crate::config::{ModelConfig, WindowConfig};
    use crate::data::pair::DryWetPair;
    use crate::models;
    use std::sync::Arc;

    /// Each network that plays a stream is silent in silence afterwards, and otherwise moved by a
    /// constant.
    #[test]
    fn silence_is_answered_with_silence() {
        let device = Device::flex();
        let rate = SampleRate::new(8000).unwrap();
        let pair = DryWetPair::aligned("p", rate, vec![0.0; 9], vec![0.0; 9], 0);
        let spans = [Span::new(Arc::new(pair), 0..9)];
        let mut tared = 0;
        for config in ModelConfig::every() {
            let model = models::build(&config, &WindowConfig::default(), 0, 3, &device);
            if model.fixed_window().is_some() {
                continue;
            }
            let before = idle(&model, &device, &[], 8000);
            let sound: Vec<f32> = (0..500).map(|i| (0.1 * i as f32).sin()).collect();
            let answer = predict(&model, &device, &[], &[], &sound);
            let model = tare(model, &device, &spans);
            let after = idle(&model, &device, &[], 8000);
            let moved = predict(&model, &device, &[], &[], &sound);
            if model.num_params() == 0 || after == before {
                continue;
            }
            tared += 1;
            // Rounding of outputs of at most 1: far below −120 dBFS.
            assert!(after.abs() < 2e-7, "{}: {before} → {after}", config.kind());
            for (a, b) in answer.iter().zip(moved) {
                let by = f64::from(*a) - f64::from(b);
                assert!(
                    (by - before).abs() < 1e-6,
                    "{}: {by} {before}",
                    config.kind()
                );
            }
        }
        assert!(tared >= 6, "{tared} networks were shifted");
    }
}
