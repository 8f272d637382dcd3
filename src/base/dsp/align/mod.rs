//! How late a wet recording is against its dry one: latency, polarity, drift, and whether the
//! effect changes over time.
//!
//! Works on samples of one channel; knows no files, no networks and no sample rates (all times
//! are in samples).
//!
//! The latency is the **onset** of the response from dry to wet, never its largest peak: a
//! causal network can learn a delay that is left in, but cannot see the future that a shift too
//! far would hide from it. In short:
//!
//! 1. Both sounds are faded in and out, for files cut in running sound begin and end with a step,
//!    and whitened by causal minimum-phase filters made from their own spectra, so that nothing
//!    moves to an earlier sample and a filter's delay shrinks to a spike on its first sample
//!    (`align/whiten.rs`).
//! 2. Stretch by stretch along the recording they are correlated, near by and, where that is not
//!    conclusive, at all lags: a response is there throughout, an accident once. What fits only as
//!    far as dry fits itself is no place. A line of lags that slopes is a clock that drifts, and is
//!    undone (`align/search.rs`, `align/place.rs`).
//! 3. Around that place, the correlation of the whole is the response; nine views (fine to coarse
//!    noise floor, long or short filter, loudness levelled or not) suit different material. The
//!    first sample well above the noise and a good part of the peak is the onset; the view that
//!    fixes a sample best (peak over floor, per sample of width) gives it.
//! 4. Where little of the spectrum sounds, an onset is read too early, for its spike is wide. There
//!    the phases know better: what is left of them once the minimum-phase filter of the measured
//!    gains is taken away is a delay (`align/transfer.rs`, `align/gains.rs`).
//! 5. Confidence is a probability, calibrated on pairs of known truth (`align/confidence.rs`).

mod confidence;
mod correlate;
mod drift;
mod gains;
mod place;
mod response;
mod search;
mod transfer;
mod tremolo;
mod variation;
mod whiten;

use crate::audio::{Track, level};
use confidence::Evidence;
use place::Place;
use response::{Reading, SIGNIFICANT, Whitened};
use serde::Serialize;
use std::ops::RangeInclusive;
use transfer::{Start, Transfer};
use whiten::Whitener;

pub use confidence::TRUSTED_CONFIDENCE;
pub use correlate::correlate;
pub use drift::Drift;
pub use transfer::BandDelay;
pub use tremolo::Tremolo;
pub use variation::TimeVariation;

/// Strength from which on the place of a latency is known; see [`Alignment::is_placed`].
const PLACED: f64 = 9.0;

/// Where to look for the latency.
#[derive(Clone, Debug, PartialEq)]
pub struct AlignOptions {
    /// Lags considered, in samples (positive: wet lags). Default −1000 ..= 4000: a workstation
    /// that over-compensates its interface leads by less than 1000, a round trip through a
    /// slow interface lags by less than 4000 (83 ms at 48 kHz).
    pub lags: RangeInclusive<i64>,
    /// At most this many samples are looked at, the loudest stretch of a longer recording.
    pub max_samples: usize,
    /// Whether to look at all lags when the dry and wet sounds do not agree at any of these.
    pub beyond: bool,
}

/// Lags looked at before the place where dry and wet agree, in samples: an echo may be louder than
/// the direct sound before it.
const BEFORE: i64 = 4096;

/// The same after it.
const AFTER: i64 = 1024;

impl Default for AlignOptions {
    fn default() -> Self {
        Self {
            lags: -1000..=4000,
            max_samples: 1 << 20,
            beyond: true,
        }
    }
}

/// Why no latency can be given.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AlignError {
    /// No pair was given.
    #[error("no dry/wet pair to align; give at least one")]
    NoPair,
    /// The range of lags is empty.
    #[error("lags from {first} to {last} contain none; the first must not exceed the last")]
    NoLags {
        /// First lag asked for.
        first: i64,
        /// Last lag asked for.
        last: i64,
    },
    /// Too few samples for the lags asked for.
    #[error(
        "{which} has {samples} samples, too few to align over these lags: at least {needed} are \
         needed; use a longer recording or a narrower range of lags"
    )]
    TooShort {
        /// "dry" or "wet".
        which: &'static str,
        /// Its length.
        samples: usize,
        /// The least length for these lags.
        needed: usize,
    },
    /// A sound has a single value throughout.
    #[error("{which} is silent: nothing to align; check that the right file was recorded")]
    Silent {
        /// "dry" or "wet".
        which: &'static str,
    },
    /// A sample is not a number or infinite.
    #[error(
        "{which} sample {position} is {value}; every sample must be finite: record or export it again"
    )]
    NotFinite {
        /// "dry" or "wet".
        which: &'static str,
        /// Index of the first such sample.
        position: usize,
        /// It.
        value: f32,
    },
}

/// What one view of the response says: for a user who wants to judge for themself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// Onset of the response in this view, in samples.
    pub onset: i64,
    /// Its largest swing, in samples: what plain cross-correlation would call the latency.
    pub peak: i64,
    /// The largest swing in multiples of the noise floor; below 8 it may be an accident.
    pub significance: f64,
    /// How many samples the response around it spreads over: 1 for a plain gain, more for a
    /// filter, and many for a dry sound with too few frequencies to tell one lag from the next.
    pub width: f64,
}

/// How a wet recording lies against its dry one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alignment {
    /// How many samples wet lags (negative: wet leads).
    pub latency_samples: i64,
    /// 0 ..= 1: how probable it is that the latency is right, on the sample or one sample early: so
    /// often it is, over pairs of known truth of which half do not belong together. Rises with how far
    /// wet follows dry throughout and how far the response stands above the noise, falls with its
    /// width; a dry sound that repeats itself is trusted less. See [`TRUSTED_CONFIDENCE`].
    pub confidence: f64,
    /// Whether the first swing of the response (of at least half the largest) is negative: a
    /// chain that turns the waveform upside down. A distortion's response is its best linear
    /// one: inverted when a push up first pushes the output down.
    pub inverted: bool,
    /// How far the dry sound repeats itself within the lags searched: 0 (never) ..= 1.
    pub repetition: f64,
    /// Share of the recording's stretches in which wet follows dry at this latency: 0 ..= 1.
    pub support: f64,
    /// What these stretches say together, in standard deviations of chance; below 7 it may be one.
    pub strength: f64,
    /// Of the two clocks; `None` where it cannot be told.
    pub drift: Option<Drift>,
    /// How far the response is a delay and a filter that answers at once: 0 ..= 1.
    pub purity: f64,
    /// Where the response begins if it is: to a fraction of a sample.
    pub start_samples: Option<f64>,
    /// The highest frequency at which dry and wet go together, as a share of half the rate.
    pub top: f64,
    /// First and last lag that were searched.
    pub searched: (i64, i64),
    /// Every view, the one chosen first.
    pub candidates: Vec<Candidate>,
}

impl Alignment {
    /// Whether wet is known to follow dry here, if not on which sample: a latency that may be a few
    /// samples early, and nothing else.
    pub fn is_placed(&self) -> bool {
        self.confidence >= TRUSTED_CONFIDENCE || (self.follows() && self.repetition < 0.75)
    }

    /// Whether wet follows dry here; where dry repeats itself, it does so at other lags too.
    pub fn follows(&self) -> bool {
        self.strength >= PLACED && self.support > 0.3 && self.repetition < 0.95
    }

    /// How many samples wet lags where it begins; less later on, if its clock is the faster one.
    pub fn lag_at_start(&self) -> i64 {
        let slide = self.drift.filter(Drift::is_sure).map_or(0.0, |d| d.samples);
        self.latency_samples - slide.min(0.0).floor() as i64
    }
}

/// The latency of `wet` against `dry` (one channel each, lengths may differ).
///
/// # Errors
/// See [`AlignError`].
pub fn estimate<'a>(
    dry: impl Into<Track<'a>>,
    wet: impl Into<Track<'a>>,
    options: &AlignOptions,
) -> Result<Alignment, AlignError> {
    estimate_joint(&[(dry.into(), wet.into())], options)
}

/// The one latency of several pairs recorded through the same chain: their responses are
/// averaged, each weighted by how little noise it has, before the onset is looked for.
///
/// # Errors
/// See [`AlignError`]; one unusable pair makes the whole unusable.
pub fn estimate_joint(
    pairs: &[(Track<'_>, Track<'_>)],
    options: &AlignOptions,
) -> Result<Alignment, AlignError> {
    let mut pairs: Vec<_> = pairs
        .iter()
        .map(|(dry, wet)| Ok(faded(prepare(*dry, *wet, options)?)))
        .collect::<Result<_, AlignError>>()?;
    let place = place::find(&pairs, &options.lags, options.beyond).ok_or(AlignError::NoPair)?;
    let line = place.line;
    // Where the clocks disagree, every pair is read at dry's speed before a sample is named.
    let start = line.lag - (0.5 * line.slide).round() as i64;
    if line.slide != 0.0 {
        for (_, wet) in &mut pairs {
            *wet = place::without_slide(wet, place.slope(), start);
        }
    }
    let lags = start - BEFORE..=start + AFTER;
    let repetition = pairs
        .iter()
        .map(|(dry, _)| repetition_of(dry, &options.lags))
        .reduce(f64::min);
    let readings = pooled_responses(&pairs, &lags);
    let readings = readings
        .iter()
        .filter_map(|g| response::read(g, BEFORE as usize))
        .collect();
    let decided = decide(readings, repetition.unwrap_or(1.0), &lags, &place);
    let (mut alignment, evidence) = decided.ok_or(AlignError::NoPair)?;
    let start = exact_start(&pairs, alignment.latency_samples);
    alignment.purity = start.map_or(0.0, |s| s.purity);
    alignment.start_samples = start.map(|s| s.samples);
    alignment.top = start.map_or(0.0, |s| s.top);
    let onset = first_sample(alignment.latency_samples, start);
    let evidence = Evidence {
        blurred: start.is_none_or(|s| s.is_blurred()),
        slides: line.slide != 0.0,
        unconfirmed: is_unconfirmed((onset - alignment.latency_samples).abs(), &evidence, start),
        ..evidence
    };
    alignment.confidence = evidence.probability();
    // Where wet lags less and less, the end comes first.
    let shared = pairs.iter().map(|(dry, wet)| {
        let len = dry.len().min(wet.len());
        (wet.len() as i64 - onset).clamp(0, len as i64) as f64 / len as f64
    });
    let shared = shared.fold(0.0, f64::max);
    if let Some(drift) = &mut alignment.drift {
        drift.samples *= shared;
    }
    alignment.latency_samples = onset + (line.slide * shared).min(0.0).floor() as i64;
    Ok(alignment)
}

/// The delay of `wet` in the band it shares with `dry`, near a latency known to a few samples,
/// to a fraction of a sample; `None` when they share none, or for an unusable pair.
///
/// Meaningful as a latency only when [`BandDelay::purity`] is near 1: a filter delays every
/// frequency differently.
pub fn band_delay<'a>(
    dry: impl Into<Track<'a>>,
    wet: impl Into<Track<'a>>,
    latency_samples: i64,
) -> Option<BandDelay> {
    let options = AlignOptions {
        lags: latency_samples..=latency_samples,
        ..Default::default()
    };
    let (dry, wet) = prepare(dry.into(), wet.into(), &options).ok()?;
    let mut transfer = Transfer::new(latency_samples);
    transfer.add(&dry, &wet);
    transfer.band_delay(4.0)
}

/// Clock drift between `dry` and `wet` near a known latency; `None` for an unusable pair or one
/// shorter than four pieces of 32768 samples.
pub fn drift<'a>(
    dry: impl Into<Track<'a>>,
    wet: impl Into<Track<'a>>,
    latency_samples: i64,
) -> Option<Drift> {
    let pair = whitened(dry.into(), wet.into())?;
    drift::drift(&pair.levelled(), latency_samples, None)
}

/// The response from dry to wet around lag zero, `reach` lags to either side (positive: wet
/// lags), in the view that fixes a sample best: correlation coefficients of both sounds whitened.
/// What an estimate reads, for the eye. `None` for an unusable pair.
pub fn cross_response(dry: &[f32], wet: &[f32], reach: usize) -> Option<Vec<f64>> {
    // Around the lags shown there must be room to see how high the noise is.
    let far = 8 * reach as i64;
    let options = AlignOptions {
        lags: -far..=far,
        max_samples: 1 << 17,
        beyond: false,
    };
    let (dry, wet) = faded(prepare(dry.into(), wet.into(), &options).ok()?);
    let views = response::responses(&dry, &wet, &options.lags);
    let sharpness = |g: &Vec<f64>| response::read(g, g.len() / 2).map_or(0.0, |r| r.sharpness());
    let best = views
        .into_iter()
        .max_by(|a, b| sharpness(a).total_cmp(&sharpness(b)))?;
    Some(best[7 * reach..=9 * reach].to_vec())
}

/// Periodic change of the effect over time (chorus, flanger, phaser, vibrato) near a known
/// latency; `None` for an unusable pair, one shorter than 7.5 s at 44.1 kHz, or a dry sound whose
/// moments have too few frequencies in common (sweeps, moving waves).
pub fn time_variation<'a>(
    dry: impl Into<Track<'a>>,
    wet: impl Into<Track<'a>>,
    latency_samples: i64,
) -> Option<TimeVariation> {
    variation::time_variation(&whitened(dry.into(), wet.into())?, latency_samples)
}

/// Periodic change of the gain over time (tremolo) at a known latency; `None` for an unusable
/// pair or one with less than 2.3 s of sound at 44.1 kHz.
pub fn tremolo<'a>(
    dry: impl Into<Track<'a>>,
    wet: impl Into<Track<'a>>,
    latency_samples: i64,
) -> Option<Tremolo> {
    let (dry, wet) = aligned(dry.into(), wet.into(), latency_samples);
    let options = AlignOptions {
        lags: 0..=0,
        ..Default::default()
    };
    let (dry, wet) = prepare(dry, wet, &options).ok()?;
    tremolo::tremolo(&dry, &wet)
}

/// Both from where they go together on.
fn aligned<'a>(dry: Track<'a>, wet: Track<'a>, latency_samples: i64) -> (Track<'a>, Track<'a>) {
    let by = |samples: i64| usize::try_from(samples.max(0)).unwrap_or(usize::MAX);
    (
        dry.skip(by(-latency_samples)),
        wet.skip(by(latency_samples)),
    )
}

/// `wet` read at dry's speed, where the two clocks are known to differ, all of it in memory; its lag is
/// `latency` where it begins. `None` where they do not.
pub fn without_drift(wet: Track<'_>, drift: Option<Drift>, latency: i64) -> Option<Vec<f32>> {
    let drift = drift.filter(Drift::is_sure)?;
    Some(place::track_without_slide(wet, 1e-6 * drift.ppm, latency))
}

/// Correlation of the courses of the two levels, in decibels, frame by frame, near a known latency:
/// 1 when wet is loud whenever dry is. `None` with less than a second of sound.
pub fn level_likeness(dry: Track<'_>, wet: Track<'_>, latency_samples: i64) -> Option<f64> {
    let (dry, wet) = aligned(dry, wet, latency_samples);
    tremolo::level_likeness(dry, wet)
}

/// The view for what happens along a recording: short filters.
fn whitened(dry: Track<'_>, wet: Track<'_>) -> Option<Whitened> {
    let options = AlignOptions {
        lags: 0..=0,
        ..Default::default()
    };
    let (dry, wet) = prepare(dry, wet, &options).ok()?;
    let whiten = |x: &[f64]| Whitener::new(x, 4096).whiten(1e-6);
    Some(Whitened {
        dry: whiten(&dry),
        wet: whiten(&wet),
    })
}

/// Responses view by view, averaged over the pairs with weights of 1 / floor².
fn pooled_responses(pairs: &[(Vec<f64>, Vec<f64>)], lags: &RangeInclusive<i64>) -> Vec<Vec<f64>> {
    let mut pooled: Vec<Vec<f64>> = Vec::new();
    for (dry, wet) in pairs {
        let responses = response::responses(dry, wet, lags);
        pooled.resize_with(responses.len(), || vec![0.0; responses[0].len()]);
        for (sum, g) in pooled.iter_mut().zip(&responses) {
            let weight = response::floor_of(g).powi(-2);
            for (s, v) in sum.iter_mut().zip(g) {
                *s += weight * v;
            }
        }
    }
    pooled
}

/// Where the response begins, to a fraction of a sample, given a latency that is right to some
/// samples.
fn exact_start(pairs: &[(Vec<f64>, Vec<f64>)], onset: i64) -> Option<Start> {
    let mut transfer = Transfer::new(onset);
    for (dry, wet) in pairs {
        transfer.add(dry, wet);
    }
    // If dry and wet differ by hardly more than a gain and a delay wherever they go together, and
    // that is in much of the spectrum, nothing has to be assumed of the rest.
    // Of all Butterworth low-pass filters up to the second order, none that fits this well over
    // this much of the spectrum delays it by a sample (worst: 0.95).
    match transfer.band_delay(3.0) {
        Some(delay) if delay.purity > 0.995 && delay.share > 0.45 => Some(Start {
            samples: delay.samples,
            purity: 1.0,
            top: 1.0,
        }),
        _ => transfer.start(16.0),
    }
}

/// The first sample of the response: from its start where that is known, else from the `onset` that
/// was read in it. Rather a sample early than late.
fn first_sample(onset: i64, start: Option<Start>) -> i64 {
    match start {
        // The twentieth allows for noise.
        Some(start) if start.purity == 1.0 => {
            ((start.samples + 0.05).floor() as i64).clamp(onset - 1, onset + 3)
        }
        Some(start) if start.is_blurred() => onset,
        Some(start) if start.purity > PURE && start.top < 0.5 => {
            // A digital filter's zeros at half the rate, and poles above all that sounds, delay by
            // a sample or two and cannot be told from a delay where so little sounds.
            let (most, least) = if start.is_narrow() {
                (2.0, 0.5)
            } else {
                (1.0, -0.2)
            };
            let earliest = (start.samples - most).ceil() as i64;
            let latest = (start.samples - least).floor() as i64;
            onset.clamp(earliest, latest.max(earliest))
        }
        Some(start) if start.purity > PURE => (start.samples + 0.2).floor() as i64,
        _ => onset,
    }
}

/// Purity from which on a response counts as a delay and a filter that answers at once.
const PURE: f64 = 0.9;

/// The same beyond doubt: then the phases are believed, however far they moved the onset.
const PURE_BEYOND_DOUBT: f64 = 0.995;

/// Width from which on a response fixes no sample unless it is as clear as this, in multiples of the
/// noise floor per sample of width.
const WIDE: f64 = 5.0;
const CLEAR_PER_SAMPLE: f64 = 15.0;

/// Whether an onset that the phases `moved` by so many samples is not known to the sample: they are not
/// beyond doubt and say something else than the response, or say nothing where it is wide and not clear.
fn is_unconfirmed(moved: i64, response: &Evidence, start: Option<Start>) -> bool {
    let purity = start.map_or(0.0, |s| s.purity);
    let vague = response.width > WIDE && response.significance < CLEAR_PER_SAMPLE * response.width;
    (moved > 1 && purity < PURE_BEYOND_DOUBT) || (vague && purity < PURE)
}

/// Checks a pair, takes the stretch to look at and removes its mean.
fn prepare(
    dry: Track<'_>,
    wet: Track<'_>,
    options: &AlignOptions,
) -> Result<(Vec<f64>, Vec<f64>), AlignError> {
    let (first, last) = (*options.lags.start(), *options.lags.end());
    if first > last {
        return Err(AlignError::NoLags { first, last });
    }
    // The overlap at the extreme lags must still hold as much as the lags themselves.
    let furthest = first.unsigned_abs().max(last.unsigned_abs()).max(1024);
    let needed = usize::try_from(furthest.saturating_mul(2)).unwrap_or(usize::MAX);
    for (which, samples) in [("dry", dry), ("wet", wet)] {
        if samples.len() < needed {
            return Err(AlignError::TooShort {
                which,
                samples: samples.len(),
                needed,
            });
        }
        if let Some(position) = level::first_not_finite(samples) {
            let value = samples.read(position..position + 1)[0];
            return Err(AlignError::NotFinite {
                which,
                position,
                value,
            });
        }
    }
    let length = options.max_samples.max(needed);
    // The same stretch of both, or the latency would change.
    let start = level::loudest(dry.part(0..wet.len()), length);
    let cut = |which, x: Track<'_>| {
        let x = x.part(start..start + length).whole();
        let mean = level::sum(&*x, |v| v) / x.len() as f64;
        if x.iter().all(|v| *v == x[0]) {
            return Err(AlignError::Silent { which });
        }
        Ok(x.iter().map(|&v| f64::from(v) - mean).collect())
    };
    Ok((cut("dry", dry)?, cut("wet", wet)?))
}

/// Samples over which a sound is faded in and out, a fifth of a second: files that were cut in running
/// sound begin and end with a step, and the steps of two files correlate.
const FADE: usize = 8192;

fn faded((mut dry, mut wet): (Vec<f64>, Vec<f64>)) -> (Vec<f64>, Vec<f64>) {
    for x in [&mut dry, &mut wet] {
        let (len, fade) = (x.len(), FADE.min(x.len() / 16));
        for n in 0..fade {
            let gain = 0.5 - 0.5 * (std::f64::consts::PI * (n as f64 + 0.5) / fade as f64).cos();
            x[n] *= gain;
            x[len - 1 - n] *= gain;
        }
    }
    (dry, wet)
}

/// The largest autocorrelation of the sound beyond its own first decline, over the lags
/// searched: near 1 for a held note, which fits itself at every period.
fn repetition_of(dry: &[f64], lags: &RangeInclusive<i64>) -> f64 {
    let reach = lags.end() - lags.start();
    let levelled = whiten::level_loudness(dry, 8192);
    let r = correlate(&levelled, &levelled, 0..levelled.len(), 0..=reach);
    let decline = r.iter().position(|v| *v < 0.5 * r[0]).unwrap_or(r.len());
    let most = r[decline..].iter().copied().fold(0.0, f64::max);
    if r[0] > 0.0 { most / r[0] } else { 0.0 }
}

/// Weighs the views against each other, confidence still to come from the evidence; `None` without
/// any.
fn decide(
    mut readings: Vec<Reading>,
    repetition: f64,
    lags: &RangeInclusive<i64>,
    place: &Place,
) -> Option<(Alignment, Evidence)> {
    readings.sort_by(|a, b| b.sharpness().total_cmp(&a.sharpness()));
    let best = *readings.first()?;
    let clarity = |r: &Reading| 1.0 - SIGNIFICANT / r.significance.max(SIGNIFICANT);
    let agrees =
        |r: &&Reading| (r.onset as f64 - best.onset as f64).abs() <= 2.0 + r.width.max(best.width);
    let total: f64 = readings.iter().map(clarity).sum();
    let agreeing: f64 = readings.iter().filter(agrees).map(clarity).sum();
    let agreement = if total > 0.0 { agreeing / total } else { 0.0 };
    let evidence = Evidence {
        strength: place.line.strength,
        significance: best.significance,
        width: best.width,
        agreement,
        repetition,
        blurred: false,
        slides: false,
        unconfirmed: false,
    };
    let lag = |index: usize| lags.start() + index as i64;
    let alignment = Alignment {
        latency_samples: lag(best.onset),
        confidence: 0.0,
        inverted: best.first_swing < 0.0,
        repetition,
        support: place.line.support,
        strength: place.line.strength,
        drift: place.drift,
        searched: place.searched,
        purity: 0.0,
        start_samples: None,
        top: 0.0,
        candidates: readings
            .iter()
            .map(|r| Candidate {
                onset: lag(r.onset),
                peak: lag(r.peak),
                significance: r.significance,
                width: r.width,
            })
            .collect(),
    };
    Some((alignment, evidence))
}
