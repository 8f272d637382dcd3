//! What is held back for validation and test where the config names nothing. Knows no sound, only
//! where there is some.

use super::sound::Sounding;
use crate::config::Position::{self, Percent, Seconds};
use crate::config::{DataConfig, PairConfig};
use crate::progress::{Event, Observer};

/// Where no validation (or test) pair is named, it is the last tenth of every training pair
/// (before the test tenth), never random excerpts: neighbouring samples are too alike. Where a
/// pair is silent there, it is the last tenth of what sounds. `sounding` says where a pair sounds,
/// and its rate in hertz.
///
/// Training pairs of which only a span is named are left as they are: their author divides them.
pub(super) fn with_default_splits(
    config: &DataConfig,
    sounding: impl Fn(&PairConfig) -> Option<(Sounding, u32)>,
    observer: &dyn Observer,
) -> DataConfig {
    let mut config = config.clone();
    let parts = [
        (config.valid.is_empty(), "validation"),
        (config.test.is_empty(), "test"),
    ];
    let missing: Vec<&str> = parts.iter().filter(|p| p.0).map(|p| p.1).collect();
    let whole = |p: &PairConfig| p.from.is_none() && p.to.is_none();
    if missing.is_empty() || !config.train.iter().all(whole) || config.train.is_empty() {
        return config;
    }
    let first = 10 - missing.len();
    let mut held_back = vec![Vec::new(); missing.len()];
    let mut even = false;
    for pair in &mut config.train {
        let bounds = bounds(pair, first, &sounding, &missing, observer);
        even |= matches!(bounds[0], Percent(_));
        for (part, span) in held_back.iter_mut().zip(bounds.windows(2)) {
            part.push(PairConfig {
                from: Some(span[0]),
                to: Some(span[1]),
                ..pair.clone()
            });
        }
        pair.to = Some(bounds[0]);
    }
    for (index, (name, part)) in missing.iter().zip(held_back).enumerate() {
        let from = 10 * (first + index);
        if even {
            let note = format!(
                "no {name} pairs named: taking {from}% to {}% of each training pair",
                from + 10
            );
            observer.event(Event::Note(&note));
        }
        match *name {
            "test" => config.test = part,
            _ => config.valid = part,
        }
    }
    config
}

/// Where the tenths of a pair from `first` on begin, and where the last one ends.
fn bounds(
    pair: &PairConfig,
    first: usize,
    sounding: &impl Fn(&PairConfig) -> Option<(Sounding, u32)>,
    missing: &[&str],
    observer: &dyn Observer,
) -> Vec<Position> {
    let by_sound = sounding(pair).map(|(sounding, hz)| (sounding.tenths_from(first), sounding, hz));
    let Some((tenths, sounding, hz)) = by_sound.filter(|(tenths, ..)| !tenths.even) else {
        return (first..=10)
            .map(|tenth| Percent(10.0 * tenth as f64))
            .collect();
    };
    let seconds = |sample: usize| sample as f64 / f64::from(hz);
    let bounds: Vec<f64> = tenths.bounds.iter().map(|b| seconds(*b)).collect();
    let spans = missing.iter().zip(bounds.windows(2));
    let spans: Vec<String> = spans
        .map(|(name, span)| format!("{name} takes {:.2} to {:.2} s", span[0], span[1]))
        .collect();
    let silence = match sounding.range() {
        Some(range) if range.end < sounding.len() => format!(
            "the last {:.2} s are silent and left out",
            seconds(sounding.len() - range.end)
        ),
        _ => "much of its end is silent".to_string(),
    };
    let note = format!(
        "{}: {silence}; {}, the last tenth of what sounds each",
        pair.label(),
        spans.join(", ")
    );
    observer.event(Event::Note(&note));
    bounds.into_iter().map(Seconds).collect()
}
