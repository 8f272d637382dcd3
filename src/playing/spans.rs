//! What a model predicts of test spans: any range of a span, with the sound around it as context.

use super::playable::{Playable, Source};
use crate::data::pair::{Reach, Span};
use crate::engine::Engine;
use crate::regress::baseline::Baseline;
use crate::training::evaluate;
use anyhow::Result;
use std::ops::Range;

/// Answers the wet samples of a range, which lies within what the span lets its model predict.
pub type Predict<'a> = Box<dyn FnMut(&Span, &Range<usize>) -> Result<Vec<f32>> + 'a>;

impl Playable {
    /// Its predictions, knobs where each span's pair says.
    ///
    /// # Errors
    /// A network that the engine cannot play.
    pub fn predict(&self) -> Result<Predict<'_>> {
        Ok(match &self.source {
            Source::Run(run) => Box::new(|span, range| {
                Ok(evaluate::predict_span(&run.model, &run.device, span, range))
            }),
            Source::File(model) => {
                let mut engine = Engine::new(&model.network)?;
                let reach = self.reach();
                Box::new(move |span, range| played(&mut engine, reach, span, range))
            }
            Source::Baseline(saved) => {
                Box::new(|span, range| Ok(filtered(&saved.baseline, span, range)))
            }
        })
    }
}

/// What `engine` makes of a span's dry samples in `range`, after its context.
fn played(
    engine: &mut Engine,
    reach: Reach,
    span: &Span,
    range: &Range<usize>,
) -> Result<Vec<f32>> {
    let controls = span.pair().controls();
    if !controls.is_empty() {
        engine.set_controls(controls)?;
    }
    engine.reset();
    engine.prewarm();
    let mut dry = vec![0.0; reach.context + range.len() + reach.lookahead];
    let from = range.start as i64 - reach.context as i64;
    span.pair().copy_dry(from, &mut dry);
    let mut wet = vec![0.0; dry.len()];
    engine.process(&dry, &mut wet);
    wet.drain(..reach.context + reach.lookahead);
    Ok(wet)
}

/// The same of a baseline, which hears nothing from before the span.
fn filtered(baseline: &Baseline, span: &Span, range: &Range<usize>) -> Vec<f32> {
    let dry = span.pair().dry();
    let context = baseline.receptive_field() - 1;
    let past = range.start.saturating_sub(context);
    let past = past.max(span.samples().start).min(range.start);
    baseline.predict(&dry[range.clone()], &dry[past..range.start])
}
