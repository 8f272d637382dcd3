//! How late a wet recording is against its dry one: latency, polarity, drift, and whether the
//! effect changes over time.
//!
//! Works on plain slices of one channel; knows no files, no networks and no sample rates (all
//! times are in samples).
//!
//! The latency is the **onset** of the response from dry to wet, never its largest peak: a
//! causal network can learn a delay that is left in, but cannot see the future that a shift too
//! far would hide from it. In short:
//!
//! 1. Both sounds are whitened by causal minimum-phase filters made from their own spectra, so
//!    that nothing moves to an earlier sample and a filter's delay shrinks to a spike on its
//!    first sample (`align/whiten.rs`).
//! 2. Their cross-correlation is the response; nine views (fine to coarse noise floor, long or
//!    short filter, loudness levelled or not) suit different material.
//! 3. In each, the noise floor is measured before the peak, and the first sample that is both
//!    well above the floor and a good part of the peak is the onset.
//! 4. The view that fixes a sample best (peak over floor, per sample of width) gives the answer.
//! 5. Confidence is high when the response is narrow and stands clear of the floor, when the
//!    other views agree, and when the dry sound does not repeat itself.

mod correlate;
mod drift;
mod response;
mod transfer;
mod tremolo;
mod variation;
mod whiten;

use response::{Reading, SIGNIFICANT, Whitened};
use serde::Serialize;
use std::ops::RangeInclusive;
use transfer::Transfer;
use whiten::Whitener;

pub use drift::Drift;
pub use transfer::BandDelay;
pub use tremolo::Tremolo;
pub use variation::TimeVariation;

/// Below this confidence a latency should not be used unseen. Over the cases of
/// `tests/it/align.rs` and the project's recordings, answers for material that fixes a latency
/// lie above 0.45, those for held notes, unrelated recordings and latencies out of range below
/// 0.15.
pub const TRUSTED_CONFIDENCE: f64 = 0.3;

/// Where to look for the latency.
#[derive(Clone, Debug, PartialEq)]
pub struct AlignOptions {
    /// Lags considered, in samples (positive: wet lags). Default −1000 ..= 4000: a workstation
    /// that over-compensates its interface leads by less than 1000, a round trip through a
    /// slow interface lags by less than 4000 (83 ms at 48 kHz).
    pub lags: RangeInclusive<i64>,
    /// At most this many samples are looked at, the loudest stretch of a longer recording.
    pub max_samples: usize,
}

impl Default for AlignOptions {
    fn default() -> Self {
        Self {
            lags: -1000..=4000,
            max_samples: 1 << 21,
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
    /// 0 ..= 1: the product of four figures, each 1 when there is no doubt. *Clarity*: the
    /// response stands above the noise (0 at 8 times the floor or less, ½ at 16). *Definition*:
    /// it is narrow (1 up to 12 samples wide, 0 from 25 on). *Agreement*: the share of the
    /// views, by their clarity, that say the same within their width. *Variety*: the dry sound
    /// does not repeat itself; a held note fits at every period (1 up to a repetition of 0.7, 0
    /// from 0.95 on). See [`TRUSTED_CONFIDENCE`].
    pub confidence: f64,
    /// Whether the first swing of the response (of at least half the largest) is negative: a
    /// chain that turns the waveform upside down. A distortion's response is its best linear
    /// one: inverted when a push up first pushes the output down.
    pub inverted: bool,
    /// How far the dry sound repeats itself within the lags searched: 0 (never) ..= 1.
    pub repetition: f64,
    /// Every view, the one chosen first.
    pub candidates: Vec<Candidate>,
}

/// The latency of `wet` against `dry` (one channel each, lengths may differ).
///
/// # Errors
/// See [`AlignError`].
pub fn estimate(dry: &[f32], wet: &[f32], options: &AlignOptions) -> Result<Alignment, AlignError> {
    estimate_joint(&[(dry, wet)], options)
}

/// The one latency of several pairs recorded through the same chain: their responses are
/// averaged, each weighted by how little noise it has, before the onset is looked for.
///
/// # Errors
/// See [`AlignError`]; one unusable pair makes the whole unusable.
pub fn estimate_joint(
    pairs: &[(&[f32], &[f32])],
    options: &AlignOptions,
) -> Result<Alignment, AlignError> {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(dry, wet)| prepare(dry, wet, options))
        .collect::<Result<_, _>>()?;
    let lags = &options.lags;
    let repetition = pairs
        .iter()
        .map(|(dry, _)| repetition_of(dry, lags))
        .reduce(f64::min);
    let readings = pooled_responses(&pairs, lags);
    let readings = readings.iter().filter_map(|g| response::read(g)).collect();
    let decided = decide(readings, repetition.unwrap_or(1.0), lags);
    let mut alignment = decided.ok_or(AlignError::NoPair)?;
    alignment.latency_samples = start_of_plain_delay(&pairs, alignment.latency_samples);
    Ok(alignment)
}

/// The delay of `wet` in the band it shares with `dry`, near a latency known to a few samples,
/// to a fraction of a sample; `None` when they share none, or for an unusable pair.
///
/// Meaningful as a latency only when [`BandDelay::purity`] is near 1: a filter delays every
/// frequency differently.
pub fn band_delay(dry: &[f32], wet: &[f32], latency_samples: i64) -> Option<BandDelay> {
    let options = AlignOptions {
        lags: latency_samples..=latency_samples,
        ..Default::default()
    };
    let (dry, wet) = prepare(dry, wet, &options).ok()?;
    let mut transfer = Transfer::new(latency_samples);
    transfer.add(&dry, &wet);
    transfer.band_delay(4.0)
}

/// Clock drift between `dry` and `wet` near a known latency; `None` for an unusable pair or one
/// shorter than four pieces of 32768 samples.
pub fn drift(dry: &[f32], wet: &[f32], latency_samples: i64) -> Option<Drift> {
    drift::drift(&whitened(dry, wet)?.levelled(), latency_samples)
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
    };
    let (dry, wet) = prepare(dry, wet, &options).ok()?;
    let views = response::responses(&dry, &wet, &options.lags);
    let sharpness = |g: &Vec<f64>| response::read(g).map_or(0.0, |r| r.sharpness());
    let best = views
        .into_iter()
        .max_by(|a, b| sharpness(a).total_cmp(&sharpness(b)))?;
    Some(best[7 * reach..=9 * reach].to_vec())
}

/// Periodic change of the effect over time (chorus, flanger, phaser, vibrato) near a known
/// latency; `None` for an unusable pair, one shorter than 7.5 s at 44.1 kHz, or a dry sound whose
/// moments have too few frequencies in common (sweeps, moving waves).
pub fn time_variation(dry: &[f32], wet: &[f32], latency_samples: i64) -> Option<TimeVariation> {
    variation::time_variation(&whitened(dry, wet)?, latency_samples)
}

/// Periodic change of the gain over time (tremolo) at a known latency; `None` for an unusable
/// pair or one with less than 2.3 s of sound at 44.1 kHz.
pub fn tremolo(dry: &[f32], wet: &[f32], latency_samples: i64) -> Option<Tremolo> {
    let late = usize::try_from(latency_samples.max(0)).ok()?;
    let early = usize::try_from((-latency_samples).max(0)).ok()?;
    let options = AlignOptions {
        lags: 0..=0,
        ..Default::default()
    };
    let (dry, wet) = prepare(dry.get(early..)?, wet.get(late..)?, &options).ok()?;
    tremolo::tremolo(&dry, &wet)
}

/// The view for what happens along a recording: short filters.
fn whitened(dry: &[f32], wet: &[f32]) -> Option<Whitened> {
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

/// If dry and wet differ by hardly more than a gain and a delay wherever they go together, and
/// that is in much of the spectrum, the delay is known better than an onset can be read from a
/// band-limited response, whose spike begins a sample or two before its centre.
fn start_of_plain_delay(pairs: &[(Vec<f64>, Vec<f64>)], onset: i64) -> i64 {
    let mut transfer = Transfer::new(onset);
    for (dry, wet) in pairs {
        transfer.add(dry, wet);
    }
    match transfer.band_delay(3.0) {
        // Of all Butterworth low-pass filters up to the second order, none that fits this well
        // over this much of the spectrum delays it by a sample (worst: 0.95). The twentieth
        // allows for noise.
        Some(delay) if delay.purity > 0.995 && delay.share > 0.45 => {
            ((delay.samples + 0.05).floor() as i64).clamp(onset, onset + 3)
        }
        _ => onset,
    }
}

/// Checks a pair, takes the stretch to look at and removes its mean.
fn prepare(
    dry: &[f32],
    wet: &[f32],
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
        if let Some(position) = samples.iter().position(|v| !v.is_finite()) {
            let value = samples[position];
            return Err(AlignError::NotFinite {
                which,
                position,
                value,
            });
        }
    }
    let length = options.max_samples.max(needed);
    // The same stretch of both, or the latency would change.
    let start = loudest_stretch(&dry[..dry.len().min(wet.len())], length);
    let cut = |which, x: &[f32]| {
        let x = &x[start..x.len().min(start + length)];
        let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / x.len() as f64;
        if x.iter().all(|v| *v == x[0]) {
            return Err(AlignError::Silent { which });
        }
        Ok(x.iter().map(|&v| f64::from(v) - mean).collect())
    };
    Ok((cut("dry", dry)?, cut("wet", wet)?))
}

/// Where the `length` samples of most energy begin (searched in steps of an eighth of them).
fn loudest_stretch(x: &[f32], length: usize) -> usize {
    if x.len() <= length {
        return 0;
    }
    let energy = |from: usize| -> f64 {
        x[from..from + length]
            .iter()
            .map(|&v| f64::from(v) * f64::from(v))
            .sum()
    };
    (0..=x.len() - length)
        .step_by((length / 8).max(1))
        .max_by(|&a, &b| energy(a).total_cmp(&energy(b)))
        .unwrap_or(0)
}

/// The largest autocorrelation of the sound beyond its own first decline, over the lags
/// searched: near 1 for a held note, which fits itself at every period.
fn repetition_of(dry: &[f64], lags: &RangeInclusive<i64>) -> f64 {
    let reach = lags.end() - lags.start();
    let levelled = whiten::level_loudness(dry, 8192);
    let r = correlate::correlate(&levelled, &levelled, 0..levelled.len(), 0..=reach);
    let decline = r.iter().position(|v| *v < 0.5 * r[0]).unwrap_or(r.len());
    let most = r[decline..].iter().copied().fold(0.0, f64::max);
    if r[0] > 0.0 { most / r[0] } else { 0.0 }
}

/// Falls linearly from 1 at `good` to 0 at `bad`.
fn ramp(value: f64, good: f64, bad: f64) -> f64 {
    ((value - bad) / (good - bad)).clamp(0.0, 1.0)
}

/// Weighs the views against each other; `None` without any.
fn decide(
    mut readings: Vec<Reading>,
    repetition: f64,
    lags: &RangeInclusive<i64>,
) -> Option<Alignment> {
    readings.sort_by(|a, b| b.sharpness().total_cmp(&a.sharpness()));
    let best = *readings.first()?;
    let clarity = |r: &Reading| 1.0 - SIGNIFICANT / r.significance.max(SIGNIFICANT);
    let agrees =
        |r: &&Reading| (r.onset as f64 - best.onset as f64).abs() <= 2.0 + r.width.max(best.width);
    let total: f64 = readings.iter().map(clarity).sum();
    let agreeing: f64 = readings.iter().filter(agrees).map(clarity).sum();
    let agreement = if total > 0.0 { agreeing / total } else { 0.0 };
    let definition = ramp(best.width, 12.0, 25.0);
    let variety = ramp(repetition, 0.7, 0.95);
    let lag = |index: usize| lags.start() + index as i64;
    Some(Alignment {
        latency_samples: lag(best.onset),
        confidence: clarity(&best) * definition * agreement * variety,
        inverted: best.first_swing < 0.0,
        repetition,
        candidates: readings
            .iter()
            .map(|r| Candidate {
                onset: lag(r.onset),
                peak: lag(r.peak),
                significance: r.significance,
                width: r.width,
            })
            .collect(),
    })
}
