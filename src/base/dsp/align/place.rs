//! The place at which several pairs of one chain agree, near or far, and their slide undone.
//!
//! Knows whitening and lines of lags; an onset is looked for elsewhere.

use super::drift::{self, Drift};
use super::response::Whitened;
use super::search::{self, Line};
use super::whiten::Whitener;
use rayon::prelude::*;
use std::f64::consts::PI;
use std::ops::RangeInclusive;

/// Strength from which on a line near by is believed without looking farther. Chance makes 6.
const CLEAR: f64 = 9.0;

/// A slide of this many samples is beyond what a response's width makes of none.
const STEEP: f64 = 12.0;

/// Factor by which a steep line says more than the best level one, if it is the right one.
const MORE: f64 = 1.06;

/// Whitening of a look: taps, and the floor that suits clean or noisy material.
const LOOKS: [(usize, f64); 3] = [(4096, 1e-6), (4096, 1e-2), (16_384, 1e-6)];

/// The line on which the strongest of the pairs agrees: among `lags`, or among all when they show
/// nothing and it is asked to look `beyond`; with the lags that were searched. `None` when no pair
/// sounds.
pub(super) fn find(
    pairs: &[(Vec<f64>, Vec<f64>)],
    lags: &RangeInclusive<i64>,
    beyond: bool,
) -> Option<Place> {
    // One pair's looks at a time: a group may hold hundreds.
    let near = pairs.iter().enumerate().filter_map(|(n, pair)| {
        let lines = looks(pair)
            .into_iter()
            .filter_map(|look| search::near(&look, lags));
        Some((n, strongest(lines, |line| line.strength)?, lags.clone()))
    });
    let strength = |found: &Found| found.1.strength;
    let mut best = strongest(near, strength)?;
    if best.1.strength < CLEAR && beyond {
        let far = pairs.iter().enumerate().filter_map(|(n, pair)| {
            let lines = looks(pair)
                .into_iter()
                .filter_map(|look| search::anywhere(&look));
            let (line, lags) = strongest(lines, |found| found.0.strength)?;
            Some((n, line, lags))
        });
        let far = strongest(far, strength)?;
        // Many more lags hold chance's best.
        let better = far.1.strength > 1.25 * best.1.strength;
        best = if better { far } else { (best.0, best.1, far.2) };
    }
    let (index, mut line, lags) = best;
    let drift = looks(&pairs[index])
        .first()
        .and_then(|look| clocks(look, &line));
    line.slide = drift.filter(Drift::is_sure).map_or(0.0, |d| d.samples);
    Some(Place {
        line,
        drift,
        searched: (*lags.start(), *lags.end()),
    })
}

/// Where several pairs agree.
pub(super) struct Place {
    pub(super) line: Line,
    /// `None` where it cannot be told.
    pub(super) drift: Option<Drift>,
    /// First and last lag that were looked at.
    pub(super) searched: (i64, i64),
}

impl Place {
    /// Samples by which wet lags more with every sample.
    pub(super) fn slope(&self) -> f64 {
        let drift = self.drift.filter(Drift::is_sure);
        drift.map_or(0.0, |d| 1e-6 * d.ppm)
    }
}

/// Which pair, its line, the lags that were looked at.
type Found = (usize, Line, RangeInclusive<i64>);

fn strongest<T>(found: impl Iterator<Item = T>, strength: impl Fn(&T) -> f64) -> Option<T> {
    found.max_by(|a, b| strength(a).total_cmp(&strength(b)))
}

/// Both sounds of a pair, every moment counting alike, whitened finely and coarsely.
fn looks((dry, wet): &(Vec<f64>, Vec<f64>)) -> Vec<Whitened> {
    LOOKS
        .par_iter()
        .map(|&(taps, floor)| {
            let whiten = |x: &[f64]| Whitener::new(x, taps).whiten(floor);
            let (dry, wet) = rayon::join(|| whiten(dry), || whiten(wet));
            Whitened { dry, wet }.levelled()
        })
        .collect()
}

/// The slide to a twentieth of a sample; `None` where there is no line or too little sound.
fn clocks(look: &Whitened, line: &Line) -> Option<Drift> {
    let mut drift =
        drift::drift(look, line.lag, Some(line.slide)).filter(|_| line.strength >= CLEAR)?;
    // A line that the stretches follow only when it is steep proves the slide it has.
    let more = line.height > MORE * line.level_height && line.support > 0.3;
    if more && line.slide.abs() >= STEEP && (drift.samples - line.slide).abs() < 8.0 {
        drift.confidence = drift.confidence.max(0.5 + 0.5 * line.support);
    }
    Some(drift)
}

/// `wet` read at dry's speed: its lag, `start` at first, grows by `slope` per sample and does so no
/// more.
pub(super) fn without_slide(wet: &[f64], slope: f64, start: i64) -> Vec<f64> {
    (0..wet.len())
        .into_par_iter()
        .map(|n| read(wet, n as f64 + slope * (n as f64 - start as f64)))
        .collect()
}

/// Samples on either side of which one between two samples is made.
const REACH: i64 = 16;

/// The sound at a place between samples, by a Hann-windowed sinc.
fn read(x: &[f64], place: f64) -> f64 {
    let (whole, fraction) = (place.floor() as i64, place - place.floor());
    let at = |k: i64| {
        usize::try_from(k)
            .ok()
            .and_then(|k| x.get(k))
            .copied()
            .unwrap_or(0.0)
    };
    if fraction < 1e-9 {
        return at(whole);
    }
    // sin π(k − f) = ∓sin πf.
    let sine = (PI * fraction).sin();
    (1 - REACH..=REACH)
        .map(|k| {
            let away = k as f64 - fraction;
            let sign = if k % 2 == 0 { -1.0 } else { 1.0 };
            let window = 0.5 + 0.5 * (PI * away / (REACH as f64 + 1.0)).cos();
            at(whole + k) * sign * sine / (PI * away) * window
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slide_is_undone() {
        let sine = |n: f64| (0.2 * n).sin();
        let slid: Vec<f64> = (0..5000)
            .map(|m| sine((f64::from(m) - 7.0) / 1.002))
            .collect();
        let back = without_slide(&slid, 0.002, 7);
        for (n, v) in back.iter().enumerate().take(4900).skip(100) {
            assert!((v - sine(n as f64 - 7.0)).abs() < 1e-3, "{n}");
        }
    }
}
