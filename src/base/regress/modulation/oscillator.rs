//! From tracks to the oscillator behind them: its rate is the one whose harmonics leave least of
//! all tracks; where a slower or a faster wave is left, a second oscillator. Knows nothing of sound.

use super::normal::Normal;
use super::part::{Motion, Oscillator};
use super::track::Track;
use rayon::prelude::*;
use std::f64::consts::TAU;

/// Rates looked for, in hertz.
const RATES: [f64; 2] = [0.08, 14.0];

/// Harmonics by which a rate is judged, and of the first curve.
const JUDGED: usize = 4;
const FIRST: usize = 6;

/// Moments of a track that a rate is looked for in.
const MOST: usize = 1200;

/// A rate's multiples fit as well, and its fractions: the highest that leaves hardly more than the
/// best is meant.
const AS_GOOD: f64 = 1.25;

/// A second oscillator leaves less than this share of what the first leaves.
const SECOND: f64 = 0.5;

/// Oscillators found, with the phase of each at the beginning of each track.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) motion: Motion,
    /// `[track][oscillator]`
    pub(super) phases: Vec<Vec<f64>>,
    /// Share of the tracks' variance that they leave.
    pub(super) left: f64,
}

/// The time of a moment's middle.
fn time(track: &Track, moment: usize) -> f64 {
    (moment as f64 + 0.5) * track.moment
}

/// `1, cos, sin, …` of harmonics of several oscillators at these angles.
fn basis(angles: &[f64], harmonics: usize, row: &mut Vec<f64>) {
    row.clear();
    row.push(1.0);
    for angle in angles {
        for k in 1..=harmonics {
            let (sin, cos) = (k as f64 * angle).sin_cos();
            row.extend([cos, sin]);
        }
    }
}

fn variance(tracks: &[Track], most: usize) -> f64 {
    let of = |track: &Track| {
        let pairs = || track.values.iter().zip(&track.weights).take(most);
        let weight: f64 = pairs().map(|(_, w)| w).sum();
        let mean = pairs().map(|(v, w)| v * w).sum::<f64>() / weight.max(f64::MIN_POSITIVE);
        pairs().map(|(v, w)| w * (v - mean).powi(2)).sum::<f64>()
    };
    tracks.iter().map(of).sum()
}

/// What harmonics of `rate` leave of each track by itself, and their coefficients.
fn judged(tracks: &[Track], rate: f64) -> (f64, Vec<Vec<f64>>) {
    let (mut left, mut all) = (0.0, Vec::new());
    let mut row = Vec::new();
    for track in tracks {
        let mut normal = Normal::new(1 + 2 * JUDGED);
        let pairs = || {
            track
                .values
                .iter()
                .zip(&track.weights)
                .take(MOST)
                .enumerate()
        };
        let mut energy = 0.0;
        // Around the mean, so that what is left is no difference of large numbers.
        let mean = track.values.iter().sum::<f64>() / track.values.len().max(1) as f64;
        for (moment, (value, weight)) in pairs() {
            basis(&[TAU * rate * time(track, moment)], JUDGED, &mut row);
            normal.add_row(&row, value - mean, *weight);
            energy += weight * (value - mean).powi(2);
        }
        let solution = normal
            .solve(|_| 1e-6)
            .unwrap_or_else(|| vec![0.0; 1 + 2 * JUDGED]);
        left += (energy - normal.explained(&solution)).max(0.0);
        all.push(solution);
    }
    (left, all)
}

/// The rate of what is left in `tracks`.
fn rate(tracks: &[Track]) -> Option<f64> {
    let longest = tracks
        .iter()
        .map(|t| t.values.len().min(MOST) as f64 * t.moment);
    let longest = longest.fold(0.0, f64::max);
    if longest <= 0.0 {
        return None;
    }
    let slowest = RATES[0].max(0.4 / longest);
    let step = 0.03 / longest;
    let count = ((RATES[1] - slowest) / step) as usize;
    let at = |i: usize| slowest + step * i as f64;
    let left: Vec<f64> = (0..count)
        .into_par_iter()
        .map(|i| judged(tracks, at(i)).0)
        .collect();
    let least = left.iter().copied().fold(f64::INFINITY, f64::min);
    let good = AS_GOOD * least + 0.01 * variance(tracks, MOST);
    let is_valley = |i: &usize| left[*i] <= left[i - 1] && left[*i] <= left[i + 1];
    let mut valleys = (1..count.saturating_sub(1)).filter(is_valley);
    let best = valleys.rfind(|i| left[*i] <= good && at(*i) < 0.8 * RATES[1])?;
    let near = (-10..=10).map(|i| at(best) + step * f64::from(i) / 10.0);
    near.min_by(|a, b| judged(tracks, *a).0.total_cmp(&judged(tracks, *b).0))
}

/// The oscillators behind `tracks`, which are of one part. `None` where nothing returns.
pub(super) fn find(tracks: &[Track]) -> Option<Found> {
    let part = tracks.first()?.part;
    let first = rate(tracks)?;
    let mut found = fitted(part, tracks, &[first])?;
    let rest: Vec<Track> = tracks
        .iter()
        .zip(&found.phases)
        .map(|(track, phases)| {
            let values = track.values.iter().enumerate();
            let values = values.map(|(i, v)| v - found.motion.value(phases, time(track, i)));
            Track {
                values: values.collect(),
                ..track.clone()
            }
        })
        .collect();
    if let Some(second) = rate(&rest)
        && let Some(both) = fitted(part, tracks, &[first, second])
        && both.left < SECOND * found.left
    {
        found = both;
    }
    Some(found)
}

/// One curve for all tracks at these rates, each track with phases of its own.
fn fitted(part: super::Part, tracks: &[Track], rates: &[f64]) -> Option<Found> {
    let mut phases: Vec<Vec<f64>> = vec![vec![0.0; rates.len()]; tracks.len()];
    for (at, rate) in rates.iter().enumerate() {
        let (_, each) = judged(tracks, *rate);
        let angle = |c: &Vec<f64>| c[2].atan2(c[1]);
        for (phases, own) in phases.iter_mut().zip(&each) {
            phases[at] = angle(&each[0]) - angle(own);
        }
    }
    let mut best: Option<Found> = None;
    for _ in 0..3 {
        let motion = curve(part, tracks, rates, &phases)?;
        for (track, phases) in tracks.iter().zip(&mut phases).skip(1) {
            for at in 0..rates.len() {
                let with = |angle: f64| {
                    let mut phases = phases.clone();
                    phases[at] = angle;
                    missed(track, &motion, &phases)
                };
                let angles = (0..256).map(|i| TAU * f64::from(i) / 256.0);
                let nearest = angles.min_by(|a, b| with(*a).total_cmp(&with(*b)));
                phases[at] = nearest.unwrap_or(0.0);
            }
        }
        let motion = curve(part, tracks, rates, &phases)?;
        let each = tracks.iter().zip(&phases);
        let left: f64 = each
            .map(|(track, phases)| missed(track, &motion, phases))
            .sum();
        let left = left / variance(tracks, usize::MAX).max(f64::MIN_POSITIVE);
        if best.as_ref().is_none_or(|best| left < best.left) {
            best = Some(Found {
                motion,
                phases: phases.clone(),
                left,
            });
        }
    }
    best
}

/// Weighted squares of what a motion misses of a track.
fn missed(track: &Track, motion: &Motion, phases: &[f64]) -> f64 {
    let pairs = track.values.iter().zip(&track.weights).enumerate();
    pairs
        .map(|(i, (v, w))| w * (v - motion.value(phases, time(track, i))).powi(2))
        .sum()
}

/// The curves that fit all tracks at these phases.
fn curve(
    part: super::Part,
    tracks: &[Track],
    rates: &[f64],
    phases: &[Vec<f64>],
) -> Option<Motion> {
    let unknowns = 1 + 2 * FIRST * rates.len();
    let (mut normal, mut row) = (Normal::new(unknowns), Vec::new());
    for (track, phases) in tracks.iter().zip(phases) {
        for (i, (value, weight)) in track.values.iter().zip(&track.weights).enumerate() {
            let angle = |(rate, phase): (&f64, &f64)| TAU * rate * time(track, i) + phase;
            let angles: Vec<f64> = rates.iter().zip(phases).map(angle).collect();
            basis(&angles, FIRST, &mut row);
            normal.add_row(&row, *value, *weight);
        }
    }
    let solution = normal.solve(|i| if i == 0 { 0.0 } else { 1e-5 })?;
    let curves = solution[1..].chunks_exact(2 * FIRST);
    let oscillators = rates.iter().zip(curves).map(|(rate, curve)| Oscillator {
        rate_hz: *rate,
        curve: curve.to_vec(),
    });
    Some(Motion {
        part,
        centre: solution[0],
        oscillators: oscillators.collect(),
        feedback: 0.0,
    })
}
