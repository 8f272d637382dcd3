//! What is held back for validation and test where the config names nothing. Knows no sound.

use crate::config::DataConfig;
use crate::config::Position::Percent;
use crate::progress::{Event, Observer};

/// Where no validation (or test) pair is named, it is the last tenth of every training pair
/// (before the test tenth), never random excerpts: neighbouring samples are too alike.
pub(super) fn with_default_splits(config: &DataConfig, observer: &dyn Observer) -> DataConfig {
    let mut config = config.clone();
    let mut end = 100.0;
    for (missing, part, name) in [
        (config.test.is_empty(), &mut config.test, "test"),
        (config.valid.is_empty(), &mut config.valid, "validation"),
    ] {
        let whole = config
            .train
            .iter()
            .all(|p| p.from.is_none() && p.to.is_none());
        if !missing || config.train.is_empty() || (!whole && end == 100.0) {
            continue;
        }
        part.clone_from(&config.train);
        for pair in part.iter_mut() {
            pair.from = Some(Percent(end - 10.0));
            pair.to = Some(Percent(end));
        }
        end -= 10.0;
        for pair in &mut config.train {
            pair.to = Some(Percent(end));
        }
        let note = format!(
            "no {name} pairs named: taking {end}% to {}% of each training pair",
            end + 10.0
        );
        observer.event(Event::Note(&note));
    }
    config
}
