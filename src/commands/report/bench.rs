//! Puts a run's network, and the effect itself where it is known, on the measuring bench.
//!
//! Knows nothing of pages.

use crate::audio::SampleRate;
use crate::config::DataConfig;
use crate::dsp::probe::{self, Measurements};
use crate::effects::Effect;
use crate::engine::Engine;
use crate::models::EffectModel;
use crate::playing::controls;
use anyhow::Result;

/// Measures the network with its knobs where they stood in the test.
///
/// # Errors
/// The network cannot be played.
pub fn network(
    model: &EffectModel,
    data: &DataConfig,
    rate: SampleRate,
    level_dbfs: f64,
) -> Result<Measurements> {
    let controls = controls::of_config(data);
    let tested = data.test.first().or(data.train.first());
    let values: Vec<f32> = controls
        .iter()
        .map(|c| {
            tested
                .and_then(|p| p.controls.get(&c.name))
                .map_or(c.default, |&number| c.heard(number))
        })
        .collect();
    let mut engine = Engine::new(&model.describe(rate.hz(), controls))?;
    engine.set_controls(&values)?;
    let mut play = |dry: &[f32]| engine.play_from_rest(dry, 0);
    Ok(probe::measure(&mut play, rate, level_dbfs))
}

/// Measures the effect that made the test's wet side; `None` for recordings, and for effects
/// that change over time: what they do to a sine depends on when it begins.
pub fn effect(data: &DataConfig, rate: SampleRate, level_dbfs: f64) -> Option<Measurements> {
    let pairs = if data.test.is_empty() {
        &data.train
    } else {
        &data.test
    };
    let of = |i: usize| {
        pairs[i]
            .signal
            .as_ref()
            .and(pairs[i].effect.as_ref().or(data.effect.as_ref()))
    };
    let effect: &Effect = (!pairs.is_empty()).then(|| of(0))??;
    let one = (0..pairs.len()).all(|i| of(i) == Some(effect));
    if !one || effect.is_time_varying() || effect.check(rate).is_err() {
        return None;
    }
    let latency = effect.latency_samples();
    let mut play = |dry: &[f32]| -> Vec<f32> {
        let mut input = dry.to_vec();
        input.resize(dry.len() + latency, 0.0);
        let mut wet = effect.process(&input, rate).unwrap_or_default();
        wet.drain(..latency.min(wet.len()));
        wet
    };
    Some(probe::measure(&mut play, rate, level_dbfs))
}
