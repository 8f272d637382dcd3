//! Where to look: the line of lags along which wet follows dry throughout a recording.
//!
//! A response that is there belongs to every stretch of a recording; an accident (an edge where a
//! file was cut, one loud note that meets another) belongs to one. So each stretch of dry is
//! correlated with wet on its own, every stretch may say no more than six standard deviations,
//! and what they say is added up along lines: a lag at the middle of the recording, and a slope
//! where two clocks disagree. Knows nothing of onsets: its lag is that of the largest swing.

use super::correlate::correlate;
use super::response::Whitened;
use super::whiten::median;
use crate::dsp::fft::RealFft;
use rayon::prelude::*;
use std::ops::{Range, RangeInclusive};

/// Stretches of a recording; enough that one of them proves nothing.
const STRETCHES: usize = 16;

/// Samples of one stretch at most: slid by 10 samples within it by 200 ppm.
const LONGEST: usize = 49_152;

/// What one stretch may say at most, in standard deviations of its own noise.
const MOST: f64 = 6.0;

/// Standard deviations from which on a stretch counts as following. Of a few lags around a line
/// chance makes one in twenty stretches exceed it.
const FOLLOWS: f64 = 3.0;

/// Half of the lags over which a stretch's swing may lie beside the line.
const BESIDE: usize = 3;

/// The steepest line looked for, in parts per million.
const STEEPEST_PPM: f64 = 300.0;

/// Peaks of each stretch that are followed up where the lags are too many for all.
const PEAKS: usize = 4;

/// Lags around such a peak that are looked through.
const AROUND: i64 = 1024;

/// Places of most agreement that are looked at closely.
const FOLLOWED_UP: usize = 5;

/// Share of the best line's height from which on an earlier one is the direct sound before an echo.
const DIRECT: f64 = 0.7;

/// Stretches quieter than this, relative to the mean power, say nothing.
const SILENT: f64 = 1e-3;

/// The line along which the stretches agree best.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Lag of the largest swing at the middle of the dry sound.
    pub lag: i64,
    /// Samples by which the lag grows over the whole dry sound.
    pub slide: f64,
    /// What the stretches say together, in standard deviations: below 6 it may be an accident,
    /// and no more than 6·√stretches.
    pub strength: f64,
    /// Share of the stretches that follow it, 0 ..= 1.
    pub support: f64,
    /// Sum without the limit on one stretch, to tell a sound from its echoes.
    pub height: f64,
    /// The same of the best level line.
    pub level_height: f64,
}

/// What one stretch says at every lag.
struct Stretch {
    /// Its middle in the dry sound, from −½ to ½.
    place: f64,
    /// Where it begins, and its length.
    span: Range<usize>,
    /// Upward and downward swings in standard deviations of its own noise, one per lag.
    scores: [Vec<f32>; 2],
}

/// The best line within `lags` of a whitened pair; `None` when nothing sounds.
pub fn near(pair: &Whitened, lags: &RangeInclusive<i64>) -> Option<Line> {
    let stretches = spans(&pair.dry)?
        .into_par_iter()
        .map(|span| {
            let place = place(&span, pair.dry.len());
            let g = correlate(&pair.dry, &pair.wet, span.clone(), lags.clone());
            Stretch::new(place, span, &g)
        })
        .collect::<Vec<_>>();
    best_line(
        &stretches,
        *lags.start(),
        pair.wet.len(),
        &slides(pair.dry.len()),
    )
}

/// The best line over all lags at which the two share a quarter of the shorter one; with the
/// lags searched.
pub fn anywhere(pair: &Whitened) -> Option<(Line, RangeInclusive<i64>)> {
    let (dry, wet) = (pair.dry.len() as i64, pair.wet.len() as i64);
    let least = dry.min(wet) / 4;
    let lags = least - dry..=wet - least;
    let peaks = peaks(pair, &lags)?;
    let tolerance = |a: f64, b: f64| {
        2.0 * BESIDE as f64 + STEEPEST_PPM * 1e-6 * pair.dry.len() as f64 * (a - b).abs()
    };
    // What stretches say that have a peak which the same line could pass.
    let votes = |&(place, lag): &(f64, i64)| {
        let of = |(other, peaks): &(f64, Peaks)| {
            let reach = tolerance(place, *other);
            let near = peaks
                .iter()
                .filter(|(l, _)| ((l - lag).abs() as f64) <= reach);
            near.map(|(_, score)| score.min(2.0 * MOST))
                .fold(0.0, f64::max)
        };
        peaks.iter().map(of).sum::<f64>()
    };
    let candidates = peaks
        .iter()
        .flat_map(|(place, lags)| lags.iter().map(|(lag, _)| (*place, *lag)));
    let mut candidates: Vec<(f64, i64)> = candidates.map(|c| (votes(&c), c.1)).collect();
    candidates.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.abs().cmp(&b.1.abs())));
    let mut tried: Vec<i64> = Vec::new();
    let mut found: Vec<Line> = Vec::new();
    for (_, lag) in candidates {
        if tried.len() == FOLLOWED_UP {
            break;
        }
        if tried.iter().any(|t| (t - lag).abs() < AROUND / 2) {
            continue;
        }
        tried.push(lag);
        found.extend(near(pair, &(lag - AROUND..=lag + AROUND)));
    }
    let best = *found.iter().max_by(|a, b| a.height.total_cmp(&b.height))?;
    let direct = found
        .into_iter()
        .filter(|l| l.height >= DIRECT * best.height);
    Some((direct.min_by_key(|l| l.lag)?, lags))
}

/// Lags and, in standard deviations, heights of some swings.
type Peaks = Vec<(i64, f64)>;

/// The largest swings of each stretch against the whole of wet, with the stretch's place.
fn peaks(pair: &Whitened, lags: &RangeInclusive<i64>) -> Option<Vec<(f64, Peaks)>> {
    let wet = pair.wet.len();
    let len = (wet + LONGEST).next_power_of_two();
    let mut fft = RealFft::new(len);
    let mut whole = fft.spectrum();
    fft.forward(pair.wet.iter().copied(), &mut whole);
    let mut spectrum = fft.spectrum();
    let found = spans(&pair.dry)?.into_iter().map(|span| {
        fft.forward(pair.dry[span.clone()].iter().copied(), &mut spectrum);
        for (s, w) in spectrum.iter_mut().zip(&whole) {
            *s = s.conj() * w;
        }
        // Index k is lag k − start.
        let start = span.start as i64;
        let inside = (lags.start() + start).max(0)..(lags.end() + start + 1).clamp(0, wet as i64);
        let first = inside.start;
        let g = &fft.inverse(&mut spectrum)[inside.start as usize..inside.end as usize];
        let floor = floor(g);
        let swings = largest_swings(g, floor).into_iter();
        let swings = swings.map(|n| (n as i64 + first - start, g[n].abs() / floor));
        (place(&span, pair.dry.len()), swings.collect())
    });
    Some(found.collect())
}

/// Where `g` is largest, at most [`PEAKS`] places that are [`AROUND`] apart.
fn largest_swings(g: &[f64], floor: f64) -> Vec<usize> {
    let least = 5.0 * floor;
    let mut left: Vec<usize> = (0..g.len()).filter(|&n| g[n].abs() > least).collect();
    left.sort_unstable_by(|&a, &b| g[b].abs().total_cmp(&g[a].abs()));
    let mut found: Vec<usize> = Vec::new();
    for n in left {
        if found.len() == PEAKS {
            break;
        }
        if found.iter().all(|f| f.abs_diff(n) > AROUND as usize) {
            found.push(n);
        }
    }
    found
}

/// Standard deviation of the noise in `g`, from some of its samples.
fn floor(g: &[f64]) -> f64 {
    let some = g.iter().step_by((g.len() / 4096).max(1));
    let live = some.map(|v| v.abs()).filter(|v| *v != 0.0);
    (median(live) / 0.6745).max(f64::MIN_POSITIVE)
}

fn place(span: &Range<usize>, len: usize) -> f64 {
    0.5 * (span.start + span.end) as f64 / len as f64 - 0.5
}

/// Equal stretches over the whole sound, those without sound left out; `None` without any.
fn spans(dry: &[f64]) -> Option<Vec<Range<usize>>> {
    let hop = dry.len() / STRETCHES;
    let power = |x: &[f64]| x.iter().map(|v| v * v).sum::<f64>() / x.len().max(1) as f64;
    let least = SILENT * power(dry);
    let spans: Vec<_> = (0..STRETCHES)
        .map(|s| s * hop..(s * hop + hop.min(LONGEST)))
        .filter(|span| power(&dry[span.clone()]) > least)
        .collect();
    (!spans.is_empty() && hop > 0).then_some(spans)
}

/// Slides over the whole sound, in steps that move a stretch at its end by no more than
/// [`BESIDE`]; the level one first.
fn slides(len: usize) -> Vec<f64> {
    let largest = STEEPEST_PPM * 1e-6 * len as f64;
    let step = (2 * BESIDE) as f64;
    let count = (largest / step).ceil() as i32;
    let mut slides: Vec<f64> = (-count..=count).map(|k| step * f64::from(k)).collect();
    slides.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    slides
}

/// The line with most agreement; scores begin at lag `first`.
fn best_line(stretches: &[Stretch], first: i64, wet_len: usize, slides: &[f64]) -> Option<Line> {
    let lag_count = stretches.first()?.scores[0].len();
    // Stretches that would lie outside wet at a lag say nothing about it.
    let inside = |lag: i64| {
        let within = |s: &&Stretch| {
            s.span.end as i64 + lag > 0 && s.span.start as i64 + lag < wet_len as i64
        };
        stretches.iter().filter(within).count().max(4) as f64
    };
    let along = |scores: &[[Vec<f32>; 2]], side: usize, slide: f64| {
        let mut sums = vec![0.0_f32; lag_count];
        for (stretch, scores) in stretches.iter().zip(scores) {
            let shift = (slide * stretch.place).round() as i64;
            let from = usize::try_from(shift).unwrap_or(0).min(lag_count);
            let lead = usize::try_from(-shift).unwrap_or(0).min(lag_count);
            for (sum, score) in sums[lead..].iter_mut().zip(&scores[side][from..]) {
                *sum += *score;
            }
        }
        sums
    };
    let counted = |value: fn(f32) -> f32| -> Vec<[Vec<f32>; 2]> {
        let count = |side: &Vec<f32>| side.iter().map(|v| value(*v)).collect();
        stretches
            .iter()
            .map(|s| [count(&s.scores[0]), count(&s.scores[1])])
            .collect()
    };
    let heights = counted(more_or_less);
    let peak = |sums: &[f32]| {
        (0..lag_count)
            .max_by(|&a, &b| sums[a].total_cmp(&sums[b]))
            .unwrap_or(0)
    };
    let mut level_height = 0.0_f64;
    let mut best: Option<(f64, usize, f64, usize)> = None;
    for &slide in slides {
        for side in [0, 1] {
            let sums = along(&heights, side, slide);
            let lag = peak(&sums);
            let height = f64::from(sums[lag]);
            if slide == 0.0 {
                level_height = level_height.max(height);
            }
            // A steeper line must say clearly more.
            if best.is_none_or(|b| height > 1.03 * b.0) {
                best = Some((height, lag, slide, side));
            }
        }
    }
    let (height, index, slide, side) = best?;
    let lag = first + index as i64;
    let scale = 1.0 / inside(lag).sqrt();
    let at = |s: &Stretch| {
        let n = usize::try_from(index as i64 + (slide * s.place).round() as i64).ok();
        n.and_then(|n| s.scores[side].get(n))
            .map_or(0.0, |v| f64::from(limited(*v)))
    };
    let said: Vec<f64> = stretches.iter().map(at).collect();
    let follow = said.iter().filter(|v| **v >= FOLLOWS).count();
    Some(Line {
        lag,
        slide,
        strength: scale * said.iter().sum::<f64>(),
        support: (follow as f64 / inside(lag)).min(1.0),
        height,
        level_height,
    })
}

/// What a stretch's swing counts for, at most [`MOST`].
fn limited(score: f32) -> f32 {
    score.min(MOST as f32)
}

/// The same, but still a little more for a larger one: a sound against its echoes.
fn more_or_less(score: f32) -> f32 {
    let over = (score / MOST as f32).max(1.0);
    limited(score) * (1.0 + 0.5 * over.ln())
}

impl Stretch {
    /// Scores of a response: the largest swings either way within [`BESIDE`] lags.
    fn new(place: f64, span: Range<usize>, g: &[f64]) -> Self {
        let floor = floor(g);
        let side = |sign: f64| -> Vec<f32> {
            let raw: Vec<f32> = g.iter().map(|v| (sign * v / floor) as f32).collect();
            (0..raw.len())
                .map(|n| {
                    let near = &raw[n.saturating_sub(BESIDE)..(n + BESIDE + 1).min(raw.len())];
                    let most = near.iter().copied().fold(0.0, f32::max);
                    // What chance makes of seven lags is no evidence.
                    if most < 2.0 { 0.0 } else { most }
                })
                .collect()
        };
        Self {
            place,
            span,
            scores: [side(1.0), side(-1.0)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    fn noise(len: usize, seed: u64) -> Vec<f64> {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        (0..len).map(|_| random.random_range(-1.0..1.0)).collect()
    }

    fn pair(dry: Vec<f64>, wet: Vec<f64>) -> Whitened {
        Whitened { dry, wet }
    }

    #[test]
    fn what_follows_throughout_is_found_near_and_far() {
        let dry = noise(80_000, 1);
        let hiss = noise(80_000, 2);
        let late = |by: usize| {
            let moved = std::iter::repeat_n(&0.0, by).chain(&dry).take(dry.len());
            moved
                .zip(&hiss)
                .map(|(v, h)| h - 0.5 * v)
                .collect::<Vec<f64>>()
        };
        let line = near(&pair(dry.clone(), late(70)), &(-200..=300)).unwrap();
        assert!(
            (line.lag - 70).abs() <= BESIDE as i64 && line.slide == 0.0,
            "{line:?}"
        );
        // Sixteen stretches, each of which may say six.
        assert!(line.strength > 20.0 && line.support > 0.9, "{line:?}");
        let (line, searched) = anywhere(&pair(dry.clone(), late(20_000))).unwrap();
        assert!((line.lag - 20_000).abs() <= BESIDE as i64, "{line:?}");
        assert_eq!(searched, -60_000..=60_000);
    }

    #[test]
    fn one_event_in_common_is_no_tie() {
        let (mut dry, mut wet) = (noise(80_000, 3), noise(80_000, 4));
        // A click far louder than all the rest, once.
        dry[40_000] = 200.0;
        wet[40_100] = 200.0;
        let line = near(&pair(dry, wet), &(-200..=300)).unwrap();
        assert!(line.strength < 7.0, "{line:?}");
    }

    #[test]
    fn clocks_that_differ_make_a_steep_line() {
        let dry = noise(400_000, 5);
        let wet: Vec<f64> = (0..dry.len())
            .map(|n| dry[((n as f64) * (1.0 - 150e-6)).round() as usize])
            .collect();
        let line = near(&pair(dry, wet), &(-200..=300)).unwrap();
        assert!(
            (line.slide - 60.0).abs() < 8.0 && (line.lag - 30).abs() < 6,
            "{line:?}"
        );
        assert!(line.height > 1.3 * line.level_height, "{line:?}");
    }
}
