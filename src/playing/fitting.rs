//! Classical models fitted on training spans, ready to be tested beside networks.

use super::playable::Playable;
use crate::audio::AudioChannels;
use crate::config::BaselineConfig;
use crate::data::load::{self, Recordings};
use crate::data::pair::{DryWetPair, Reach, Span};
use crate::progress::{Event, Observer};
use crate::regress::RegressError;
use crate::regress::baseline::{Baseline, Segment};
use anyhow::{Context, Result};
use std::sync::Arc;
use std::time::Instant;

/// How far some baselines look back.
pub fn reach_of(baselines: &[BaselineConfig]) -> Reach {
    let contexts = baselines.iter().map(BaselineConfig::context);
    Reach {
        context: contexts.max().unwrap_or(0),
        ..Reach::default()
    }
}

/// Fits one baseline on the training spans: each channel by itself, or across both sides of a stereo
/// effect.
///
/// # Errors
/// As [`Baseline::fit`].
pub fn fit(
    wanted: &BaselineConfig,
    recordings: &Recordings,
    audio: AudioChannels,
    observer: &dyn Observer,
) -> Result<Playable> {
    let started = Instant::now();
    let spans = load::units(&recordings.train, audio)?;
    let memory = reach_of(std::slice::from_ref(wanted));
    let fitted = match audio.is_mono() {
        true => {
            let segments = spans.iter().map(|s| segment(s, [s.pair(); 2], memory));
            Baseline::fit(wanted, &segments.collect::<Vec<_>>(), observer)
        }
        false => {
            let sides: Vec<_> = (0..audio.wet).map(|at| side(&spans, at, memory)).collect();
            Baseline::fit_stereo(wanted, &sides, observer)
        }
    };
    let baseline = fitted.with_context(|| format!("fitting {wanted} on the training spans"))?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Playable::fitted(baseline, recordings.sample_rate, seconds))
}

/// Fits those that can be fitted; a row beside a network that cannot is a warning, not a reason
/// to lose the network's own figures.
///
/// # Errors
/// When the user asks to stop.
pub fn fit_possible(
    wanted: &[BaselineConfig],
    recordings: &Recordings,
    audio: AudioChannels,
    observer: &dyn Observer,
) -> Result<Vec<Playable>> {
    let mut fitted = Vec::new();
    for config in wanted {
        match fit(config, recordings, audio, observer) {
            Ok(done) => fitted.push(done),
            Err(error) => match error.downcast_ref::<RegressError>() {
                Some(RegressError::Interrupted { .. }) => return Err(error),
                Some(RegressError::OneChannel { .. }) => {
                    let text = format!("no {config} row: it is of one channel, the effect of two");
                    observer.event(Event::Note(&text));
                }
                _ => {
                    let text = format!("no {config} row: {error:#}");
                    observer.event(Event::Warning(&text));
                }
            },
        }
    }
    Ok(fitted)
}

/// What makes one side of stereo spans: a segment for each dry channel.
fn side(spans: &[Span], at: usize, memory: Reach) -> Vec<Vec<Segment<'_>>> {
    let of = |span| {
        let wet = Span::sides(span).nth(at)?;
        Some(Span::heard(span).map(|dry| segment(span, [dry, wet], memory)))
    };
    spans.iter().filter_map(of).map(Iterator::collect).collect()
}

/// The dry sound of one pair with the wet of another, or of the same, where a span can be predicted.
fn segment<'a>(span: &Span, [dry, wet]: [&'a Arc<DryWetPair>; 2], memory: Reach) -> Segment<'a> {
    let range = span.predictable(memory);
    Segment {
        dry: &dry.dry()[range.clone()],
        wet: &wet.wet()[range.clone()],
        context: &dry.dry()[span.samples().start.min(range.start)..range.start],
    }
}
