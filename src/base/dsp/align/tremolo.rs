//! Does the loudness sway by a clock, as a tremolo makes it do?
//!
//! The gain from dry to wet is measured frame by frame in decibels, and the sine that explains
//! most of its course is looked for. A compressor's gain follows the playing instead: a sine
//! that the dry sound's own loudness shows just as well is the music's, not the effect's.
//!
//! Works on sounds as they are, neither whitened nor levelled.

use crate::audio::Track;
use crate::audio::level::energy;
use serde::Serialize;
use std::f64::consts::TAU;

/// Samples per frame: long beside the period of a low note, short beside a tremolo's.
const FRAME: usize = 1024;

/// Samples from frame to frame.
const HOP: usize = 512;

/// The shortest period looked for, in hops: 14 Hz at 44.1 kHz.
const SHORTEST: f64 = 6.0;

/// Frames that must carry sound: 2.3 s at 44.1 kHz.
const LEAST_FRAMES: usize = 200;

/// Dry frames below this share of the loudest one's level say nothing (−50 dB).
const AUDIBLE: f64 = 3e-3;

/// Share of the gain's variance that one sine must explain: a sine explains 1, a chopper 0.81.
/// Measured over 10 s of plucked strings: static effects and compressors up to 0.2.
const CLEAR: f64 = 0.5;

/// Swing below which nobody hears a tremolo.
const LEAST_DB: f64 = 1.0;

/// The strongest periodic change of the gain.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tremolo {
    /// Its period in samples.
    pub period_samples: f64,
    /// From the lowest to the highest gain of the sine that fits it.
    pub swing_db: f64,
    /// Share of the gain's variance which that sine explains, 0 ..= 1.
    pub share: f64,
    /// The same of the dry sound's own loudness at this period: a rhythm of the music.
    pub rhythm: f64,
}

impl Tremolo {
    /// Whether the effect changes its gain by a clock: a tremolo. A network without a clock of
    /// its own cannot learn it.
    pub fn detected(&self) -> bool {
        self.share > CLEAR && self.share > 2.0 * self.rhythm && self.swing_db > LEAST_DB
    }
}

/// Mean, amplitude and explained share of the sine of `cycles` per frame that fits `values` (at
/// the frame numbers beside them) best.
struct Sine {
    amplitude: f64,
    share: f64,
}

impl Sine {
    /// Least squares on cosine, sine and a constant that is taken out beforehand.
    fn fit(values: &[(f64, f64)], cycles: f64) -> Self {
        let (mut cc, mut ss, mut cs, mut cv, mut sv, mut vv) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        let (mut c1, mut s1) = (0.0, 0.0);
        for &(frame, value) in values {
            let (s, c) = (TAU * cycles * frame).sin_cos();
            cc += c * c;
            ss += s * s;
            cs += c * s;
            c1 += c;
            s1 += s;
            cv += c * value;
            sv += s * value;
            vv += value * value;
        }
        // The values' mean is zero already; only the oscillations' own means are left to remove.
        let n = values.len() as f64;
        let (cc, ss, cs) = (cc - c1 * c1 / n, ss - s1 * s1 / n, cs - c1 * s1 / n);
        let determinant = cc * ss - cs * cs;
        if determinant <= 1e-9 * n * n || vv <= 0.0 {
            return Self {
                amplitude: 0.0,
                share: 0.0,
            };
        }
        let (a, b) = (
            (ss * cv - cs * sv) / determinant,
            (cc * sv - cs * cv) / determinant,
        );
        Self {
            amplitude: a.hypot(b),
            share: ((a * cv + b * sv) / vv).clamp(0.0, 1.0),
        }
    }
}

fn without_mean(values: &mut [(f64, f64)]) {
    let mean = values.iter().map(|v| v.1).sum::<f64>() / values.len().max(1) as f64;
    values.iter_mut().for_each(|v| v.1 -= mean);
}

/// Frame numbers and what was measured there.
type Course = Vec<(f64, f64)>;

/// Per audible frame its number, the gain from dry to wet and the dry level, both in decibels.
fn courses(dry: &[f64], wet: &[f64]) -> (Course, Course) {
    let rms = |x: &[f64]| (x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64).sqrt();
    let frames: Vec<(f64, f64)> = dry
        .windows(FRAME)
        .zip(wet.windows(FRAME))
        .step_by(HOP)
        .map(|(d, w)| (rms(d), rms(w)))
        .collect();
    let loudest = |side: fn(&(f64, f64)) -> f64| frames.iter().map(side).fold(0.0, f64::max);
    let (dry_least, wet_least) = (
        AUDIBLE * loudest(|f| f.0),
        1e-2 * AUDIBLE * loudest(|f| f.1),
    );
    let (mut gain, mut level) = (Vec::new(), Vec::new());
    for (number, &(d, w)) in frames.iter().enumerate() {
        if d > dry_least {
            let number = number as f64;
            gain.push((number, 20.0 * (w.max(wet_least) / d).log10()));
            level.push((number, 20.0 * d.log10()));
        }
    }
    without_mean(&mut gain);
    without_mean(&mut level);
    (gain, level)
}

/// The strongest periodic change of the gain from `dry` to `wet`, which have been aligned;
/// `None` with fewer than 200 audible frames of 512 samples.
pub fn tremolo(dry: &[f64], wet: &[f64]) -> Option<Tremolo> {
    let (gain, level) = courses(dry, wet);
    if gain.len() < LEAST_FRAMES {
        return None;
    }
    let length = gain.last()?.0 + 1.0;
    // Four periods at least, in steps of a quarter of what the length can tell apart.
    let (first, last) = (16, (4.0 * length / SHORTEST) as usize);
    let at = |step: usize| step as f64 / (4.0 * length);
    let (best, found) = (first..=last)
        .map(|step| (step, Sine::fit(&gain, at(step))))
        .max_by(|a, b| a.1.share.total_cmp(&b.1.share))?;
    let near = best.saturating_sub(2)..=best + 2;
    Some(Tremolo {
        period_samples: HOP as f64 / at(best),
        swing_db: 2.0 * found.amplitude,
        share: found.share,
        rhythm: near
            .map(|step| Sine::fit(&level, at(step)).share)
            .fold(0.0, f64::max),
    })
}

/// Frames that levels are compared over.
const COMPARED: usize = 80;

/// Levels further than this below the loudest count as that low, in decibels.
const LOWEST_DB: f64 = -45.0;

/// Frames by which one course may lie before or after the other.
const BESIDE: std::ops::RangeInclusive<i64> = -4..=8;

/// Correlation of the courses of the two levels in decibels, the largest of those a few frames
/// apart; `None` with fewer than 80 frames, or where one of them does not change.
pub fn level_likeness(dry: Track<'_>, wet: Track<'_>) -> Option<f64> {
    let course = |x: Track<'_>| -> Vec<f64> {
        let powers = x.in_wholes_of(FRAME).each(FRAME, |x| energy(x));
        let loudest = powers.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        powers
            .iter()
            .map(|p| (10.0 * (p / loudest).log10()).max(LOWEST_DB))
            .collect()
    };
    let (dry, wet) = (course(dry), course(wet));
    let beside = BESIDE.filter_map(|late| {
        let skip = |x: &[f64], by: i64| {
            x.get(usize::try_from(by).unwrap_or(0)..)
                .map(<[f64]>::to_vec)
        };
        correlation(&skip(&dry, -late)?, &skip(&wet, late)?)
    });
    beside.reduce(f64::max)
}

/// Of two courses over what both cover; `None` with too little of it, or where one stands still.
fn correlation(dry: &[f64], wet: &[f64]) -> Option<f64> {
    let count = dry.len().min(wet.len());
    if count < COMPARED {
        return None;
    }
    let mean = |x: &[f64]| x[..count].iter().sum::<f64>() / count as f64;
    let (md, mw) = (mean(dry), mean(wet));
    let (mut dd, mut ww, mut dw) = (0.0, 0.0, 0.0);
    for (d, w) in dry.iter().zip(wet) {
        dd += (d - md).powi(2);
        ww += (w - mw).powi(2);
        dw += (d - md) * (w - mw);
    }
    // A level that hardly moves says nothing.
    let moving = |sum: f64| sum / count as f64 > 4.0;
    (moving(dd) && moving(ww)).then(|| dw / (dd * ww).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_is_found_between_gaps() {
        let mut values: Vec<(f64, f64)> = (0..500)
            .filter(|n| n % 7 > 2)
            .map(|n| {
                let n = f64::from(n);
                (n, 3.0 + 2.0 * (TAU * 0.04 * n + 1.0).sin())
            })
            .collect();
        without_mean(&mut values);
        let found = Sine::fit(&values, 0.04);
        assert!((found.amplitude - 2.0).abs() < 1e-9 && found.share > 1.0 - 1e-9);
        assert!(Sine::fit(&values, 0.03).share < 0.1);
    }
}
