//! What a model predicts of test spans: any range of a span, after all that was heard before it.
//!
//! A player that is given the whole recording says the same at the same place: it begins in the
//! silence that [`Engine::prewarm`] leaves, and hears the recording from its beginning.

use super::playable::{Playable, Source};
use crate::data::pair::Span;
use crate::engine::Engine;
use crate::network::{Architecture, Modulated, Network};
use crate::regress::baseline::Baseline;
use crate::training::modulation::PhaseReport;
use crate::training::{evaluate, modulation};
use anyhow::Result;
use std::ops::Range;

/// Answers the wet samples of a range, which lies within what the span lets its model predict, side by
/// side.
pub type Predict<'a> = Box<dyn FnMut(&Span, &Range<usize>) -> Result<Vec<Vec<f32>>> + 'a>;

impl Playable {
    /// Where the oscillator of one that moves by itself stood in each recording of which these ranges are
    /// predicted; nothing of others.
    ///
    /// # Errors
    /// As [`Playable::network`].
    pub fn phases<'a>(
        &self,
        spans: impl Iterator<Item = (&'a Span, Range<usize>)>,
    ) -> Result<Vec<PhaseReport>> {
        if !self.is_network() {
            return Ok(Vec::new());
        }
        let network = self.network()?;
        let Some(layer) = network.modulated() else {
            return Ok(Vec::new());
        };
        let effect = layer.effect().per_second(f64::from(network.sample_rate));
        let of =
            |(span, range): (&Span, Range<usize>)| modulation::report(&effect, span.pair(), &range);
        Ok(spans.map(of).collect())
    }

    /// Its predictions, knobs where each span's pair says.
    ///
    /// # Errors
    /// A network that the engine cannot play.
    pub fn predict(&self) -> Result<Predict<'_>> {
        Ok(match &self.source {
            Source::Run(run) if run.by_burn => Box::new(|span, range| {
                let (model, device) = (&run.model, &run.device);
                Ok(evaluate::predict_span(
                    model,
                    device,
                    span,
                    range,
                    usize::MAX,
                ))
            }),
            Source::Run(_) | Source::File(_) => {
                let network = self.network()?;
                Box::new(move |span, range| played(&network, span, range))
            }
            Source::Baseline(saved) => {
                Box::new(|span, range| Ok(filtered(&saved.baseline, span, range)))
            }
        })
    }
}

/// What the engine makes of a span's dry samples in `range`, as when it plays the whole recording.
fn played(network: &Network, span: &Span, range: &Range<usize>) -> Result<Vec<Vec<f32>>> {
    let (len, lookahead) = (span.pair().len(), network.latency_samples());
    let grid = matches!(network.full().architecture, Architecture::Window(_));
    let from = match network.receptive_field() {
        // What lies further back than it hears changes nothing.
        Some(field) if !grid => range.start.saturating_sub(field),
        _ => 0,
    };
    let to = range.end.saturating_add(lookahead).min(len);
    let knobs = match network.modulated() {
        Some(layer) => {
            let effect = layer.effect().per_second(f64::from(network.sample_rate));
            let phase = modulation::phase(&effect, span.pair(), range) as f32;
            Modulated::as_learned(phase).to_vec()
        }
        None => span.pair().controls().to_vec(),
    };
    let dry: Vec<&[f32]> = span.heard().map(|pair| &pair.dry()[from..to]).collect();
    let mut wet = Engine::play_channels(network, &knobs, &dry)?;
    for side in &mut wet {
        side.truncate(range.end - from);
        side.drain(..range.start - from);
    }
    Ok(wet)
}

/// The same of a baseline, which hears nothing from before the span.
fn filtered(baseline: &Baseline, span: &Span, range: &Range<usize>) -> Vec<Vec<f32>> {
    let context = baseline.receptive_field() - 1;
    let past = range.start.saturating_sub(context);
    let past = past.max(span.samples().start).min(range.start);
    let heard = |from: usize, to: usize| -> Vec<&[f32]> {
        span.heard().map(|pair| &pair.dry()[from..to]).collect()
    };
    baseline.predict_channels(&heard(range.start, range.end), &heard(past, range.start))
}
