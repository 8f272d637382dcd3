//! From tracks to the oscillators that may be behind them: its rate is the one whose harmonics leave
//! least of all tracks; or the slower one's of which that is a harmonic. Knows
//! nothing of sound.

use super::fold::{self, Map};
use super::normal::Normal;
use super::track::{Track, grid};
use crate::dsp::modulation::{Motion, Oscillator, Part, Phases, SIDEBANDS, SWAYED, Second};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::f64::consts::TAU;

/// Rates looked for, in hertz.
const RATES: [f64; 2] = [0.08, 14.0];

/// Harmonics by which a rate is judged, and of the first curve.
const JUDGED: usize = 4;
pub(super) const FIRST: usize = 6;

/// Moments of a track that a rate is looked for in.
const MOST: usize = 1200;

/// A rate's multiples fit as well, and its fractions: the highest that leaves hardly more than the
/// best is meant.
pub(super) const AS_GOOD: f64 = 1.25;

/// Less than this share of the sound (ESR) is hardly more.
const HARDLY: f64 = 1e-3;

/// Of fits that leave so much (ESR) at such rates the one that is meant: the fastest that leaves hardly more than the
/// best.
pub(super) fn meant<T>(tried: Vec<T>, left_at: impl Fn(&T) -> (f64, f64)) -> Option<T> {
    let left = tried.iter().map(|tried| left_at(tried).0);
    let good = AS_GOOD * left.fold(f64::INFINITY, f64::min) + HARDLY;
    let good = tried.into_iter().filter(|tried| left_at(tried).0 <= good);
    good.max_by(|a, b| left_at(a).1.total_cmp(&left_at(b).1))
}

/// A wave that a slower one carries is this harmonic of it at most.
const FASTEST: usize = 24;

/// Angles at which a track's phase is tried: 20 in a period of the highest harmonic.
const ANGLES: usize = 512;

/// An oscillator found, with its phase at the beginning of each track.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) motion: Motion,
    /// By track.
    pub(super) phases: Vec<Phases>,
    /// By track, in hertz: no analogue clock keeps time from take to take.
    pub(super) rates: Vec<f64>,
    /// Share of the tracks' variance that it leaves.
    pub(super) left: f64,
}

/// The time of a moment's middle.
fn time(track: &Track, moment: usize) -> f64 {
    track.start + (moment as f64 + 0.5) * track.moment
}

/// `1, cos, sin, …` of these harmonics, which ascend, at an angle.
fn basis(angle: f64, harmonics: &[usize], row: &mut Vec<f64>) {
    row.clear();
    row.push(1.0);
    let (sin, cos) = angle.sin_cos();
    let (mut at, mut c, mut s) = (0, 1.0, 0.0);
    for k in harmonics {
        while at < *k {
            (c, s) = (c * cos - s * sin, s * cos + c * sin);
            at += 1;
        }
        row.extend([c, s]);
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
    let harmonics: Vec<usize> = (1..=JUDGED).collect();
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
            basis(TAU * rate * time(track, moment), &harmonics, &mut row);
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

/// Seconds of the longest track.
fn longest(tracks: &[Track]) -> f64 {
    let each = tracks
        .iter()
        .map(|t| t.values.len().min(MOST) as f64 * t.moment);
    each.fold(0.0, f64::max)
}

/// The slowest rate that tracks of such length tell.
fn slowest(tracks: &[Track]) -> f64 {
    RATES[0].max(0.4 / longest(tracks).max(f64::MIN_POSITIVE))
}

/// A rate that may be meant where a slower one explains more, for a track that wanders, too, is faster than
/// that by this factor at least.
const FASTER: f64 = 1.5;

/// The rates that explain `tracks` best: the highest that leaves hardly more than the best, and of those well
/// above it the best.
fn rates(tracks: &[Track]) -> Vec<f64> {
    let longest = longest(tracks);
    if longest <= 0.0 {
        return Vec::new();
    }
    let slowest = slowest(tracks);
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
    let valleys = (1..count.saturating_sub(1)).filter(is_valley);
    let valleys: Vec<usize> = valleys.filter(|i| at(*i) < 0.8 * RATES[1]).collect();
    let Some(first) = valleys.iter().rfind(|i| left[**i] <= good) else {
        return Vec::new();
    };
    let above = valleys.iter().filter(|i| at(**i) > FASTER * at(*first));
    let second = above.min_by(|a, b| left[**a].total_cmp(&left[**b]));
    let nearer = |valley: &usize| {
        let near = (-10..=10).map(|i| at(*valley) + step * f64::from(i) / 10.0);
        near.min_by(|a, b| judged(tracks, *a).0.total_cmp(&judged(tracks, *b).0))
    };
    [Some(first), second]
        .into_iter()
        .flatten()
        .filter_map(nearer)
        .collect()
}

/// The plain oscillators that may be behind `tracks`, which are of one part: behind their values, and the sines
/// along which most is explained. None where nothing returns.
pub(super) fn plain(tracks: &[Track]) -> Vec<Found> {
    let Some(first) = tracks.first() else {
        return Vec::new();
    };
    let harmonics: Vec<usize> = (1..=FIRST).collect();
    let found = rates(tracks).into_iter();
    let found = found.filter_map(|rate| fitted(first.part, tracks, rate, &harmonics));
    found.chain(sines(tracks)).collect()
}

/// So many sines are tried that tracks led astray do not show.
const SINES: usize = 2;

fn sines(tracks: &[Track]) -> Vec<Found> {
    let maps: Option<Vec<&Map>> = tracks.iter().map(|track| track.map.as_ref()).collect();
    let (Some(Track { part, .. }), Some(maps)) = (tracks.first(), maps) else {
        return Vec::new();
    };
    let waves = fold::sines(*part, &grid(*part), &maps, RATES, SINES).into_iter();
    let found = waves.map(|wave| Found {
        rates: vec![wave.motion.oscillator.rate_hz; tracks.len()],
        phases: wave.phases.into_iter().map(|phase| [phase, 0.0]).collect(),
        motion: wave.motion,
        left: wave.left,
    });
    found.collect()
}

/// Slower oscillators that may have the plain one among their harmonics, those first that explain the
/// tracks best.
pub(super) fn carrying(tracks: &[Track], plain: &Found) -> Vec<Found> {
    let part = plain.motion.part;
    let fast = plain.motion.oscillator.rate_hz;
    let slowest = slowest(tracks);
    let carried = (2..=FASTEST).filter(|times| fast / *times as f64 >= slowest);
    let carried = carried.filter_map(|times| {
        let harmonics: BTreeSet<usize> = (1..=JUDGED)
            .chain(times - 1..=times + 1)
            .chain([2 * times])
            .collect();
        let harmonics: Vec<usize> = harmonics.into_iter().collect();
        fitted(part, tracks, fast / times as f64, &harmonics)
    });
    let mut carried: Vec<Found> = carried.collect();
    carried.sort_by(|a, b| a.left.total_cmp(&b.left));
    carried
}

/// A clock that was heard so often is believed to go otherwise in one take than in another, by this share at
/// most, where that leaves much less.
pub(super) const TOLD: f64 = 4.0;
pub(super) const ASTRAY: f64 = 0.03;
pub(super) const MUCH_LESS: f64 = 0.7;

/// The rate of one track, near that of all.
fn own_rate(track: &Track, rate: f64) -> f64 {
    let track = std::slice::from_ref(track);
    if rate * longest(track) < TOLD {
        return rate;
    }
    let near = (-30..=30).map(|i| rate * (1.0 + ASTRAY * f64::from(i) / 30.0));
    let tried = near.map(|rate| (rate, judged(track, rate).0));
    let best = tried.min_by(|a, b| a.1.total_cmp(&b.1));
    let better = best.filter(|(_, left)| *left < MUCH_LESS * judged(track, rate).0);
    better.map_or(rate, |(rate, _)| rate)
}

/// One curve of these harmonics for all tracks at about this rate, each track with a phase of its own: begun from
/// the phases of each track's fundamental, and from the first track's curve alone.
fn fitted(part: Part, tracks: &[Track], rate: f64, harmonics: &[usize]) -> Option<Found> {
    let rates: Vec<f64> = tracks.iter().map(|track| own_rate(track, rate)).collect();
    let angle = |(track, rate): (&Track, &f64)| {
        let each = judged(std::slice::from_ref(track), *rate).1;
        each[0][2].atan2(each[0][1])
    };
    let angles: Vec<f64> = tracks.iter().zip(&rates).map(angle).collect();
    let own = angles.iter().map(|own| angles[0] - own).collect();
    let mut first = vec![0.0; tracks.len()];
    let alone = curve((part, rate), &tracks[..1], &rates, harmonics, &first[..1])?;
    turn(&alone, tracks, &rates, &mut first);
    let starts = [own, first].into_iter();
    let found =
        starts.filter_map(|phases| settled((part, rate), tracks, &rates, harmonics, phases));
    found.min_by(|a, b| a.left.total_cmp(&b.left))
}

/// Curve and phases by turns, from these phases.
fn settled(
    of: (Part, f64),
    tracks: &[Track],
    rates: &[f64],
    harmonics: &[usize],
    mut phases: Vec<f64>,
) -> Option<Found> {
    let mut best: Option<Found> = None;
    for _ in 0..3 {
        let motion = curve(of, tracks, rates, harmonics, &phases)?;
        turn(&motion, tracks, rates, &mut phases);
        let motion = curve(of, tracks, rates, harmonics, &phases)?;
        let each = tracks.iter().zip(rates).zip(&phases);
        let left: f64 = each
            .map(|((track, rate), phase)| missed(track, &motion, *rate, *phase))
            .sum();
        let left = left / variance(tracks, usize::MAX).max(f64::MIN_POSITIVE);
        if best.as_ref().is_none_or(|best| left < best.left) {
            best = Some(Found {
                motion,
                phases: phases.iter().map(|phase| [*phase, 0.0]).collect(),
                rates: rates.to_vec(),
                left,
            });
        }
    }
    best
}

/// The phases at which a motion is nearest to each track but the first.
fn turn(motion: &Motion, tracks: &[Track], rates: &[f64], phases: &mut [f64]) {
    let turn = Turn::of(motion);
    for ((track, rate), phase) in tracks.iter().zip(rates).zip(phases).skip(1) {
        let angles = (0..ANGLES).map(|i| TAU * i as f64 / ANGLES as f64);
        let tried = angles.map(|angle| (angle, turn.missed(track, *rate, angle)));
        let nearest = tried.min_by(|a, b| a.1.total_cmp(&b.1));
        *phase = nearest.map_or(0.0, |(angle, _)| angle);
    }
}

/// A motion's value at so many angles around.
struct Turn(Vec<f64>);

const FINE: usize = 8 * ANGLES;

impl Turn {
    fn of(motion: &Motion) -> Self {
        let angles = (0..FINE).map(|i| TAU * i as f64 / FINE as f64);
        Self(angles.map(|angle| motion.value(angle, 0.0)).collect())
    }

    /// As [`missed`], to the nearest of the angles.
    fn missed(&self, track: &Track, rate: f64, phase: f64) -> f64 {
        let pairs = track.values.iter().zip(&track.weights).enumerate();
        let each = pairs.map(|(i, (v, w))| {
            let turns = (rate * time(track, i) + phase / TAU).rem_euclid(1.0);
            let value = self.0[(turns * FINE as f64) as usize % FINE];
            w * (v - value).powi(2)
        });
        each.sum()
    }
}

/// Weighted squares of what a motion at this rate misses of a track.
fn missed(track: &Track, motion: &Motion, rate: f64, phase: f64) -> f64 {
    let pairs = track.values.iter().zip(&track.weights).enumerate();
    let value = |i: usize| motion.value(TAU * (rate * time(track, i)).fract() + phase, 0.0);
    pairs.map(|(i, (v, w))| w * (v - value(i)).powi(2)).sum()
}

/// The curve that fits all tracks at these rates and phases.
fn curve(
    (part, rate): (Part, f64),
    tracks: &[Track],
    rates: &[f64],
    harmonics: &[usize],
    phases: &[f64],
) -> Option<Motion> {
    let unknowns = 1 + 2 * harmonics.len();
    let (mut normal, mut row) = (Normal::new(unknowns), Vec::new());
    for ((track, rate), phase) in tracks.iter().zip(rates).zip(phases) {
        for (i, (value, weight)) in track.values.iter().zip(&track.weights).enumerate() {
            basis(TAU * rate * time(track, i) + phase, harmonics, &mut row);
            normal.add_row(&row, *value, *weight);
        }
    }
    let solution = normal.solve(|i| if i == 0 { 0.0 } else { 1e-5 })?;
    let highest = harmonics.iter().copied().max().unwrap_or(0);
    let mut curve = vec![0.0; 2 * highest];
    for (k, pair) in harmonics.iter().zip(solution[1..].chunks_exact(2)) {
        curve[2 * k - 2..2 * k].copy_from_slice(pair);
    }
    Some(Motion {
        part,
        centre: solution[0],
        oscillator: Oscillator {
            rate_hz: rate,
            curve,
        },
        second: None,
        feedback: 0.0,
    })
}

/// Harmonics of the slower of two oscillators, and of the faster one's first curve, by which a rate is judged, too.
const SLOW: usize = 3;
const FAST: usize = 2;

/// Another rate is another oscillator's where it differs from these multiples of the known one by half a period in
/// the longest track.
const MULTIPLES: usize = 3;
const UNRELATED: f64 = 0.5;

/// So many second oscillators are tried.
const SECONDS: usize = 3;

/// The plain oscillator with another of a rate of its own beside it, those first that explain the tracks best.
pub(super) fn beside(tracks: &[Track], plain: &Found) -> Vec<Found> {
    let known = plain.motion.oscillator.rate_hz;
    let longest = longest(tracks);
    let (slowest, step) = (slowest(tracks), 0.05 / longest.max(f64::MIN_POSITIVE));
    let related = |rate: f64| {
        let near = |a: f64, b: f64| (a - b).abs() * longest < UNRELATED;
        (1..=MULTIPLES).any(|n| near(rate, known * n as f64) || near(known, rate * n as f64))
    };
    let count = ((RATES[1] - slowest) / step).max(0.0) as usize;
    let rates: Vec<f64> = (0..count).map(|i| slowest + step * i as f64).collect();
    let left = rates.par_iter().map(|rate| match related(*rate) {
        true => f64::INFINITY,
        false => together(tracks, two(known, *rate)).0,
    });
    let left: Vec<f64> = left.collect();
    let is_valley = |i: &usize| left[*i] <= left[i - 1] && left[*i] <= left[i + 1];
    let mut valleys: Vec<usize> = (1..count.saturating_sub(1)).filter(is_valley).collect();
    valleys.retain(|i| left[*i].is_finite());
    valleys.sort_by(|a, b| left[*a].total_cmp(&left[*b]));
    let found = valleys.into_iter().take(SECONDS);
    let found = found.filter_map(|i| of_two(plain.motion.part, tracks, two(known, rates[i])));
    let mut found: Vec<Found> = found.collect();
    found.sort_by(|a, b| a.left.total_cmp(&b.left));
    found
}

/// The slower rate and the faster.
fn two(a: f64, b: f64) -> [f64; 2] {
    [a.min(b), a.max(b)]
}

/// Sideband and harmonic of what two oscillators make: the slower one's own, then the faster one's.
fn pairs(fast: usize) -> Vec<(f64, f64)> {
    let slow = (1..=SLOW).map(|j| (j as f64, 0.0));
    let sides = 0..=2 * SIDEBANDS;
    let sides = move |k: usize| {
        let side = move |side: usize| (side as f64 - SIDEBANDS as f64, k as f64);
        sides.clone().map(side)
    };
    slow.chain((1..=fast).flat_map(sides)).collect()
}

/// `1, cos, sin, …` of these at two angles.
fn basis_of_two(pairs: &[(f64, f64)], angles: [f64; 2], row: &mut Vec<f64>) {
    row.clear();
    row.push(1.0);
    for (j, k) in pairs {
        let (sin, cos) = (j * angles[0] + k * angles[1]).sin_cos();
        row.extend([cos, sin]);
    }
}

/// What both leave of each track by itself, and the angles of their fundamentals in each.
fn together(tracks: &[Track], rates: [f64; 2]) -> (f64, Vec<Phases>) {
    let mut pairs = pairs(FAST);
    pairs.retain(|(j, k)| *k == 0.0 || j.abs() < 2.0);
    let fundamental = |wanted: (f64, f64)| {
        let at = pairs.iter().position(|pair| *pair == wanted);
        at.map_or(0, |at| 1 + 2 * at)
    };
    let fundamentals = [fundamental((1.0, 0.0)), fundamental((0.0, 1.0))];
    let mut left = 0.0;
    let mut row = Vec::new();
    let each = tracks.iter().map(|track| {
        let mut normal = Normal::new(1 + 2 * pairs.len());
        let mean = track.values.iter().sum::<f64>() / track.values.len().max(1) as f64;
        let mut energy = 0.0;
        let moments = track.values.iter().zip(&track.weights).take(MOST);
        for (moment, (value, weight)) in moments.enumerate() {
            let angles = rates.map(|rate| TAU * rate * time(track, moment));
            basis_of_two(&pairs, angles, &mut row);
            normal.add_row(&row, value - mean, *weight);
            energy += weight * (value - mean).powi(2);
        }
        let solution = normal.solve(|_| 1e-4);
        let solution = solution.unwrap_or_else(|| vec![0.0; 1 + 2 * pairs.len()]);
        left += (energy - normal.explained(&solution)).max(0.0);
        fundamentals.map(|at| solution[at + 1].atan2(solution[at]))
    });
    let angles = each.collect();
    (left, angles)
}

/// One curve of both for all tracks, each track with phases of its own.
fn of_two(part: Part, tracks: &[Track], rates: [f64; 2]) -> Option<Found> {
    let (_, angles) = together(tracks, rates);
    let phases: Vec<Phases> = angles
        .iter()
        .map(|own| [0, 1].map(|at| angles[0][at] - own[at]))
        .collect();
    let pairs = pairs(FAST + 1);
    let (mut normal, mut row) = (Normal::new(1 + 2 * pairs.len()), Vec::new());
    for (track, phases) in tracks.iter().zip(&phases) {
        for (i, (value, weight)) in track.values.iter().zip(&track.weights).enumerate() {
            let angles = [0, 1].map(|at| TAU * rates[at] * time(track, i) + phases[at]);
            basis_of_two(&pairs, angles, &mut row);
            normal.add_row(&row, *value, *weight);
        }
    }
    let solution = normal.solve(|i| if i == 0 { 0.0 } else { 1e-4 })?;
    let left = normal.left(&solution) * normal.energy() / variance(tracks, usize::MAX);
    let (slow, fast) = solution[1..].split_at(2 * SLOW);
    debug_assert_eq!(fast.len() % SWAYED, 0);
    Some(Found {
        motion: Motion {
            part,
            centre: solution[0],
            oscillator: Oscillator {
                rate_hz: rates[0],
                curve: slow.to_vec(),
            },
            second: Some(Second {
                rate_hz: rates[1],
                phase: 0.0,
                curve: fast.to_vec(),
            }),
            feedback: 0.0,
        },
        rates: vec![rates[0]; tracks.len()],
        phases,
        left,
    })
}
