//! The place at which several pairs of one chain agree, near or far, and their slide undone.
//!
//! Knows whitening and lines of lags; an onset is looked for elsewhere.

use super::drift::{self, Drift};
use super::response::Whitened;
use super::search::{self, Likeness, Line};
use super::whiten::Whitener;
use crate::audio::Track;
use crate::audio::track::PIECE;
use rayon::prelude::*;
use std::f64::consts::PI;
use std::ops::RangeInclusive;

/// Strength from which on a line is believed. Chance makes 6.
const CLEAR: f64 = 9.0;

/// Strength from which on a line near by is the place, unless dry is like itself. (The most that can
/// be said is 24.)
const CONCLUSIVE: f64 = 18.0;

/// Share of the highest line's height from which on another is the place: the nearer one, for many
/// more lags hold chance's best, and the earlier one, for it is the direct sound before an echo.
const DIRECT: f64 = 0.7;

/// Likeness of dry to itself from which on a line so many lags beside the highest is nothing but that.
const ALIKE: f64 = 0.3;

/// Standard errors of a slide at which it is worth nothing; at twice as many it is sure.
const SURE: f64 = 5.0;

/// Whitening of a look: taps, and the floor that suits clean or noisy material.
const LOOKS: [(usize, f64); 3] = [(4096, 1e-6), (4096, 1e-2), (16_384, 1e-6)];

/// The line on which the strongest of the pairs agrees: among `lags`, and among all when it is asked to
/// look `beyond`; with the lags that were searched. `None` when no pair sounds.
pub(super) fn find(
    pairs: &[(Vec<f64>, Vec<f64>)],
    lags: &RangeInclusive<i64>,
    beyond: bool,
) -> Option<Place> {
    // One pair's looks at a time: a group may hold hundreds.
    let places = pairs
        .iter()
        .filter_map(|pair| of_pair(looks(pair), lags, beyond));
    places.max_by(|a, b| a.line.strength.total_cmp(&b.line.strength))
}

/// Where one pair agrees.
fn of_pair(looks: Vec<Whitened>, lags: &RangeInclusive<i64>, beyond: bool) -> Option<Place> {
    let near = looks.iter().map(|look| search::near(look, lags));
    let near: Vec<Option<Line>> = near.collect();
    let (best, mut line) = strongest(near.into_iter().enumerate())?;
    let itself = Likeness::of(&looks[0].dry);
    let mut searched = lags.clone();
    if beyond && (line.strength < CONCLUSIVE || itself.most() > ALIKE) {
        // Where there is something near by, its look is the one that suits the material.
        let clear = line.strength >= CLEAR;
        let suited = |n: usize| !clear || n == best;
        let some = looks.iter().enumerate().filter(|(n, _)| suited(*n));
        for (_, look) in some {
            let (far, all) = search::anywhere(look)?;
            line = the_place(line, &far, |lag| itself.after(lag));
            searched = all;
        }
    }
    let drift = clocks(&looks[0], &line);
    line.slide = drift.filter(Drift::is_sure).map_or(0.0, |d| d.samples);
    line.strength /= itself.copies().sqrt();
    Some(Place {
        line,
        drift,
        searched: (*searched.start(), *searched.end()),
    })
}

/// Which of the lines near by and `far` off is that of the direct sound, for a dry sound that is so far
/// `alike` to itself that many lags later.
fn the_place(near: Line, far: &[Line], alike: impl Fn(i64) -> f64) -> Line {
    let higher = |a: Line, b: &Line| if b.height > a.height { *b } else { a };
    let highest = far.iter().fold(near, higher);
    let believed = |line: &Line| {
        let beside = line.lag - highest.lag;
        beside == 0 || (line.height >= DIRECT * highest.height && alike(beside) < ALIKE)
    };
    let earliest = far.iter().filter(|l| believed(l)).min_by_key(|l| l.lag);
    match earliest {
        Some(line) if !believed(&near) => *line,
        _ => near,
    }
}

fn strongest(lines: impl Iterator<Item = (usize, Option<Line>)>) -> Option<(usize, Line)> {
    lines
        .filter_map(|(n, line)| Some((n, line?)))
        .max_by(|a, b| a.1.strength.total_cmp(&b.1.strength))
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

/// The slide to a twentieth of a sample; `None` where there is no line or too little sound. Its
/// confidence is that of the energies, or of the lags of the stretches where they say the same.
fn clocks(look: &Whitened, line: &Line) -> Option<Drift> {
    let mut drift =
        drift::drift(look, line.lag, Some(line.slide)).filter(|_| line.strength >= CLEAR)?;
    if let Some((growth, error)) = line.growth
        && (growth - drift.samples).abs() < 3.0 * error + 1.0
    {
        let confidence = 1.0 - SURE * error / growth.abs().max(error);
        drift.confidence = drift.confidence.max(confidence);
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

/// The same of a whole track, stretch by stretch.
pub(super) fn track_without_slide(wet: Track<'_>, slope: f64, start: i64) -> Vec<f32> {
    let place = |n: usize| n as f64 + slope * (n as f64 - start as f64);
    let stretch = |from: usize, to: usize| {
        let ends = [place(from), place(to)];
        let first = (ends[0].min(ends[1]) as i64 - REACH - 1).max(0) as usize;
        let end = (ends[0].max(ends[1]) as i64 + REACH + 1).max(0) as usize;
        let heard = wet.part(first..end).whole();
        let heard: Vec<f64> = heard.iter().map(|v| f64::from(*v)).collect();
        let made = (from..to).map(move |n| read(&heard, place(n) - first as f64) as f32);
        made.collect::<Vec<f32>>()
    };
    let mut read = vec![0.0; wet.len()];
    let pieces = read.par_chunks_mut(PIECE).enumerate();
    pieces.for_each(|(n, out)| {
        let from = n * PIECE;
        out.copy_from_slice(&stretch(from, from + out.len()));
    });
    read
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
    fn the_nearer_line_is_the_place_unless_another_says_clearly_more() {
        let line = |lag, height| Line {
            lag,
            slide: 0.0,
            strength: 12.0,
            support: 1.0,
            height,
            growth: None,
        };
        let far = [line(9000, 50.0), line(7000, 45.0), line(-6000, 20.0)];
        let place = |near, far: &[Line], alike| the_place(near, far, |_| alike).lag;
        assert_eq!(place(line(80, 40.0), &far, 0.0), 80);
        // Both of the high ones are the sound and its echo: the direct one.
        assert_eq!(place(line(80, 30.0), &far, 0.0), 7000);
        assert_eq!(place(line(80, 30.0), &[], 0.0), 80);
        // Notes that return fit themselves.
        assert_eq!(place(line(80, 40.0), &far, 0.9), 9000);
    }

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

    #[test]
    fn a_track_is_read_as_the_whole_is() {
        let wet: Vec<f32> = (0..2 * PIECE + 99)
            .map(|n| (0.1 * n as f32).sin())
            .collect();
        let wide: Vec<f64> = wet.iter().map(|v| f64::from(*v)).collect();
        for (slope, start) in [(3e-4, 40), (-3e-4, -17), (0.02, 0)] {
            let whole = without_slide(&wide, slope, start);
            let stretches = track_without_slide((&wet).into(), slope, start);
            let whole: Vec<f32> = whole.iter().map(|v| *v as f32).collect();
            assert_eq!(stretches, whole, "{slope}");
        }
    }
}
