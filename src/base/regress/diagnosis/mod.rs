//! What kind of effect lies between two aligned recordings, guessed from quick classical fits.
//!
//! Linear or not, with a memory or not, moving or not: each kind is a model that can be fitted in
//! a second, and the kind is that of the simplest model which leaves little. Every other stretch
//! of the recordings is fitted on, those in between are scored, so that a larger model does not
//! win by being larger. Knows nothing of files, of latency (the pair is aligned) or of networks.

mod curves;
mod echo;
mod long_filter;

pub use echo::Echo;

use super::RegressError;
use super::baseline::{Baseline, BaselineConfig, Segment};
use crate::audio::{SampleRate, Track, level};
use crate::progress::{Event, Observer, Task};
use curves::{Curve, with_moving_gain};
use serde::Serialize;
use std::fmt;

/// Taps of the short filters, 5 ms at 48 kHz: tone controls and cabinets, not rooms.
pub const FILTER_TAPS: usize = 256;

/// At most this many samples (16 s at 48 kHz) are looked at, the long filter's taps included.
const MOST_SAMPLES: usize = 3 << 18;

/// Seconds that the long filter covers, if the recording is ten times as long.
const LONG_SECONDS: f64 = 1.2;

/// Taps of a filter for a small room, between the short and the long ones.
const ROOM_TAPS: usize = 4096;

/// Taps that are switched on or off together in a sparse long filter.
const BLOCK: usize = 64;

/// Blocks that a sparse long filter has at most, and how far above the typical one each stands.
const SPARSE: (usize, f64) = (32, 8.0);

/// Samples of one stretch, fitted or scored in turn; shorter in short recordings.
const STRETCH: usize = 1 << 13;

/// The same for the long filter, whose memory reaches over many of them: notes that are fitted on
/// must be like those that are scored.
const SHORT_STRETCH: usize = 1 << 11;

/// Fewer samples than this say nothing.
pub const LEAST_SAMPLES: usize = 8192;

/// What a model may leave (ESR) to count as the whole truth: −30 dB, inaudible beside the sound.
const EXPLAINED: f64 = 1e-3;

/// What cannot be heard beside the sound at all: −40 dB of what is explained.
const AUDIBLE: f64 = 1e-4;

/// A model that leaves less than this share of what a good one leaves is right, and the other one
/// only near.
const FAR_BETTER: f64 = 0.2;

/// What may be left of a linear effect when no other model leaves less: noise, a trace of
/// distortion.
const NEARLY: f64 = 0.03;

/// A model is better than another when it leaves less than this share of what the other leaves.
const BETTER: f64 = 0.7;

/// Where a short model leaves less than this, no long filter is tried.
const SHORT_ENOUGH: f64 = 0.01;

/// A long filter that leaves more than this explains nothing.
const NOTHING: f64 = 0.9;

/// What a long filter may leave of a room in noise, at most, to be the truth all the same.
const MOSTLY: f64 = 0.1;

/// Penalty of the fits: keeps them within bounds where the material has few frequencies.
const RIDGE: f64 = 1e-6;

/// A gain of its own every 1024 samples is a flexible model: it must leave this little of what the
/// best fixed curve leaves to be the truth (measured: compressors 0.1 to 0.3, distortions 0.5 and
/// more).
const MUCH_BETTER: f64 = 0.4;

/// What kind of effect it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A filter: equaliser, tone control, loudspeaker.
    Linear,
    /// A filter with repeats or a long tail: echo, room.
    Delayed,
    /// A fixed curve, with filters around it: overdrive, clipper.
    StaticNonlinear,
    /// A gain that follows the playing: compressor, limiter, gate.
    DynamicGain,
    /// Distortion that no fixed curve with filters describes: its shape depends on the past.
    DynamicNonlinear,
    /// Changes by a clock of its own: chorus, flanger, phaser, vibrato, tremolo.
    TimeVarying,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linear => "linear",
            Self::Delayed => "delayed",
            Self::StaticNonlinear => "static nonlinear",
            Self::DynamicGain => "dynamic (its gain follows the playing)",
            Self::DynamicNonlinear => "dynamic (nonlinear with memory)",
            Self::TimeVarying => "time-varying",
        })
    }
}

/// What each model leaves of the wet sound: error-to-signal ratios over the stretches that were
/// not fitted on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Leaves {
    /// The dry sound as it is.
    pub identity: f64,
    /// One gain.
    pub gain: f64,
    /// A filter of [`FILTER_TAPS`] taps.
    pub filter: f64,
    /// A filter of a second or more; `None` where the recording is too short to fit it, or a short
    /// model leaves next to nothing.
    pub long_filter: Option<f64>,
    /// A curve on the dry sound, no filter: memoryless.
    pub curve: f64,
    /// A filter, then a curve.
    pub filter_then_curve: f64,
    /// Filters on the dry sound and on two tanh curves of it.
    pub curves_then_filters: f64,
    /// A filter, then a gain fitted every 1024 samples.
    pub filter_then_moving_gain: f64,
    /// Noise of the wet side, from moments when the dry side is silent; `None` without any.
    pub noise: Option<f64>,
}

impl Leaves {
    /// Share of the wet sound that the best of all models explains, 0 ..= 1: on stretches that were
    /// not fitted on, hence next to nothing for two sounds that do not belong together.
    pub fn explained(&self) -> f64 {
        let least = self.least().min(self.long_filter.unwrap_or(f64::INFINITY));
        (1.0 - least).clamp(0.0, 1.0)
    }

    /// What the best of the short models leaves.
    fn least(&self) -> f64 {
        let models = [
            self.filter,
            self.curve,
            self.filter_then_curve,
            self.curves_then_filters,
            self.filter_then_moving_gain,
        ];
        models.into_iter().fold(f64::INFINITY, f64::min)
    }
}

/// The guess with the figures behind it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnosis {
    /// The guess.
    pub kind: Kind,
    /// What each model leaves.
    pub leaves: Leaves,
    /// Repeats or tail of the long filter, where it matters.
    pub echo: Option<Echo>,
}

/// Guesses the kind of effect from one channel of each side, equally long and aligned (rather a
/// few samples too little than too much). `moves` says whether a change by a clock of its own was
/// seen, which no model here could tell: believed where no static model fits well. `None` with fewer
/// than [`LEAST_SAMPLES`] samples.
///
/// # Errors
/// A silent or broken recording, or a stop asked for by `observer`.
pub fn diagnose(
    dry: Track<'_>,
    wet: Track<'_>,
    rate: SampleRate,
    moves: bool,
    observer: &dyn Observer,
) -> Result<Option<Diagnosis>, RegressError> {
    if dry.len() < LEAST_SAMPLES {
        return Ok(None);
    }
    let _task = Task::begin(observer, "guessing the kind of effect", None);
    quietly(dry, wet, rate, moves, observer).map(Some)
}

/// Lets the fits below ask whether to stop, without bars of their own.
struct Quiet<'a>(&'a dyn Observer);

impl Observer for Quiet<'_> {
    fn event(&self, _: Event<'_>) {}

    fn stop_requested(&self) -> bool {
        self.0.stop_requested()
    }
}

fn quietly(
    dry: Track<'_>,
    wet: Track<'_>,
    rate: SampleRate,
    moves: bool,
    observer: &dyn Observer,
) -> Result<Diagnosis, RegressError> {
    let observer = &Quiet(observer);
    let wanted = (LONG_SECONDS * f64::from(rate.hz())) as usize;
    let taps = wanted.min(dry.len() / 10);
    let most = MOST_SAMPLES - taps;
    let start = level::loudest(dry, most);
    let (dry, wet) = (
        dry.part(start..start + most).whole(),
        wet.part(start..start + most).whole(),
    );
    let material = Material::new(&dry, &wet);
    let (mut leaves, models) = material.short_models(observer)?;
    let mut echo = None;
    if taps > 4 * FILTER_TAPS && leaves.least() > SHORT_ENOUGH {
        let (esr, taps) = material.long_filters(taps, observer)?;
        leaves.long_filter = Some(esr);
        echo = Echo::read(&taps, rate);
    }
    leaves.noise = material.noise(&models);
    let kind = decide(&leaves, echo.is_some(), moves);
    Ok(Diagnosis {
        kind,
        echo: echo.filter(|_| kind == Kind::Delayed),
        leaves,
    })
}

/// The simplest kind whose model leaves little.
fn decide(leaves: &Leaves, echo: bool, moves: bool) -> Kind {
    let explained = EXPLAINED.max(3.0 * leaves.noise.unwrap_or(0.0));
    let static_nonlinear = leaves
        .curve
        .min(leaves.filter_then_curve)
        .min(leaves.curves_then_filters);
    let moving_gain = leaves.filter_then_moving_gain;
    let best = static_nonlinear.min(moving_gain);
    // A tone that moves lets a long filter do what only a distortion does; then others do it, too.
    let long = leaves.long_filter.filter(|_| echo).unwrap_or(f64::INFINITY);
    let (linear, linear_kind) = if long < BETTER * best.min(leaves.filter) {
        (long, Kind::Delayed)
    } else {
        (leaves.filter, Kind::Linear)
    };
    // A slight compressor: a filter leaves little, and a moving gain far less of what can be heard.
    let slight = leaves.filter > AUDIBLE && moving_gain < FAR_BETTER * leaves.filter;
    if leaves.filter < explained && !slight {
        return Kind::Linear;
    }
    if linear < explained && !slight {
        return linear_kind;
    }
    let static_best = static_nonlinear.min(linear);
    let a_room = linear_kind == Kind::Delayed && linear < MOSTLY;
    // A moving gain of its own would explain a tremolo.
    if moves && static_best > NEARLY && !a_room {
        return Kind::TimeVarying;
    }
    if best > BETTER * linear && linear < NEARLY {
        linear_kind
    } else if best > BETTER * linear && linear_kind == Kind::Delayed {
        Kind::Delayed
    } else if moving_gain < MUCH_BETTER * static_nonlinear {
        Kind::DynamicGain
    } else if static_nonlinear < BETTER * linear {
        Kind::StaticNonlinear
    } else {
        Kind::DynamicNonlinear
    }
}

/// The first taps and those blocks whose energy stands out.
fn stand_out(taps: &[f64]) -> Vec<bool> {
    let energy = |block: &[f64]| block.iter().map(|t| t * t).sum::<f64>();
    let energies: Vec<f64> = taps.chunks(BLOCK).map(energy).collect();
    let mut sorted = energies.clone();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let least = sorted
        .get(SPARSE.0)
        .copied()
        .unwrap_or(0.0)
        .max(SPARSE.1 * sorted[sorted.len() / 2]);
    let direct = 2 * FILTER_TAPS / BLOCK;
    (0..taps.len())
        .map(|n| n / BLOCK < direct || energies[n / BLOCK] > least)
        .collect()
}

/// Every other stretch of so many samples.
fn alternate(len: usize, stretch: usize) -> Vec<bool> {
    (0..len).map(|n| (n / stretch).is_multiple_of(2)).collect()
}

/// Error-to-signal ratio over the samples that were not fitted on.
fn esr(predicted: &[f32], wet: &[f32], fitted: &[bool]) -> f64 {
    let (mut error, mut signal) = (0.0, 0.0);
    for ((p, w), fitted) in predicted.iter().zip(wet).zip(fitted) {
        if !fitted {
            error += f64::from(w - p).powi(2);
            signal += f64::from(*w).powi(2);
        }
    }
    if signal > 0.0 { error / signal } else { 0.0 }
}

/// Both sides, and which samples are fitted on.
struct Material<'a> {
    dry: &'a [f32],
    wet: &'a [f32],
    fitted: Vec<bool>,
    stretch: usize,
}

impl<'a> Material<'a> {
    fn new(dry: &'a [f32], wet: &'a [f32]) -> Self {
        let stretch = STRETCH.min(dry.len() / 8);
        Self {
            fitted: alternate(dry.len(), stretch),
            dry,
            wet,
            stretch,
        }
    }

    fn segments(&self) -> Vec<Segment<'a>> {
        (0..self.dry.len())
            .step_by(2 * self.stretch)
            .map(|start| {
                let end = (start + self.stretch).min(self.dry.len());
                Segment {
                    dry: &self.dry[start..end],
                    wet: &self.wet[start..end],
                    context: &self.dry[..start],
                }
            })
            .collect()
    }

    fn esr(&self, predicted: &[f32]) -> f64 {
        esr(predicted, self.wet, &self.fitted)
    }

    fn fit(
        &self,
        config: &BaselineConfig,
        observer: &dyn Observer,
    ) -> Result<Vec<f32>, RegressError> {
        Ok(Baseline::fit(config, &self.segments(), observer)?.predict(self.dry, &[]))
    }

    /// The long filter that leaves least, and what it leaves: with all its taps, with those of a
    /// small room, or with the few blocks of taps that stand out, as echoes do. Fewer taps are
    /// better determined.
    fn long_filters(
        &self,
        taps: usize,
        observer: &dyn Observer,
    ) -> Result<(f64, Vec<f64>), RegressError> {
        let fitted = alternate(self.dry.len(), SHORT_STRETCH.min(self.stretch));
        let fit = |support: &[bool]| {
            let go_on = || !observer.stop_requested();
            let found = long_filter::fit(self.dry, self.wet, &fitted, support, go_on);
            let found = found.ok_or_else(|| RegressError::Interrupted {
                task: format!("fitting a filter of {taps} taps"),
            })?;
            let esr = esr(&found.predicted, self.wet, &fitted);
            Ok::<_, RegressError>((esr, found.taps))
        };
        let (all, room) = rayon::join(
            || fit(&vec![true; taps]),
            || fit(&vec![true; ROOM_TAPS.min(taps)]),
        );
        let (all, room) = (all?, room?);
        if all.0.min(room.0) > NOTHING {
            return Ok(if all.0 < room.0 { all } else { room });
        }
        let sparse = fit(&stand_out(&all.1))?;
        let better = |a: (f64, Vec<f64>), b: (f64, Vec<f64>)| if b.0 < a.0 { b } else { a };
        Ok(better(better(all, room), sparse))
    }

    /// Everything but the long filter and the noise; with the predictions, for the noise.
    fn short_models(
        &self,
        observer: &dyn Observer,
    ) -> Result<(Leaves, Vec<Vec<f32>>), RegressError> {
        let gain = self.fit(&BaselineConfig::Gain, observer)?;
        let fir = BaselineConfig::Fir {
            taps: FILTER_TAPS,
            ridge: RIDGE,
        };
        let filter = self.fit(&fir, observer)?;
        let banks = BaselineConfig::FirTanh {
            taps: FILTER_TAPS,
            gains: Vec::new(),
            ridge: RIDGE,
        };
        let banks = self.fit(&banks, observer)?;
        let curve_on = |input: &[f32]| -> Vec<f32> {
            let curve = Curve::fit(input, self.wet, &self.fitted);
            input.iter().map(|x| curve.at(*x)).collect()
        };
        let (curve, curved) = (curve_on(self.dry), curve_on(&filter));
        let moving = with_moving_gain(&filter, self.wet);
        let leaves = Leaves {
            identity: self.esr(self.dry),
            gain: self.esr(&gain),
            filter: self.esr(&filter),
            long_filter: None,
            curve: self.esr(&curve),
            filter_then_curve: self.esr(&curved),
            curves_then_filters: self.esr(&banks),
            filter_then_moving_gain: self.esr(&moving),
            noise: None,
        };
        Ok((leaves, vec![filter, banks, curved]))
    }

    /// Power of what is left while the dry side is silent (and has been for a while), relative to
    /// the wet side's: noise, for nothing is being played.
    fn noise(&self, models: &[Vec<f32>]) -> Option<f64> {
        const FRAME: usize = 2048;
        /// −60 dB below the mean.
        const SILENT: f64 = 1e-6;
        let power = |x: &[f32]| x.iter().map(|v| f64::from(v * v)).sum::<f64>() / x.len() as f64;
        let (dry_power, wet_power) = (power(self.dry), power(self.wet));
        let silent: Vec<bool> = self
            .dry
            .chunks_exact(FRAME)
            .map(|frame| power(frame) < SILENT * dry_power)
            .collect();
        let quiet: Vec<usize> = (4..silent.len())
            .filter(|&n| silent[n - 4..=n].iter().all(|s| *s))
            .collect();
        if quiet.len() < 4 || wet_power <= 0.0 {
            return None;
        }
        let left = |model: &Vec<f32>| -> f64 {
            let frames = quiet.iter().map(|n| n * FRAME..(n + 1) * FRAME);
            let sum: f64 = frames
                .map(|span| {
                    let error = self.wet[span.clone()].iter().zip(&model[span]);
                    error.map(|(w, p)| f64::from(w - p).powi(2)).sum::<f64>()
                })
                .sum();
            sum / (quiet.len() * FRAME) as f64 / wet_power
        };
        models.iter().map(left).reduce(f64::min)
    }
}
