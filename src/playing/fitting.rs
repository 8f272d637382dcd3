//! Classical models fitted on training spans, ready to be tested beside networks.

use super::playable::Playable;
use crate::config::BaselineConfig;
use crate::data::load::{self, Recordings};
use crate::data::pair::{Reach, Span};
use crate::progress::{Event, Observer};
use crate::regress::RegressError;
use crate::regress::baseline::{Baseline, Segment};
use anyhow::{Context, Result};
use std::time::Instant;

/// How far some baselines look back.
pub fn reach_of(baselines: &[BaselineConfig]) -> Reach {
    let contexts = baselines.iter().map(BaselineConfig::context);
    Reach {
        context: contexts.max().unwrap_or(0),
        ..Reach::default()
    }
}

/// Fits one baseline on the training spans.
///
/// # Errors
/// As [`Baseline::fit`].
pub fn fit(
    wanted: &BaselineConfig,
    recordings: &Recordings,
    observer: &dyn Observer,
) -> Result<Playable> {
    let started = Instant::now();
    let spans = load::spans(&recordings.train);
    let memory = reach_of(std::slice::from_ref(wanted));
    let segments: Vec<Segment<'_>> = spans.iter().map(|s| segment(s, memory)).collect();
    let baseline = Baseline::fit(wanted, &segments, observer)
        .with_context(|| format!("fitting {wanted} on the training spans"))?;
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
    observer: &dyn Observer,
) -> Result<Vec<Playable>> {
    let mut fitted = Vec::new();
    for config in wanted {
        match fit(config, recordings, observer) {
            Ok(done) => fitted.push(done),
            Err(error) => match error.downcast_ref::<RegressError>() {
                Some(RegressError::Interrupted { .. }) => return Err(error),
                _ => {
                    let text = format!("no {config} row: {error:#}");
                    observer.event(Event::Warning(&text));
                }
            },
        }
    }
    Ok(fitted)
}

fn segment<'a>(span: &'a Span, memory: Reach) -> Segment<'a> {
    let range = span.predictable(memory);
    let pair = span.pair();
    Segment {
        dry: &pair.dry()[range.clone()],
        wet: &pair.wet()[range.clone()],
        context: &pair.dry()[span.samples().start.min(range.start)..range.start],
    }
}
