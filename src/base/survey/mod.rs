//! Two recordings laid beside each other: whether they belong together, are fit for training, and
//! what kind of effect lies between them.
//!
//! Knows sounds, not files; measures with the rooms below and decides here alone.

mod bond;
mod judge;
mod look;
mod moving;
mod stereo;

pub use bond::Bond;
pub use look::{LatencyFacts, SoundingFacts};
pub use stereo::Sides;

use crate::audio::Tracks;
use crate::data::channels;
use crate::data::check::{self, Expectations, Finding, Severity};
use crate::dsp::align::{Drift, TimeVariation, Tremolo};
use crate::number;
use crate::progress::Observer;
use crate::regress::RegressError;
use crate::regress::diagnosis::{Diagnosis, Kind};
use crate::regress::modulation::Moving;
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
    /// Whether the two may be a recording and its source.
    pub belong: bool,
    /// What ties them; `None` where nothing could be measured.
    pub bond: Option<Bond>,
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
    /// Where the pair sounds; `None` where it was not looked at.
    pub sounding: Option<SoundingFacts>,
    /// Noise of the wet side while dry is silent, relative to the wet side's RMS; −∞ where it is
    /// digitally silent.
    #[serde(with = "number::optional")]
    pub noise_db: Option<f64>,
    /// Of the two clocks.
    pub drift: Option<Drift>,
    /// Of the effect's filter over time.
    pub time_variation: Option<TimeVariation>,
    /// Of the effect's gain over time.
    pub gain_sway: Option<Tremolo>,
    /// The effect standing still against the effect in motion, both fitted; `None` where a static
    /// model says it all.
    pub moving: Option<Moving>,
    /// How the two sides of a stereo wet are related; `None` of others.
    pub sides: Option<Sides>,
    /// The guess of the kind, with its figures.
    pub diagnosis: Option<Diagnosis>,
}

impl Survey {
    /// How many samples wet lags and how sure that is, where it is known to some samples at least.
    pub fn placed_latency(&self) -> Option<(i64, f64)> {
        let latency = self.latency.as_ref()?;
        let measured = latency.measured.as_ref()?;
        let placed = self.bond.unwrap_or_default().places(measured);
        placed.then_some((latency.latency_samples, measured.confidence))
    }

    /// What moves by a clock of its own, in words, where something does.
    pub fn motion_words(&self) -> Option<String> {
        let moving = self.moving.as_ref().filter(|moving| moving.detected());
        moving.map(moving::words)
    }
}

/// Looks at all channels of a pair for the latency, which may be given instead, and at the first
/// of the wet side for the rest; or at one channel alone, from 0. A mono side serves every channel
/// of the other.
///
/// # Errors
/// A stop asked for by `observer`. Unfit recordings are no error but an outcome.
pub fn survey(
    dry: &Tracks<'_>,
    wet: &Tracks<'_>,
    channel: Option<usize>,
    given_latency: Option<i64>,
    observer: &dyn Observer,
) -> Result<Survey, RegressError> {
    let chosen: Vec<usize> = match channel {
        Some(channel) => vec![channel],
        None => (0..dry.channels().len().max(wet.channels().len())).collect(),
    };
    // Whoever names a channel that is not there is told of all that are.
    let sides = [dry, wet].map(|side| channels::picked(side, &chosen).unwrap_or(side.clone()));
    let findings = check::check_pair(&sides[0], &sides[1], Expectations::default());
    let findings = findings.into_iter();
    let findings = findings.map(|f| channels::as_recorded(f, &chosen, dry, wet));
    let mut findings: Vec<Finding> = findings.collect();
    let [dry, wet] = &sides;
    let look = if findings.iter().any(|f| f.severity == Severity::Error) {
        Look::default()
    } else {
        Look::at(dry, wet, given_latency, observer)?
    };
    findings.extend(look.findings.iter().cloned());
    let seconds = dry.seconds().min(wet.seconds());
    let (problems, cautions) = judge::judge(&look, &findings, seconds);
    let belong = look.belong();
    let motion = look.motion.unwrap_or_default();
    Ok(Survey {
        fit: problems.is_empty(),
        problems,
        cautions,
        belong,
        bond: look.bond,
        kind: look.kind(),
        delayed: look.delayed,
        findings,
        gain_db: look.gain_db,
        sounding: look.sounding,
        noise_db: look.noise_db,
        drift: motion.drift,
        time_variation: motion.variation,
        gain_sway: motion.tremolo,
        moving: look.moving,
        sides: look.sides,
        latency: look.latency,
        diagnosis: look.diagnosis.filter(|_| belong),
    })
}
