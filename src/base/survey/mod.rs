//! Two recordings laid beside each other: whether they belong together, are fit for training, and
//! what kind of effect lies between them.
//!
//! Knows sounds, not files; measures with the rooms below and decides here alone.

mod judge;
mod look;

pub use look::LatencyFacts;

use crate::audio::Audio;
use crate::data::check::{self, Expectations, Finding, Severity};
use crate::dsp::align::{Drift, TimeVariation, Tremolo};
use crate::progress::Observer;
use crate::regress::RegressError;
use crate::regress::diagnosis::{Diagnosis, Kind};
use look::Look;
use serde::Serialize;

/// All that was found out about a pair.
#[derive(Clone, Debug, Serialize)]
pub struct Survey {
    /// Whether training on these recordings makes sense as they are.
    pub fit: bool,
    /// Why not, one reason each.
    pub problems: Vec<String>,
    /// What limits the result.
    pub cautions: Vec<String>,
    /// The kind of effect; `None` where nothing could be fitted.
    pub kind: Option<Kind>,
    /// Whether wet comes later by a millisecond or more, or in repeats.
    pub delayed: bool,
    /// Facts about the recordings, worst first.
    pub findings: Vec<Finding>,
    /// Where wet lies against dry.
    pub latency: Option<LatencyFacts>,
    /// How much louder wet is than dry (RMS).
    pub gain_db: Option<f64>,
    /// Noise of the wet side while dry is silent, relative to the wet side's RMS.
    pub noise_db: Option<f64>,
    /// Of the two clocks.
    pub drift: Option<Drift>,
    /// Of the effect's filter over time.
    pub time_variation: Option<TimeVariation>,
    /// Of the effect's gain over time.
    pub gain_sway: Option<Tremolo>,
    /// The guess of the kind, with its figures.
    pub diagnosis: Option<Diagnosis>,
}

/// Looks at all channels of a pair for the latency, which may be given instead, and at `channel`
/// of the wet side, from 0, for the rest. A mono dry side serves every wet channel.
///
/// # Errors
/// A stop asked for by `observer`. Unfit recordings are no error but an outcome.
pub fn survey(
    dry: &Audio,
    wet: &Audio,
    channel: usize,
    given_latency: Option<i64>,
    observer: &dyn Observer,
) -> Result<Survey, RegressError> {
    let mut findings = check::check_pair(dry, wet, Expectations::default());
    let look = if findings.iter().any(|f| f.severity == Severity::Error) {
        Look::default()
    } else {
        Look::at(dry, wet, channel, given_latency, observer)?
    };
    findings.extend(look.findings.iter().cloned());
    let seconds = dry.seconds().min(wet.seconds());
    let (problems, cautions) = judge::judge(&look, &findings, seconds);
    let motion = look.motion.unwrap_or_default();
    Ok(Survey {
        fit: problems.is_empty(),
        problems,
        cautions,
        kind: look.kind(),
        delayed: look.delayed,
        findings,
        gain_db: look.gain_db,
        noise_db: look.noise_db,
        drift: motion.drift,
        time_variation: motion.variation,
        gain_sway: motion.tremolo,
        latency: look.latency,
        diagnosis: look.diagnosis,
    })
}
