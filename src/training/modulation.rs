//! An effect that moves by itself, learned: found by analysis before the first epoch, a few Gauss–Newton
//! steps nearer to the recordings in every epoch; and where its oscillator stood in a recording, read off
//! the sound before what is to be predicted.
//!
//! Knows neither optimisers nor folders.

use crate::config::{Config, ModelConfig};
use crate::data::pair::{DryWetPair, Reach, Span};
use crate::models::EffectModel;
use crate::network::{self, MovedPart};
use crate::progress::{Event, Observer, Stopped, Task};
use crate::regress::modulation::{Fitted, Modulation, Phases, Recording, Size};
use crate::report::metrics::ErrorSums;
use serde::Serialize;
use std::ops::Range;
use std::sync::Arc;

/// Steps of an epoch.
const STEPS: usize = 3;

/// Milliseconds of a recording that tell where its oscillator stands.
pub const OPENING_MS: usize = 2000;

/// Less than this before what is predicted tells too little: the recording's own beginning does.
const LEAST_MS: usize = 1000;

const NOT_FOUND: &str = "nothing in the training recordings was found to move by a clock of its own: a slow \
                         chorus is what the first epoch starts from; `effigy check` says what the effect is";

/// Names what moves in a config that leaves it open, and whether two oscillators move it, as the recordings say.
///
/// # Errors
/// Stopped.
pub fn name_part(
    config: &mut Config,
    spans: &[Span],
    observer: &dyn Observer,
) -> Result<(), Stopped> {
    let ModelConfig::Modulated(settings) = &mut config.model else {
        return Ok(());
    };
    if settings.part.is_some() {
        return Ok(());
    }
    let task = Task::begin(observer, "looking for what moves", None);
    // By how much two oscillators of the right are ahead of those of the left is not looked for.
    let two = spans.first().is_some_and(|span| span.sides().count() == 1);
    let found = recordings(spans).and_then(|(recordings, hz)| {
        Fitted::shape_of(&recordings, hz, two, &|| task.go_on().is_ok())
    });
    task.go_on()?;
    match found {
        Some(found) => {
            settings.part = Some(found.part);
            settings.second |= found.second;
            settings.harmonics = settings.harmonics.min(found.harmonics);
        }
        None => {
            observer.event(Event::Warning(NOT_FOUND));
            settings.part = Some(MovedPart::Delay);
        }
    }
    Ok(())
}

/// What a run's own config says moves, where `config` leaves it open.
pub fn adopt_part(config: &mut Config, saved: &Config) {
    if let (ModelConfig::Modulated(open), ModelConfig::Modulated(saved)) =
        (&mut config.model, &saved.model)
        && open.part.is_none()
    {
        open.part = saved.part;
        open.second |= saved.second;
        open.harmonics = open.harmonics.min(saved.harmonics);
    }
}

/// `model` before its first epoch, as analysis finds the effect; another network, or one that is not
/// found, as it is.
///
/// # Errors
/// Stopped.
pub fn begin(
    model: EffectModel,
    config: &Config,
    spans: &[Span],
    observer: &dyn Observer,
) -> Result<EffectModel, Stopped> {
    let ModelConfig::Modulated(settings) = &config.model else {
        return Ok(model);
    };
    let size = Size {
        taps: settings.taps,
        harmonics: settings.harmonics,
        second: settings.second,
    };
    let task = Task::begin(observer, "finding the motion", None);
    let found = recordings(spans).and_then(|(recordings, hz)| {
        let go_on = || task.go_on().is_ok();
        let found = Fitted::begin(&recordings, hz, (settings.part, size), &go_on)?;
        Some((found.effect.per_sample(hz), ahead(&found.phases)))
    });
    task.go_on()?;
    Ok(match found {
        Some((found, ahead)) => model.with_motion(&found, ahead),
        None => model,
    })
}

/// `model` (without autodiff) after an epoch, and its errors on the spans; `None` of other networks.
///
/// # Errors
/// Stopped.
pub fn epoch(
    model: &EffectModel,
    spans: &[Span],
    observer: &dyn Observer,
) -> Result<Option<(EffectModel, ErrorSums)>, Stopped> {
    let Some((recordings, hz)) = recordings(spans) else {
        return Ok(None);
    };
    let Some(effect) = effect_of(model, hz) else {
        return Ok(None);
    };
    let task = Task::begin(observer, "following the motion", None);
    let known = Fitted::of(effect, &recordings, hz);
    let refined = known
        .clone()
        .refine(&recordings, hz, STEPS, &|| task.go_on().is_ok());
    task.go_on()?;
    let mut fitted = refined.unwrap_or(known);
    let is_stereo = !model.audio_channels().is_mono();
    let ahead = if is_stereo {
        ahead(&fitted.phases)
    } else {
        0.0
    };
    if is_stereo {
        // One oscillator moves both sides.
        for right in (1..recordings.len()).step_by(2) {
            let [left, second] = fitted.phases[right - 1];
            fitted.phases[right] = [left + ahead, second];
            fitted.rates[right] = fitted.rates[right - 1];
        }
    }
    let mut sums = ErrorSums::default();
    for (at, recording) in recordings.iter().enumerate() {
        let answer = fitted.answer(at, recording.dry, hz);
        for range in &recording.ranges {
            sums.add(&recording.wet[range.clone()], &answer[range.clone()]);
        }
    }
    let effect = fitted.effect.per_sample(hz);
    let model = model.clone().with_motion(&effect, ahead);
    Ok(Some((model, sums)))
}

/// By how much the right sides' phases are ahead of the left sides', where recordings are both in turn:
/// the mean direction.
fn ahead(phases: &[Phases]) -> f64 {
    let apart = phases.chunks_exact(2);
    let apart = apart.map(|sides| sides[1][0] - sides[0][0]);
    let (sin, cos) = apart.fold((0.0, 0.0), |(sin, cos), x: f64| {
        (sin + x.sin(), cos + x.cos())
    });
    sin.atan2(cos)
}

/// The recordings that spans are of, side by side where these are of both sides of a stereo effect, and
/// their rate.
fn recordings(spans: &[Span]) -> Option<(Vec<Recording<'_>>, f64)> {
    let hz = f64::from(spans.first()?.pair().sample_rate().hz());
    let mut found: Vec<(&Arc<DryWetPair>, Recording<'_>)> = Vec::new();
    for (span, pair) in spans
        .iter()
        .flat_map(|s| s.sides().map(move |pair| (s, pair)))
    {
        match found.iter_mut().find(|(other, _)| Arc::ptr_eq(other, pair)) {
            Some((_, recording)) => recording.ranges.push(span.samples()),
            None => found.push((
                pair,
                Recording {
                    dry: pair.dry(),
                    wet: pair.wet(),
                    ranges: vec![span.samples()],
                },
            )),
        }
    }
    Some((
        found.into_iter().map(|(_, recording)| recording).collect(),
        hz,
    ))
}

/// The effect that a model is, at this rate.
fn effect_of(model: &EffectModel, hz: f64) -> Option<Modulation> {
    Some(model.modulated()?.effect().per_second(hz))
}

/// What a network that moves by itself needs beside `reach`: two seconds of each recording.
pub fn reach(reach: Reach) -> Reach {
    Reach {
        opening_ms: OPENING_MS,
        ..reach
    }
}

/// Where the oscillator stood in a recording, and how that is known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseReport {
    /// The recording.
    pub label: String,
    /// With its first sample, radians.
    pub phase: f64,
    /// Of a second oscillator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_phase: Option<f64>,
    /// Its rate there, hertz: the learned one, unless what was read tells another.
    pub rate_hz: f64,
    /// The same over the learned one.
    pub rate_factor: f64,
    /// Seconds that told it, from where to where.
    pub read_seconds: [f64; 2],
    /// Seconds that were scored, from where to where.
    pub scored_seconds: [f64; 2],
}

impl std::fmt::Display for PhaseReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ([read, to], [from, end]) = (self.read_seconds, self.scored_seconds);
        write!(
            f,
            "{}: the oscillator's phase is {:.3} rad with the first sample{} and its rate {:.4} Hz, read off {:.2} s \
             ({read:.2} to {to:.2}); {:.2} s are scored ({from:.2} to {end:.2})",
            self.label,
            self.phase,
            self.second_phase.map_or(String::new(), |phase| format!(
                " (the second one's {phase:.3} rad)"
            )),
            self.rate_hz,
            to - read,
            end - from
        )
    }
}

/// The samples that tell where the oscillator stands in `range` of a pair: those before it; where these are
/// too few, those behind it; and where these are too few, the pair's first.
fn told_by(pair: &DryWetPair, range: &Range<usize>) -> Range<usize> {
    let hz = pair.sample_rate().hz() as usize;
    let [opening, least] = [OPENING_MS, LEAST_MS].map(|ms| ms * hz / 1000);
    if range.start >= least {
        range.start.saturating_sub(opening)..range.start
    } else if pair.len() - range.end >= least {
        range.end..(range.end + opening).min(pair.len())
    } else {
        0..opening.min(pair.len())
    }
}

/// Where an effect's oscillator, so far ahead (radians) on the right of a stereo effect, stood in a span's recording of
/// which `range` is to be predicted.
pub fn report(
    (effect, ahead): (&Modulation, f64),
    span: &Span,
    range: &Range<usize>,
) -> PhaseReport {
    let pair = span.pair();
    let told_by = told_by(pair, range);
    let sides = span.sides().map(|pair| Recording {
        dry: pair.dry(),
        wet: pair.wet(),
        ranges: vec![told_by.clone()],
    });
    let sides: Vec<Recording<'_>> = sides.collect();
    let rate = pair.sample_rate();
    let seconds = |range: &Range<usize>| [range.start, range.end].map(|at| rate.seconds(at));
    let ([phase, second], rate_hz) = effect.stood_in(&sides, ahead, f64::from(rate.hz()));
    let learned = effect.motion.oscillator.rate_hz;
    PhaseReport {
        label: pair.name().to_string(),
        phase,
        second_phase: effect.motion.second.as_ref().map(|_| second),
        rate_hz,
        rate_factor: if learned > 0.0 {
            rate_hz / learned
        } else {
            1.0
        },
        read_seconds: seconds(&told_by),
        scored_seconds: seconds(range),
    }
}

/// The same of the effect that a model is; `None` of other networks.
pub fn of_model(model: &EffectModel, span: &Span, range: &Range<usize>) -> Option<PhaseReport> {
    let effect = effect_of(model, f64::from(span.pair().sample_rate().hz()))?;
    let ahead = model.modulated()?.ahead();
    Some(report((&effect, ahead), span, range))
}

impl PhaseReport {
    /// Where the knobs of the network stand with the recording's first sample.
    pub fn knobs(&self) -> Vec<f32> {
        let second = self.second_phase.map(|phase| phase as f32);
        network::Modulated::as_learned(self.phase as f32, self.rate_factor as f32, second)
    }
}

/// Where the knobs of `model` stand: where the pair says; of one that moves by itself as `stood` says, its phase
/// with the sample of this number (before the pair's first, below 0).
pub fn knobs(
    model: &EffectModel,
    pair: &DryWetPair,
    stood: Option<&PhaseReport>,
    first: i64,
) -> Vec<f32> {
    match stood {
        Some(stood) => model.knobs_before(&stood.knobs(), -first),
        None => pair.controls().to_vec(),
    }
}
