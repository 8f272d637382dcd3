//! What a model predicts of test spans: any range of a span, after all that was heard before it.
//!
//! A player that is given the whole recording says the same at the same place: it begins in the
//! silence that [`Engine::prewarm`] leaves, and hears the recording from its beginning.

use super::playable::{Playable, Source};
use crate::data::pair::Span;
use crate::engine::Engine;
use crate::network::{Architecture, Network};
use crate::regress::baseline::Baseline;
use crate::training::modulation::PhaseReport;
use crate::training::{evaluate, modulation};
use anyhow::Result;
use std::ops::Range;

/// What a model says of a range.
pub struct Predicted {
    /// Its wet samples, side by side.
    pub wet: Vec<Vec<f32>>,
    /// Where the oscillator stood of one that moves by itself.
    pub phase: Option<PhaseReport>,
}

impl From<Vec<Vec<f32>>> for Predicted {
    fn from(wet: Vec<Vec<f32>>) -> Self {
        Self { wet, phase: None }
    }
}

/// Answers a range, which lies within what the span lets its model predict.
pub type Predict<'a> = Box<dyn FnMut(&Span, &Range<usize>) -> Result<Predicted> + 'a>;

impl Playable {
    /// Its predictions, knobs where each span's pair says.
    ///
    /// # Errors
    /// A network that the engine cannot play.
    pub fn predict(&self) -> Result<Predict<'_>> {
        Ok(match &self.source {
            Source::Run(run) if run.by_burn => Box::new(|span, range| {
                let (model, device) = (&run.model, &run.device);
                let phase = modulation::of_model(model, span, range);
                let from = (usize::MAX, phase.as_ref());
                let wet = evaluate::predict_from(model, device, span, range, from);
                Ok(Predicted { wet, phase })
            }),
            Source::Run(_) | Source::File(_) => {
                let network = self.network()?;
                Box::new(move |span, range| played(&network, span, range))
            }
            Source::Baseline(saved) => {
                Box::new(|span, range| Ok(filtered(&saved.baseline, span, range).into()))
            }
        })
    }
}

/// What the engine makes of a span's dry samples in `range`, as when it plays the whole recording.
fn played(network: &Network, span: &Span, range: &Range<usize>) -> Result<Predicted> {
    let (len, lookahead) = (span.pair().len(), network.latency_samples());
    let grid = matches!(network.full().architecture, Architecture::Window(_));
    let from = match network.receptive_field() {
        // What lies further back than it hears changes nothing.
        Some(field) if !grid => range.start.saturating_sub(field),
        _ => 0,
    };
    let to = range.end.saturating_add(lookahead).min(len);
    let phase = network.modulated().map(|layer| {
        let effect = layer.effect().per_second(f64::from(network.sample_rate));
        modulation::report((&effect, network.ahead()), span, range)
    });
    let knobs = match &phase {
        Some(phase) => phase.knobs(),
        None => span.pair().controls().to_vec(),
    };
    let dry: Vec<&[f32]> = span.heard().map(|pair| &pair.dry()[from..to]).collect();
    let mut wet = Engine::play_channels(network, &knobs, &dry)?;
    for side in &mut wet {
        side.truncate(range.end - from);
        side.drain(..range.start - from);
    }
    Ok(Predicted { wet, phase })
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
