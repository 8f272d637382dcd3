//! The linear tail behind a network, solved for in closed form: what makes wet of what the network
//! gives now. So a network learns by gradients through a tail that stands still for an epoch, and
//! the tail by least squares behind a network that stands still: each step lowers the same error.
//!
//! Knows neither steps nor folders.

use super::evaluate::{predict_span, reach};
use crate::config::{Config, ModelConfig, TailConfig};
use crate::data::pair::Span;
use crate::models::EffectModel;
use crate::progress::{Observer, Stopped, Task};
use crate::regress::tail::{self, Passage};
use burn::prelude::*;
use std::ops::Range;

/// The tail's settings, where the config has one.
fn settings(config: &Config) -> Option<&TailConfig> {
    match &config.model {
        ModelConfig::Tailed(tailed) => Some(&tailed.tail),
        _ => None,
    }
}

/// `model` before its first epoch with the tail of a linear effect: what makes wet of dry, so that the
/// network has to learn only what is not linear. It stands at the level where the network's output
/// is as loud as wet.
///
/// # Errors
/// Stopped.
pub fn begin(
    model: EffectModel,
    config: &Config,
    spans: &[Span],
    observer: &dyn Observer,
) -> Result<EffectModel, Stopped> {
    let Some(settings) = settings(config) else {
        return Ok(model);
    };
    let given = dry(spans);
    let Some(taps) = solve(spans, &given, settings, None, observer)? else {
        return Ok(model);
    };
    let power = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x).powi(2)).sum::<f64>();
    let heard = power(&mut given.iter().flat_map(|(_, dry)| dry.iter().copied()));
    let wet = given.iter().zip(spans);
    let wet = power(
        &mut wet.flat_map(|((range, _), span)| span.pair().wet()[range.clone()].iter().copied()),
    );
    let level = if wet > 0.0 { (heard / wet).sqrt() } else { 1.0 };
    let taps: Vec<f32> = taps.iter().map(|tap| (tap * level) as f32).collect();
    Ok(model.with_tail(&taps))
}

/// The taps of a linear effect that is nothing but a filter.
///
/// # Errors
/// Stopped.
pub fn alone(spans: &[Span], taps: usize, observer: &dyn Observer) -> Result<Vec<f32>, Stopped> {
    let settings = TailConfig {
        taps,
        ..TailConfig::default()
    };
    let solved = solve(spans, &dry(spans), &settings, None, observer)?;
    let solved = solved.unwrap_or_else(|| vec![0.0; taps]);
    Ok(solved.iter().map(|&tap| tap as f32).collect())
}

/// The dry sound of all that the spans hold.
fn dry(spans: &[Span]) -> Vec<(Range<usize>, Vec<f32>)> {
    let dry = |span: &Span| {
        let range = span.samples();
        (range.clone(), span.pair().dry()[range].to_vec())
    };
    spans.iter().map(dry).collect()
}

/// The taps behind `model` (without autodiff) after an epoch; `None` where there is no tail, or
/// nothing to solve it from.
///
/// # Errors
/// Stopped.
pub fn follow(
    model: &EffectModel,
    config: &Config,
    spans: &[Span],
    device: &Device,
    observer: &dyn Observer,
) -> Result<Option<Vec<f32>>, Stopped> {
    let (Some(settings), Some(tailed)) = (settings(config), model.tailed()) else {
        return Ok(None);
    };
    let network = tailed.network();
    let given = spans.iter().map(|span| {
        let range = span.predictable(reach(network));
        // A tail is of one channel.
        let given = predict_span(network, device, span, &range, 0).swap_remove(0);
        (range, given)
    });
    let given: Vec<_> = given.collect();
    let now: Vec<f64> = tailed.taps().iter().map(|&tap| f64::from(tap)).collect();
    let taps = solve(spans, &given, settings, Some(&now), observer)?;
    Ok(taps.map(|taps| taps.iter().map(|&tap| tap as f32).collect()))
}

/// The taps that make wet of what is `given` in these ranges of the spans.
fn solve(
    spans: &[Span],
    given: &[(Range<usize>, Vec<f32>)],
    settings: &TailConfig,
    start: Option<&[f64]>,
    observer: &dyn Observer,
) -> Result<Option<Vec<f64>>, Stopped> {
    let task = Task::begin(observer, "solving for the tail", None);
    let passages = spans
        .iter()
        .zip(given)
        .filter_map(|(span, (range, input))| {
            // Where a span begins inside a recording, what the filter heard before is not known.
            let unheard = match range.start {
                0 => 0,
                _ => settings.taps - 1,
            };
            let wet = span.pair().wet().get(range.start + unheard..range.end)?;
            (!wet.is_empty()).then_some(Passage {
                input,
                beside: None,
                wet,
            })
        });
    let passages: Vec<Passage<'_>> = passages.collect();
    let taps = tail::fit(&passages, settings.taps, start, settings.penalty, || {
        task.go_on().is_ok()
    });
    task.go_on().map(|()| taps)
}
