//! A network's figures over whole spans, as it will be heard: continuous, not window by
//! window.

use crate::data::pair::{Reach, Span};
use crate::models::EffectModel;
use crate::models::predict::predict;
use crate::report::metrics::ErrorSums;
use burn::prelude::*;
use std::ops::Range;

/// How far `model` listens around an output sample.
pub fn reach(model: &EffectModel) -> Reach {
    Reach {
        context: model.context(),
        lookahead: model.lookahead(),
    }
}

/// Predicted wet samples of `range`, which lies within what `span` lets the network predict.
pub fn predict_span(
    model: &EffectModel,
    device: &Device,
    span: &Span,
    range: &Range<usize>,
) -> Vec<f32> {
    let Reach { context, lookahead } = reach(model);
    let mut dry = vec![0.0; context + range.len() + lookahead];
    span.pair()
        .copy_dry(range.start as i64 - context as i64, &mut dry);
    let (past, future) = dry.split_at(context);
    let mut predicted = predict(model, device, span.pair().controls(), past, future);
    predicted.truncate(range.len());
    predicted
}

/// Error sums over all that the spans let the network predict.
pub fn score(model: &EffectModel, device: &Device, spans: &[Span]) -> ErrorSums {
    let mut sums = ErrorSums::default();
    for span in spans {
        let range = span.predictable(reach(model));
        let predicted = predict_span(model, device, span, &range);
        sums.add(&span.pair().wet()[range], &predicted);
    }
    sums
}
