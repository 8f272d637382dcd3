//! A network's figures over whole spans, as it will be heard: continuous, not window by
//! window.

use crate::data::pair::{DryWetPair, Reach, Span};
use crate::models::EffectModel;
use crate::models::predict::predict_channels;
use crate::network::settling_samples;
use crate::report::metrics::{ErrorSums, Standing, Stretches};
use crate::report::own_delay::{own_delay, without_delay};
use crate::training::idle::Idle;
use crate::training::modulation::{self, PhaseReport};
use crate::training::tare;
use burn::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// How far `model` listens around an output sample.
pub fn reach(model: &EffectModel) -> Reach {
    let reach = Reach {
        context: model.context(),
        lookahead: model.lookahead(),
        ..Reach::default()
    };
    match model.modulated() {
        Some(_) => modulation::reach(reach),
        None => reach,
    }
}

/// Seconds that a memory hears before what it is validated on: a slow unit that wanders off while music
/// plays is then far from where training windows begin, as it is when the model is played.
const HEARD_BEFORE_SECONDS: usize = 10;

/// How much of the recording a network with a memory hears before validation's spans.
fn heard_before(span: &Span) -> usize {
    HEARD_BEFORE_SECONDS * span.pair().sample_rate().hz() as usize
}

/// Predicted wet samples of `range`, which lies within what `span` lets the network predict, of each
/// side that the span and the network have. A memory
/// first settles in silence, then hears the samples before the range: as many as it was trained
/// to, and up to `before` where the recording has them.
pub fn predict_span(
    model: &EffectModel,
    device: &Device,
    span: &Span,
    range: &Range<usize>,
    before: usize,
) -> Vec<Vec<f32>> {
    let stood = modulation::of_model(model, span, range);
    predict_from(model, device, span, range, (before, stood.as_ref()))
}

/// The same where it is known where the oscillator of one that moves by itself stood.
pub fn predict_from(
    model: &EffectModel,
    device: &Device,
    span: &Span,
    range: &Range<usize>,
    (before, stood): (usize, Option<&PhaseReport>),
) -> Vec<Vec<f32>> {
    let Reach {
        context, lookahead, ..
    } = reach(model);
    let (context, silence) = match model.receptive_field() {
        Some(_) => (context, 0),
        None => (
            range.start.min(before).max(context),
            settling_samples(span.pair().sample_rate().hz()),
        ),
    };
    let from = range.start as i64 - context as i64;
    let heard = |pair: &Arc<DryWetPair>| {
        let mut dry = vec![0.0; silence + context + range.len() + lookahead];
        pair.copy_dry(from, &mut dry[silence..]);
        let future = dry.split_off(silence + context);
        (dry, future)
    };
    let (past, future): (Vec<_>, Vec<_>) = span.heard().map(heard).unzip();
    let first = from - silence as i64;
    let knobs = modulation::knobs(model, span.pair(), stood, first);
    let mut predicted = predict_channels(model, device, &knobs, &past, &future);
    for side in &mut predicted {
        side.truncate(range.len());
    }
    predicted
}

/// Error sums over all that the spans let the network predict, with the samples by which it is late
/// of its own accord, which were taken away as they are in every table of tests.
pub fn score(model: &EffectModel, device: &Device, spans: &[Span]) -> (ErrorSums, i64) {
    let predict = |span: &Span| {
        let range = span.predictable(reach(model));
        let predicted = predict_span(model, device, span, &range, heard_before(span));
        (range, predicted)
    };
    let predicted: Vec<_> = spans.iter().map(predict).collect();
    let sides = spans.iter().zip(predicted);
    let sounds = sides.flat_map(|(span, (range, predicted))| {
        let wet = span.sides().map(move |pair| &pair.wet()[range.clone()]);
        wet.zip(predicted)
    });
    let sounds: Vec<(&[f32], Vec<f32>)> = sounds.collect();
    let delay = own_delay(&sounds);
    let mut sums = ErrorSums::default();
    for (wet, predicted) in &sounds {
        let (wet, predicted) = without_delay(wet, predicted, delay);
        sums.add(wet, predicted);
    }
    (sums, delay)
}

/// Where the network stands over all that the spans let it predict, recording by recording.
/// `idle`: the constants that it is to have in silence; `strays`: whether it has to come back from memories
/// of random content, too.
pub fn standing(
    model: &EffectModel,
    device: &Device,
    spans: &[Span],
    (idle, strays): (Idle, bool),
) -> Standing {
    let predicted = spans.iter().flat_map(|span| {
        let range = span.predictable(reach(model));
        let predicted = predict_span(model, device, span, &range, heard_before(span));
        let sides = span.sides().zip(predicted);
        sides.map(move |(pair, predicted)| (pair, range.clone(), predicted))
    });
    let predicted: Vec<_> = predicted.collect();
    let mut recordings: Vec<(&Arc<DryWetPair>, Stretches<'_>)> = Vec::new();
    for (pair, range, predicted) in &predicted {
        let sides = [
            &pair.dry()[range.clone()],
            &pair.wet()[range.clone()],
            predicted.as_slice(),
        ];
        match recordings.iter_mut().find(|r| Arc::ptr_eq(r.0, pair)) {
            Some((_, stretches)) => stretches.push(sides),
            None => recordings.push((pair, vec![sides])),
        }
    }
    let stretches: Vec<Stretches<'_>> = recordings.into_iter().map(|r| r.1).collect();
    let mut unrest = tare::unrest(model, device, spans, idle);
    if strays {
        unrest += tare::astray(model, device, spans, idle);
    }
    Standing::of(&stretches, unrest)
}
