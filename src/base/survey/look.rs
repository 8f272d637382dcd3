//! What is found out when a dry and a wet recording are laid beside each other: latency, level,
//! noise, motion, and the kind of effect.
//!
//! Measures; does not decide.

use super::bond::Bond;
use super::moving;
use super::stereo::{self, Both, Sides};
use crate::audio::track::Samples;
use crate::audio::{SampleRate, Track, Tracks};
use crate::data::aligned::{self, Motion};
use crate::data::check::{Fact, Finding};
use crate::data::sound::Sounding;
use crate::dsp::align::{self, AlignOptions, Alignment, Drift};
use crate::progress::{Observer, Task};
use crate::regress::RegressError;
use crate::regress::diagnosis::{self, Diagnosis, Kind};
use crate::regress::modulation::Moving;
use serde::Serialize;

/// A latency from here on is a delay that is heard (or felt) as one.
const DELAYED_SECONDS: f64 = 1e-3;

/// Filters that reach further than this between the sides are heard as an echo or a room.
const HEARD_APART_SECONDS: f64 = 0.05;

/// A response is left this many samples of lead before its measured onset: the guess of the kind
/// must not suffer from an onset that was read a little late.
const LEAD: i64 = 8;

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

impl LatencyFacts {
    /// Where wet begins: with clocks that drift the latency is that of the middle.
    fn at_start(&self) -> i64 {
        match &self.measured {
            Some(measured) if !self.given => measured.lag_at_start(),
            _ => self.latency_samples,
        }
    }

    /// By how much the clocks slide.
    fn drift(&self) -> Option<Drift> {
        self.measured.as_ref().and_then(|measured| measured.drift)
    }
}

/// Where a pair sounds, in seconds of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SoundingFacts {
    /// Where sound begins.
    pub from_seconds: f64,
    /// Where it ends.
    pub to_seconds: f64,
    /// Where validation and test begin, and where test ends, when the last two tenths are held
    /// back.
    pub held_back_seconds: Vec<f64>,
    /// Whether these are tenths of the length, not of what sounds.
    pub even: bool,
}

impl SoundingFacts {
    /// `None` when nothing sounds.
    fn of(sounding: &Sounding, rate: SampleRate) -> Option<Self> {
        let range = sounding.range()?;
        let tenths = sounding.tenths_from(8);
        Some(Self {
            from_seconds: rate.seconds(range.start),
            to_seconds: rate.seconds(range.end),
            held_back_seconds: tenths.bounds.iter().map(|b| rate.seconds(*b)).collect(),
            even: tenths.even,
        })
    }
}

/// What was found, as far as looking made sense.
#[derive(Default)]
pub(super) struct Look {
    /// Why no more could be found.
    pub(super) problem: Option<String>,
    pub(super) latency: Option<LatencyFacts>,
    pub(super) gain_db: Option<f64>,
    pub(super) noise_db: Option<f64>,
    pub(super) sounding: Option<SoundingFacts>,
    pub(super) motion: Option<Motion>,
    /// What the motion means for training.
    pub(super) findings: Vec<Finding>,
    pub(super) diagnosis: Option<Diagnosis>,
    pub(super) moving: Option<Moving>,
    pub(super) sides: Option<Sides>,
    pub(super) delayed: bool,
    pub(super) bond: Option<Bond>,
}

impl Look {
    /// Looks at all channels for the latency, which may be given instead, and at the first of
    /// the wet side for the rest. A mono dry side serves every wet channel.
    ///
    /// # Errors
    /// Ctrl-C.
    pub(super) fn at(
        dry: &Tracks<'_>,
        wet: &Tracks<'_>,
        given: Option<i64>,
        observer: &dyn Observer,
    ) -> Result<Self, RegressError> {
        let rate = dry.sample_rate();
        let channels = dry.channels();
        let beside = |channel: usize| channels[channel.min(channels.len() - 1)];
        let wet = wet.channels().iter().enumerate();
        let pairs: Vec<Channel<'_>> = wet.map(|(index, wet)| (beside(index), *wet)).collect();
        let task = Task::begin(observer, "measuring latency", None);
        let measured = align::estimate_joint(&pairs, &AlignOptions::default());
        drop(task);
        let latency_samples = match (&measured, given) {
            (_, Some(given)) => given,
            (Ok(found), None) => found.latency_samples,
            (Err(reason), None) => {
                return Ok(Self {
                    problem: Some(format!(
                        "the latency cannot be measured: {reason}; give --latency if you know it"
                    )),
                    ..Self::default()
                });
            }
        };
        let pair = pairs[0];
        let look = Self {
            latency: Some(LatencyFacts {
                latency_samples,
                latency_ms: 1000.0 * latency_samples as f64 / f64::from(rate.hz()),
                exact_samples: aligned::exact_latency(&[pair], latency_samples),
                given: given.is_some(),
                measured: measured.ok(),
            }),
            ..Self::default()
        };
        let found = look.along(pair, rate, observer)?;
        Ok(match pairs.as_slice() {
            [left, right] => found.beside(channels.len(), [*left, *right], rate, observer),
            _ => found,
        })
    }

    /// What both sides of a stereo wet say together, after what the left alone said.
    fn beside(
        self,
        heard: usize,
        [left, right]: [Channel<'_>; 2],
        rate: SampleRate,
        observer: &dyn Observer,
    ) -> Self {
        let Some(latency) = &self.latency else {
            return self;
        };
        let lag = latency.at_start() - LEAD;
        let [left, right] = [left, right].map(|(dry, wet)| shared(dry, wet, lag));
        if left.0.is_empty() {
            return self;
        }
        let still = |wet| align::without_drift(wet, latency.drift(), LEAD);
        let wets = [still(left.1), still(right.1)];
        let wet = [or(&wets[0], left.1), or(&wets[1], right.1)];
        let excerpt = stereo::excerpt(wet[0].len(), rate);
        let parts = [left.0, right.0, wet[0], wet[1]].map(|x| x.read(excerpt.clone()));
        let [left_dry, right_dry, left_wet, right_wet] = &parts;
        let both = Both {
            dry: [&**left_dry, &**right_dry]
                .into_iter()
                .take(heard)
                .collect(),
            wet: [left_wet, right_wet],
            rate,
        };
        let sides = stereo::look(&both, self.moving.as_ref(), observer);
        let mut look = Self { sides, ..self };
        if heard > 1 && look.sides.as_ref().is_some_and(|sides| sides.joint) {
            // Wet is silent where both are.
            let both = Louder(left.0, right.0);
            look.noise_db = aligned::noise_db(Track::of(&both), wet[0], rate);
        }
        let Some(sides) = look.sides.as_ref().filter(|sides| sides.is_linear()) else {
            return look;
        };
        // The left alone is not all of the effect.
        if let Some(bond) = &mut look.bond {
            let explained = bond.explained.unwrap_or(0.0).max(1.0 - sides.together);
            bond.explained = Some(explained);
        }
        if let Some(diagnosis) = &mut look.diagnosis {
            let is_long = rate.seconds(sides.reach) > HEARD_APART_SECONDS;
            diagnosis.kind = if is_long { Kind::Delayed } else { Kind::Linear };
        }
        look.moving = None;
        look
    }

    /// What is found in a pair of channels once its latency, and the slide of its clocks, are
    /// undone.
    fn along(
        self,
        (dry, wet): Channel<'_>,
        rate: SampleRate,
        observer: &dyn Observer,
    ) -> Result<Self, RegressError> {
        let Some(latency) = &self.latency else {
            return Ok(self);
        };
        let latency_samples = latency.latency_samples;
        let measured = latency.measured.as_ref();
        let whole = (dry, wet);
        let (dry, wet) = shared(dry, wet, latency.at_start() - LEAD);
        if dry.is_empty() {
            return Ok(Self {
                problem: Some(format!(
                    "nothing is left of the pair after removing a latency of {latency_samples} \
                     samples"
                )),
                ..self
            });
        }
        let task = Task::begin(observer, "looking for drift and modulation", None);
        let drift = latency.drift();
        let still = align::without_drift(wet, drift, LEAD);
        let wet = or(&still, wet);
        let motion = Motion::measure(dry, wet, LEAD, drift);
        let likeness = align::level_likeness(dry, wet, LEAD);
        // Without a waveform that follows, the place may be anywhere.
        let unmoved = align::level_likeness(whole.0, whole.1, 0);
        let likeness = [likeness, unmoved].into_iter().flatten().reduce(f64::max);
        drop(task);
        let sways = motion.tremolo.is_some_and(|s| s.detected());
        let mut diagnosis = diagnosis::diagnose(dry, wet, rate, sways, observer)?;
        let bond = Bond::new(measured, diagnosis.as_ref(), likeness);
        // What does not move must stand at lag 0, or a delay that stands still is found there.
        let ahead = wet.skip(LEAD as usize);
        let beside = dry.part(0..ahead.len());
        let moving = moving::look(beside, ahead, rate, diagnosis.as_ref(), observer);
        let moves = moving.as_ref().is_some_and(Moving::detected);
        if let Some(diagnosis) = diagnosis
            .as_mut()
            .filter(|_| moves || bond.moves_too_fast())
        {
            diagnosis.kind = Kind::TimeVarying;
            diagnosis.echo = None;
        }
        let kind = diagnosis.as_ref().map(|d| d.kind);
        let believed = kind.is_none_or(|kind| kind == Kind::TimeVarying);
        let spoiling = motion.findings(rate).into_iter();
        // Both hypotheses fitted say more than one threshold on the filter's course.
        let spoiling = spoiling.filter(|f| match f.fact {
            Fact::Drifts { .. } => true,
            Fact::FilterMoves { .. } => false,
            _ => believed,
        });
        let late = latency_samples.unsigned_abs() as f64;
        Ok(Self {
            gain_db: aligned::gain_db(dry, wet),
            noise_db: aligned::noise_db(dry, wet, rate),
            sounding: SoundingFacts::of(&Sounding::of(dry, wet), rate),
            findings: spoiling.collect(),
            delayed: kind == Some(Kind::Delayed) || late >= DELAYED_SECONDS * f64::from(rate.hz()),
            motion: Some(motion),
            diagnosis,
            moving,
            bond: Some(bond),
            ..self
        })
    }

    /// Whether the two may be a recording and its source.
    pub(super) fn belong(&self) -> bool {
        self.bond.is_none_or(|bond| bond.holds())
    }

    /// The kind of effect; `None` where nothing could be fitted, or there is none between the two.
    pub(super) fn kind(&self) -> Option<Kind> {
        let diagnosis = self.diagnosis.as_ref().filter(|_| self.belong());
        diagnosis.map(|diagnosis| diagnosis.kind)
    }
}

/// Dry and wet of one channel.
type Channel<'a> = (Track<'a>, Track<'a>);

/// What both sides cover once wet is moved to an earlier place by `lag`.
fn shared<'a>(dry: Track<'a>, wet: Track<'a>, lag: i64) -> Channel<'a> {
    let by = |lag: i64| usize::try_from(lag.max(0)).unwrap_or(usize::MAX);
    let (dry, wet) = (dry.skip(by(-lag)), wet.skip(by(lag)));
    let len = dry.len().min(wet.len());
    (dry.part(0..len), wet.part(0..len))
}

/// What was made of a track, where something was.
fn or<'a>(made: &'a Option<Vec<f32>>, track: Track<'a>) -> Track<'a> {
    made.as_ref().map_or(track, Track::from)
}

/// Two channels of one length as one that is silent where both are.
struct Louder<'a>(Track<'a>, Track<'a>);

impl Samples for Louder<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn read(&self, from: usize, out: &mut [f32]) {
        let range = from..from + out.len();
        let (left, right) = (self.0.read(range.clone()), self.1.read(range));
        let both = left.iter().zip(&*right);
        for (out, (l, r)) in out.iter_mut().zip(both) {
            *out = l.abs() + r.abs();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shared_stretch_follows_the_lag() {
        let x: Vec<f32> = (0..10).map(|n| n as f32).collect();
        let heard = |(dry, wet): Channel<'_>| [dry, wet].map(|x| x.whole().into_owned());
        let all = Track::from(&x);
        assert_eq!(heard(shared(all, all, 3)), [&x[..7], &x[3..]]);
        assert_eq!(heard(shared(all, all.part(0..6), -3)), [&x[3..9], &x[..6]]);
        assert!(shared(all, all, 99).0.is_empty());
    }
}
