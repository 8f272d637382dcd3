//! Looks at a dry and a wet recording as training would, and says whether they are fit for it and
//! what kind of effect lies between them.

use crate::audio::{Audio, decode};
use crate::data::aligned::{self, Motion};
use crate::data::check::{self, Expectations, Finding, Severity};
use crate::dsp::align::{self, AlignOptions, Alignment, Drift, TimeVariation, Tremolo};
use crate::progress::{Event, Observer};
use crate::regress::diagnosis::{self, Diagnosis, Kind, Movement};
use anyhow::{Result, ensure};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A latency from here on is a delay that is heard (or felt) as one.
const DELAYED_SECONDS: f64 = 1e-3;

/// A response is left this many samples of lead before its measured onset: the guess of the kind
/// must not suffer from an onset that was read a little late.
const LEAD: i64 = 8;

/// Below this there is little to learn from.
const SHORT_SECONDS: f64 = 10.0;

/// Noise above this, relative to the wet sound, limits what any network can reach: −40 dB is an
/// ESR of 0.0001.
const NOISY_DB: f64 = -40.0;

/// What to look at.
#[derive(Clone, Debug)]
pub struct CheckRequest {
    /// Recording without the effect.
    pub dry: PathBuf,
    /// The same passage through it.
    pub wet: PathBuf,
    /// The latency, if it is known; else it is measured.
    pub latency_samples: Option<i64>,
    /// Channel whose effect is guessed, from 0; a mono dry side serves every wet channel.
    pub channel: usize,
}

/// Plain figures of one recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// The file.
    pub file: PathBuf,
    /// Its rate.
    pub sample_rate_hz: u32,
    /// How many channels.
    pub channels: usize,
    /// Samples per channel.
    pub samples: usize,
    /// Length.
    pub seconds: f64,
    /// Largest sample of all channels; `None` for silence.
    pub peak_dbfs: Option<f64>,
    /// Of all channels together; `None` for silence.
    pub rms_dbfs: Option<f64>,
}

/// How wet lies against dry.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LatencyFacts {
    /// Positive: wet lags. What training would remove.
    pub latency_samples: i64,
    /// The same in milliseconds.
    pub latency_ms: f64,
    /// To a fraction of a sample, where the response is a plain delay.
    pub exact_samples: Option<f64>,
    /// Whether it was given rather than measured.
    pub given: bool,
    /// The measurement; `None` where none was possible.
    pub measured: Option<Alignment>,
}

/// All that was found out.
#[derive(Clone, Debug, Serialize)]
pub struct CheckOutcome {
    /// Whether training on these files makes sense as they are.
    pub fit: bool,
    /// Why not, one reason each.
    pub problems: Vec<String>,
    /// What limits the result.
    pub cautions: Vec<String>,
    /// The kind of effect; `None` where nothing could be fitted.
    pub kind: Option<Kind>,
    /// Whether wet comes later by a millisecond or more, or in repeats.
    pub delayed: bool,
    /// The recording without the effect.
    pub dry: Side,
    /// The recording through it.
    pub wet: Side,
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
    /// Wall time of the command.
    pub seconds: f64,
}

/// Looks at a pair.
///
/// # Errors
/// A file that cannot be decoded, a channel that is not there, Ctrl-C. Unfit recordings are no
/// error but an outcome.
pub fn check(request: &CheckRequest, observer: &dyn Observer) -> Result<CheckOutcome> {
    let started = Instant::now();
    let dry = decode::read(&request.dry)?.audio;
    let wet = decode::read(&request.wet)?.audio;
    ensure!(
        request.channel < wet.channels().len(),
        "{}: channel {} is asked for, the file has {}; count from 1",
        request.wet.display(),
        request.channel + 1,
        wet.channels().len()
    );
    let mut outcome = CheckOutcome {
        fit: false,
        problems: Vec::new(),
        cautions: Vec::new(),
        kind: None,
        delayed: false,
        findings: check::check_pair(&dry, &wet, Expectations::default()),
        dry: side(&request.dry, &dry),
        wet: side(&request.wet, &wet),
        latency: None,
        gain_db: None,
        noise_db: None,
        drift: None,
        time_variation: None,
        gain_sway: None,
        diagnosis: None,
        seconds: 0.0,
    };
    let broken = outcome
        .findings
        .iter()
        .any(|f| f.severity == Severity::Error);
    if !broken {
        look_closer(request, &dry, &wet, &mut outcome, observer)?;
    }
    judge(&mut outcome);
    outcome.seconds = started.elapsed().as_secs_f64();
    Ok(outcome)
}

fn side(file: &Path, audio: &Audio) -> Side {
    let samples = || audio.channels().iter().flatten().map(|v| f64::from(*v));
    let peak = samples().fold(0.0, |m, v| v.abs().max(m));
    let count = (audio.len() * audio.channels().len()).max(1) as f64;
    let rms = (samples().map(|v| v * v).sum::<f64>() / count).sqrt();
    let dbfs = |level: f64| (level > 0.0 && level.is_finite()).then(|| 20.0 * level.log10());
    Side {
        file: file.to_path_buf(),
        sample_rate_hz: audio.sample_rate().hz(),
        channels: audio.channels().len(),
        samples: audio.len(),
        seconds: audio.seconds(),
        peak_dbfs: dbfs(peak),
        rms_dbfs: dbfs(rms),
    }
}

/// What needs both sides: latency, level, motion, kind.
fn look_closer(
    request: &CheckRequest,
    dry: &Audio,
    wet: &Audio,
    outcome: &mut CheckOutcome,
    observer: &dyn Observer,
) -> Result<()> {
    let rate = dry.sample_rate();
    let dry_channels = dry.channels();
    let beside = |channel: usize| &dry_channels[channel.min(dry_channels.len() - 1)];
    let pairs: Vec<(&[f32], &[f32])> = wet
        .channels()
        .iter()
        .enumerate()
        .map(|(index, wet)| (beside(index).as_slice(), wet.as_slice()))
        .collect();
    observer.event(Event::Start {
        task: "measuring latency",
        total: None,
    });
    let measured = align::estimate_joint(&pairs, &AlignOptions::default());
    observer.event(Event::Finish);
    let latency = match (&measured, request.latency_samples) {
        (_, Some(given)) => given,
        (Ok(found), None) => found.latency_samples,
        (Err(reason), None) => {
            outcome.problems.push(format!(
                "the latency cannot be measured: {reason}; give --latency if you know it"
            ));
            return Ok(());
        }
    };
    let (dry, wet) = (beside(request.channel), &wet.channels()[request.channel]);
    outcome.latency = Some(LatencyFacts {
        latency_samples: latency,
        latency_ms: 1000.0 * latency as f64 / f64::from(rate.hz()),
        exact_samples: aligned::exact_latency(&[(dry, wet)], latency),
        given: request.latency_samples.is_some(),
        measured: measured.ok(),
    });
    let (dry, wet) = shared(dry, wet, latency - LEAD);
    if dry.is_empty() {
        outcome.problems.push(format!(
            "nothing is left of the pair after removing a latency of {latency} samples"
        ));
        return Ok(());
    }
    outcome.gain_db = aligned::gain_db(dry, wet);
    outcome.noise_db = aligned::noise_db(dry, wet);
    observer.event(Event::Start {
        task: "looking for drift and modulation",
        total: None,
    });
    let motion = Motion::measure(dry, wet, LEAD);
    observer.event(Event::Finish);
    outcome.drift = motion.drift;
    outcome.time_variation = motion.variation;
    outcome.gain_sway = motion.tremolo;
    let movement = movement(&motion);
    outcome.diagnosis = diagnosis::diagnose(dry, wet, rate, movement, observer)?;
    outcome.kind = outcome.diagnosis.as_ref().map(|d| d.kind);
    let believed = outcome.kind.is_none_or(|kind| kind == Kind::TimeVarying);
    let spoiling = motion.findings(rate).into_iter();
    let is_drift = |f: &Finding| matches!(f.fact, check::Fact::Drifts { .. });
    let spoiling = spoiling.filter(|f| believed || is_drift(f));
    outcome.findings.extend(spoiling);
    outcome.delayed = outcome.kind == Some(Kind::Delayed)
        || latency.unsigned_abs() as f64 >= DELAYED_SECONDS * f64::from(rate.hz());
    Ok(())
}

fn movement(motion: &Motion) -> Movement {
    let detected = motion.variation.is_some_and(|v| v.detected());
    if detected || motion.tremolo.is_some_and(|s| s.detected()) {
        Movement::Detected
    } else if motion.variation.is_some_and(|v| v.suspected()) {
        Movement::Suspected
    } else {
        Movement::Unseen
    }
}

/// What both sides cover once wet is moved to an earlier place by `lag`.
fn shared<'a>(dry: &'a [f32], wet: &'a [f32], lag: i64) -> (&'a [f32], &'a [f32]) {
    let skip = |x: &'a [f32], by: i64| {
        let by = usize::try_from(by.max(0)).unwrap_or(usize::MAX);
        x.get(by.min(x.len())..).unwrap_or(&[])
    };
    let (dry, wet) = (skip(dry, -lag), skip(wet, lag));
    let len = dry.len().min(wet.len());
    (&dry[..len], &wet[..len])
}

/// From facts to a decision: unfit is what training would refuse or learn nothing from.
fn judge(outcome: &mut CheckOutcome) {
    let mut problems = std::mem::take(&mut outcome.problems);
    let mut cautions = Vec::new();
    for finding in &outcome.findings {
        let spoils = matches!(
            finding.fact,
            check::Fact::Identical
                | check::Fact::OnlyGain { .. }
                | check::Fact::Drifts { .. }
                | check::Fact::FilterMoves { .. }
                | check::Fact::GainSways { .. }
        );
        match finding.severity {
            Severity::Error => problems.push(finding.fact.to_string()),
            Severity::Warning if spoils => problems.push(finding.fact.to_string()),
            Severity::Warning | Severity::Note => cautions.push(finding.fact.to_string()),
        }
    }
    let told = outcome.findings.iter().any(|f| {
        matches!(
            f.fact,
            check::Fact::FilterMoves { .. } | check::Fact::GainSways { .. }
        )
    });
    if outcome.kind == Some(Kind::TimeVarying) && !told {
        problems.push(
            "the effect seems to change over time by a clock of its own, as a chorus or a phaser \
             does: no static model describes it, and what is left returns periodically; a network \
             hears only dry and cannot learn when: switch the modulation off"
                .to_string(),
        );
    }
    if let Some(latency) = &outcome.latency
        && let Some(measured) = &latency.measured
    {
        let repeats = measured.repetition > 0.7;
        if measured.confidence < align::TRUSTED_CONFIDENCE && !latency.given {
            problems.push(format!(
                "the latency measures {} samples with a confidence of {:.2}, and {:.2} is needed{}: \
                 give --latency, and data.latency in the config, if you know it (0 is safe when \
                 both sides were recorded in one session)",
                latency.latency_samples,
                measured.confidence,
                align::TRUSTED_CONFIDENCE,
                if repeats {
                    ", for the dry sound repeats itself, as a held note does"
                } else {
                    ""
                }
            ));
        }
        if repeats {
            cautions.push(format!(
                "the dry sound repeats itself (similarity {:.2}): varied playing teaches more \
                 than a held note or a loop",
                measured.repetition
            ));
        }
    }
    let seconds = outcome.dry.seconds.min(outcome.wet.seconds);
    if outcome.kind.is_some() && outcome.time_variation.is_none() && seconds > SHORT_SECONDS {
        cautions.push(
            "dry has few frequencies at a time (a held note, a sweep, a moving wave): the kind of \
             effect is less sure than from music"
                .to_string(),
        );
    }
    if seconds < SHORT_SECONDS {
        cautions.push(format!(
            "{seconds:.1} s are short; half a minute to three minutes of varied playing, soft and \
             loud, low and high, teach more"
        ));
    }
    if let Some(noise) = outcome.noise_db.filter(|db| *db > NOISY_DB) {
        cautions.push(format!(
            "noise is only {:.0} dB below the wet sound: no network can reach an ESR below {:.1e}",
            -noise,
            10f64.powf(noise / 10.0)
        ));
    }
    outcome.fit = problems.is_empty();
    outcome.problems = problems;
    outcome.cautions = cautions;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shared_stretch_follows_the_lag() {
        let x: Vec<f32> = (0..10).map(|n| n as f32).collect();
        let (dry, wet) = shared(&x, &x, 3);
        assert_eq!((dry[0], wet[0], dry.len(), wet.len()), (0.0, 3.0, 7, 7));
        let (dry, wet) = shared(&x, &x[..6], -3);
        assert_eq!((dry[0], wet[0], dry.len(), wet.len()), (3.0, 0.0, 6, 6));
        assert!(shared(&x, &x, 99).0.is_empty());
    }
}
