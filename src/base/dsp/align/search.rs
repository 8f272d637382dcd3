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

/// Standard deviations from which on a swing says no more at all.
const LOUDEST: f32 = 100.0;

/// Standard deviations from which on a stretch counts as following. Of a few lags around a line
/// chance makes one in twenty stretches exceed it.
const FOLLOWS: f64 = 3.0;

/// Half of the lags over which a stretch's swing may lie beside the line.
const BESIDE: usize = 3;

/// Half of the lags around a line among which a stretch may say most.
const OWN: usize = 16;

/// The steepest line looked for, in parts per million.
const STEEPEST_PPM: f64 = 300.0;

/// Peaks of each stretch that are followed up where the lags are too many for all: every note meets
/// every other one somewhere.
const PEAKS: usize = 12;

/// Lags around such a peak that are looked through.
const AROUND: i64 = 1024;

/// Lags from which the noise of a stretch is read at least: a room's answer alone fills a thousand.
const FLOOR_LAGS: i64 = 5000;

/// Places of most agreement that are looked at closely.
const FOLLOWED_UP: usize = 6;

/// Samples from which on a sound that fits itself is a loop, not a note.
const SHORTEST_LOOP: usize = 32_768;

/// Share of its power that fits itself in a loop: hiss and whitening leave so much of it.
const LOOPED: f64 = 0.3;

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
    /// Samples by which the lags at which the stretches themselves say most grow over the whole dry
    /// sound, and the standard error of it; `None` where fewer than eight stretches follow.
    pub growth: Option<(f64, f64)>,
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
    let count = lags.end() - lags.start() + 1;
    let beside = (FLOOR_LAGS - count).max(0) / 2;
    let all = lags.start() - beside..=lags.end() + beside;
    let inner = beside as usize..(beside + count) as usize;
    let stretches = spans(&pair.dry)?
        .into_par_iter()
        .map(|span| {
            let place = place(&span, pair.dry.len());
            let g = correlate(&pair.dry, &pair.wet, span.clone(), all.clone());
            Stretch::new(place, span, &g[inner.clone()], floor(&g))
        })
        .collect::<Vec<_>>();
    best_line(
        &stretches,
        *lags.start(),
        pair.wet.len(),
        &slides(pair.dry.len()),
    )
}

/// The best lines near the lags at which most stretches agree, the surest first, of all lags at which
/// the two share a quarter of the shorter one; with the lags searched.
pub fn anywhere(pair: &Whitened) -> Option<(Vec<Line>, RangeInclusive<i64>)> {
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
    for (_, lag) in candidates {
        if tried.len() < FOLLOWED_UP && tried.iter().all(|t| (t - lag).abs() >= AROUND / 2) {
            tried.push(lag);
        }
    }
    let line = |lag: &i64| near(pair, &(lag - AROUND..=lag + AROUND));
    let mut found: Vec<Line> = tried.iter().filter_map(line).collect();
    found.sort_by(|a, b| b.height.total_cmp(&a.height));
    Some((found, lags))
}

/// How far a sound is like itself some time later.
pub struct Likeness(Vec<f64>);

impl Likeness {
    /// That of a whitened and levelled sound.
    pub fn of(sound: &[f64]) -> Self {
        let mut fft = RealFft::new((2 * sound.len()).next_power_of_two());
        let mut spectrum = fft.spectrum();
        fft.forward(sound.iter().copied(), &mut spectrum);
        for bin in &mut spectrum {
            *bin = bin.norm_sqr().into();
        }
        // At half its length it has said everything once.
        let r = &fft.inverse(&mut spectrum)[..sound.len().div_ceil(2)];
        let whole = r.first().copied().unwrap_or(0.0).max(f64::MIN_POSITIVE);
        let share = |lag: usize| sound.len() as f64 / (sound.len() - lag) as f64;
        let alike = r.iter().enumerate();
        Self(alike.map(|(lag, v)| v.abs() / whole * share(lag)).collect())
    }

    /// So many samples later or earlier, or beside that: 0 (not at all) to 1.
    pub fn after(&self, lag: i64) -> f64 {
        let lag = usize::try_from(lag.unsigned_abs()).unwrap_or(usize::MAX);
        let near = lag.saturating_sub(BESIDE)..lag.saturating_add(BESIDE + 1).min(self.0.len());
        let near = self.0.get(near).unwrap_or(&[]);
        near.iter().copied().fold(0.0, f64::max)
    }

    /// The most at any lag that is longer than a period.
    pub fn most(&self) -> f64 {
        let later = self.0.get(AROUND as usize..).unwrap_or(&[]);
        later.iter().copied().fold(0.0, f64::max)
    }

    /// How often it plays the same over again, as a loop does: 1 where it does not. A line of lags that
    /// such a sound follows is one accident repeated as often.
    pub fn copies(&self) -> f64 {
        let again = (SHORTEST_LOOP..self.0.len()).find(|&lag| self.0[lag] > LOOPED);
        again.map_or(1.0, |period| 2.0 * self.0.len() as f64 / period as f64)
    }
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
    let mut best: Option<(f64, usize, f64, usize)> = None;
    for &slide in slides {
        for side in [0, 1] {
            let sums = along(&heights, side, slide);
            let lag = peak(&sums);
            let height = f64::from(sums[lag]);
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
    let own = |s: &Stretch| {
        let on_line = usize::try_from(index as i64 + (slide * s.place).round() as i64).ok()?;
        Some((s.place, s.own_lag(side, on_line)?))
    };
    let following = stretches.iter().zip(&said).filter(|(_, v)| **v >= FOLLOWS);
    let own: Vec<(f64, f64)> = following.filter_map(|(s, _)| own(s)).collect();
    let follow = said.iter().filter(|v| **v >= FOLLOWS).count();
    Some(Line {
        lag,
        slide,
        strength: scale * said.iter().sum::<f64>(),
        support: (follow as f64 / inside(lag)).min(1.0),
        height,
        growth: growth(&own),
    })
}

/// The slope of a line through points by least squares, with its standard error; `None` with fewer than
/// eight of them.
fn growth(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    let (mx, my) = points
        .iter()
        .fold((0.0, 0.0), |m, p| (m.0 + p.0 / n, m.1 + p.1 / n));
    let xx: f64 = points.iter().map(|p| (p.0 - mx).powi(2)).sum();
    let xy: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    let slope = xy / xx;
    let left = |p: &(f64, f64)| (p.1 - my - slope * (p.0 - mx)).powi(2);
    let variance = points.iter().map(left).sum::<f64>() / (n - 2.0);
    // A lag is a whole number.
    (points.len() >= 8).then(|| (slope, ((variance + 1.0 / 12.0) / xx).sqrt()))
}

/// What a stretch's swing counts for, at most [`MOST`].
fn limited(score: f32) -> f32 {
    score.min(MOST as f32)
}

/// The same, but still a little more for a larger one: a sound against its echoes. No more for one of
/// more than [`LOUDEST`]: where wet is all but silent, its noise is rounding and any edge stands out.
fn more_or_less(score: f32) -> f32 {
    let over = (score.min(LOUDEST) / MOST as f32).max(1.0);
    limited(score) * (1.0 + 0.5 * over.ln())
}

impl Stretch {
    /// The index near `on_line` at which it says most: the middle of that swing.
    fn own_lag(&self, side: usize, on_line: usize) -> Option<f64> {
        let scores = &self.scores[side];
        let near = on_line.saturating_sub(OWN)..(on_line + OWN + 1).min(scores.len());
        let most = scores
            .get(near.clone())?
            .iter()
            .copied()
            .fold(0.0, f32::max);
        let first = near.clone().find(|&n| scores[n] == most)?;
        let last = near.rev().find(|&n| scores[n] == most)?;
        Some(0.5 * (first + last) as f64)
    }

    /// Scores of a response in noise of a standard deviation of `floor`: the largest swings either way
    /// within [`BESIDE`] lags.
    fn new(place: f64, span: Range<usize>, g: &[f64], floor: f64) -> Self {
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
        let (lines, searched) = anywhere(&pair(dry.clone(), late(20_000))).unwrap();
        let line = lines[0];
        assert!((line.lag - 20_000).abs() <= BESIDE as i64, "{line:?}");
        assert_eq!(searched, -60_000..=60_000);
    }

    #[test]
    fn a_loop_says_everything_once() {
        let bar = noise(40_000, 6);
        let hiss = noise(200_000, 7);
        let looped: Vec<f64> = (0..200_000).map(|n| bar[n % bar.len()] + hiss[n]).collect();
        let looped = Likeness::of(&looped);
        assert_eq!(looped.copies(), 5.0);
        assert!(looped.after(-40_002) > 0.4 && looped.after(10_000) < 0.1);
        assert_eq!(Likeness::of(&hiss).copies(), 1.0);
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
        let (growth, error) = line.growth.unwrap();
        assert!(
            (growth - 60.0).abs() < 3.0 * error && error < 2.0,
            "{line:?}"
        );
    }
}
