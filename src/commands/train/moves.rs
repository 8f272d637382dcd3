//! Says which recordings are of an effect that moves by itself, where the network to be trained has no clock.

use crate::audio::Tracks;
use crate::config::{Config, ModelConfig};
use crate::data::load::{PairReport, Recordings};
use crate::data::pair::DryWetPair;
use crate::progress::{Event, Observer};
use crate::survey;
use anyhow::Result;

const WHAT_HELPS: &str = "this network hears only dry and learns the average sound at best; model.kind = \
                          \"modulated\", which `effigy new` writes, learns when";

/// A quick look at each pair suspects; both hypotheses fitted decide.
///
/// # Errors
/// The user asks to stop.
pub(super) fn warn(
    config: &Config,
    recordings: &Recordings,
    observer: &dyn Observer,
) -> Result<()> {
    if matches!(config.model, ModelConfig::Modulated(_)) {
        return Ok(());
    }
    for label in &recordings.moving {
        let text = format!("{label}: its effect changes by a clock of its own; {WHAT_HELPS}");
        observer.event(Event::Warning(&text));
    }
    for report in recordings.pairs.iter().filter(|report| suspected(report)) {
        let Some(pair) = pair(recordings, &report.label) else {
            continue;
        };
        let side = |sound| Tracks::mono(pair.sample_rate(), sound);
        let (dry, wet) = (side(pair.dry()), side(pair.wet()));
        let found = survey::survey(&dry, &wet, None, Some(0), observer)?;
        if let Some(words) = found.motion_words() {
            let text = format!("{}: {words}; {WHAT_HELPS}", report.label);
            observer.event(Event::Warning(&text));
        }
    }
    Ok(())
}

fn suspected(report: &PairReport) -> bool {
    let mut findings = report.findings.iter();
    findings.any(|f| f.fact.is_motion())
}

fn pair<'a>(recordings: &'a Recordings, label: &str) -> Option<&'a DryWetPair> {
    let parts = [&recordings.train, &recordings.valid, &recordings.test];
    let mut excerpts = parts.into_iter().flatten();
    let excerpt = excerpts.find(|excerpt| excerpt.label == label)?;
    Some(excerpt.channels.first()?.pair())
}
