//! The constant that recordings have where dry is soft: what a network has to say in silence. Knows no
//! network.

use crate::audio::level::{mean_and_rms, power};
use crate::audio::range::MOMENT;
use crate::data::pair::Span;

/// A moment this far below the mean power of dry is as good as silence for wet's mean: −40 dB.
const SOFT: f64 = 1e-4;

/// Fewer soft moments than this say nothing of a constant.
const FEWEST_SOFT: usize = 4;

/// Of a constant so many soft moments, in tenths, are within half of their median: a coupling that still
/// swings after a note has a mean of either sign, many times its median in a few of them.
const AGREEING_TENTHS: usize = 8;

/// The constant of each side, or of the only one.
pub type Idle = [f64; 2];

/// The constant that wet has where dry is soft: that of the device, or of what recorded it. 0 where dry
/// is never soft for long, or what wet has there is not the same throughout.
pub fn recorded_idle(spans: &[Span]) -> Idle {
    [0, 1].map(|side| idle_of(spans, side))
}

fn idle_of(spans: &[Span], side: usize) -> f64 {
    let mut means = Vec::new();
    let parts = spans
        .iter()
        .filter_map(|span| Some((span, span.sides().nth(side)?)));
    for (span, pair) in parts {
        let (dry, wet) = (pair.dry(), pair.wet());
        let (dry, wet) = (&dry[span.samples()], &wet[span.samples()]);
        let bound = SOFT * power(dry);
        let moments = dry.chunks(MOMENT).zip(wet.chunks(MOMENT));
        let soft = moments.filter(|(dry, _)| power(*dry) < bound);
        means.extend(soft.map(|(_, wet)| mean_and_rms(wet).0));
    }
    if means.len() < FEWEST_SOFT {
        return 0.0;
    }
    means.sort_by(f64::total_cmp);
    let median = means[means.len() / 2];
    let agree = |mean: &&f64| (*mean - median).abs() < 0.5 * median.abs();
    let agreeing: Vec<f64> = means.iter().filter(agree).copied().collect();
    match 10 * agreeing.len() < AGREEING_TENTHS * means.len() {
        true => 0.0,
        false => agreeing.iter().sum::<f64>() / agreeing.len() as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;
    use crate::data::pair::DryWetPair;
    use std::sync::Arc;

    /// A coupling that swings back from a note of one sign is no constant, however soft dry is then.
    #[test]
    fn what_swings_back_is_no_constant() {
        let rate = SampleRate::new(8000).unwrap();
        let (notes, all) = (4 * MOMENT, 30 * MOMENT);
        let dry: Vec<f32> = (0..all)
            .map(|n| if n < notes { 0.5 } else { 0.0 })
            .collect();
        let swing = |n: usize| (-((n as f32 - notes as f32) / MOMENT as f32)).exp();
        let swings: Vec<f32> = (0..all)
            .map(|n| if n < notes { 0.5 } else { -0.1 * swing(n) })
            .collect();
        let of = |constant: f32| {
            let wet = swings.iter().map(|x| x + constant).collect();
            let pair = DryWetPair::aligned("p", rate, dry.clone(), wet, 0);
            recorded_idle(&[Span::new(Arc::new(pair), 0..all)])[0]
        };
        assert_eq!(of(0.0), 0.0);
        // Of 26 moments the first two swing by more than half of it.
        assert!((of(-0.04) + 0.04).abs() < 2e-3, "{}", of(-0.04));
    }
}
