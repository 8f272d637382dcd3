//! Sines of every rate laid over what each value explains of each moment: the moments of a clip are folded into
//! one period (as pulsars are looked for), and along each sine through it is summed what its values explain. No
//! note's own period leads it astray, as it does a track that goes on from moment to moment. Knows nothing of
//! tracks or of sound.

use crate::dsp::modulation::{Motion, Oscillator, Part};
use rayon::prelude::*;
use std::f64::consts::TAU;

/// Into so many parts a period is folded.
const BINS: usize = 64;

/// A sine begins at every so many of them.
const EVERY: usize = 4;

/// So many rates a turn of the whole clip.
const RATES_A_TURN: f64 = 4.0;

/// At least so much of a period is heard.
const FEWEST_CYCLES: f64 = 0.9;

/// Most moments that are folded.
const MOST: usize = 1200;

/// Middles of delays, apart by so many seconds, and how far a sine goes to either side.
const DELAYS_APART: f64 = 2e-4;
const DELAY_SWINGS: [f64; 8] = [2e-4, 3.5e-4, 6e-4, 9e-4, 1.3e-3, 1.8e-3, 2.5e-3, 3.5e-3];

/// The same of chains, in octaves and their like (logarithms of hertz).
const CHAINS_APART: f64 = 0.1;
const CHAIN_SWINGS: [f64; 6] = [0.3, 0.5, 0.75, 1.0, 1.3, 1.6];

/// Harmonics of the curve that a sine of seconds is in logarithms.
const HARMONICS: usize = 6;

/// A sine of one rate, with its phase at the beginning of each clip.
#[derive(Clone, Debug)]
pub(super) struct Wave {
    pub(super) motion: Motion,
    /// By clip, in radians.
    pub(super) phases: Vec<f64>,
    /// Share that it leaves of what a motion of any kind explains beyond standing still.
    pub(super) left: f64,
}

/// What each value of the grid explains of each moment of one clip.
#[derive(Clone, Debug)]
pub(super) struct Map {
    /// Seconds at which the first moment begins, and those of a moment.
    pub(super) start: f64,
    pub(super) moment: f64,
    /// `[moments][values]`, as shares of what a loud moment is.
    pub(super) explained: Vec<Vec<f32>>,
}

impl Map {
    /// `[BINS][values]`: moments of the same part of a period, summed.
    fn folded(&self, rate: f64) -> Vec<f32> {
        let values = self.explained.first().map_or(0, Vec::len);
        let mut folded = vec![0.0; BINS * values];
        for (i, explained) in self.explained.iter().take(MOST).enumerate() {
            let turns = rate * (self.start + (i as f64 + 0.5) * self.moment);
            let bin = (turns.rem_euclid(1.0) * BINS as f64) as usize % BINS;
            let sums = folded[bin * values..][..values].iter_mut();
            sums.zip(explained).for_each(|(sum, x)| *sum += x);
        }
        folded
    }

    fn seconds(&self) -> f64 {
        self.explained.len().min(MOST) as f64 * self.moment
    }
}

/// A sine: its middle, how far it goes, and the values of the grid that it goes through in a period.
struct Sine {
    middle: f64,
    swing: f64,
    rows: [u16; BINS],
}

impl Sine {
    /// `grid` are logarithms, which ascend; of delays the sine is one of seconds.
    fn new(part: Part, grid: &[f64], middle: f64, swing: f64) -> Self {
        let row = |bin: usize| {
            let value = at(part, middle, swing, TAU * (bin as f64 + 0.5) / BINS as f64);
            let above = grid.partition_point(|v| *v < value).min(grid.len() - 1);
            let below = above.saturating_sub(1);
            let nearer = value - grid[below] < grid[above] - value;
            if nearer { below as u16 } else { above as u16 }
        };
        let mut rows = [0; BINS];
        (0..BINS).for_each(|bin| rows[bin] = row(bin));
        Self {
            middle,
            swing,
            rows,
        }
    }

    /// All that are tried.
    fn all(part: Part, grid: &[f64]) -> Vec<Self> {
        let (Some(first), Some(last)) = (grid.first(), grid.last()) else {
            return Vec::new();
        };
        let (ends, apart, swings): ([f64; 2], f64, &[f64]) = match part {
            Part::Delay => ([first.exp(), last.exp()], DELAYS_APART, &DELAY_SWINGS),
            _ => ([*first, *last], CHAINS_APART, &CHAIN_SWINGS),
        };
        let count = ((ends[1] - ends[0]) / apart) as usize;
        let middles = (1..count).map(|i| ends[0] + apart * i as f64);
        let inside =
            |middle: f64, swing: f64| middle - swing >= ends[0] && middle + swing <= ends[1];
        let each = middles.flat_map(|middle| swings.iter().map(move |swing| (middle, *swing)));
        let each = each.filter(|(middle, swing)| inside(*middle, *swing));
        each.map(|(middle, swing)| Self::new(part, grid, middle, swing))
            .collect()
    }

    /// What is explained along it, and where it begins, in bins: where that is most.
    fn along(&self, folded: &[f32], values: usize) -> (f32, usize) {
        let from = |ahead: usize| -> f32 {
            let bins = folded.chunks_exact(values).enumerate();
            bins.map(|(bin, sums)| sums[usize::from(self.rows[(bin + ahead) % BINS])])
                .sum()
        };
        let tried = (0..BINS).step_by(EVERY).map(|ahead| (from(ahead), ahead));
        tried.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, 0))
    }
}

/// The value of a sine at an angle.
fn at(part: Part, middle: f64, swing: f64, angle: f64) -> f64 {
    let value = middle + swing * angle.sin();
    match part {
        Part::Delay => value.ln(),
        _ => value,
    }
}

/// What the best sine of a rate explains of all clips, which of the sines it is, and where it begins in each.
struct Best {
    rate: f64,
    explained: f32,
    sine: usize,
    ahead: Vec<usize>,
}

fn best(maps: &[&Map], sines: &[Sine], rate: f64) -> Option<Best> {
    let values = maps.first()?.explained.first()?.len();
    let folded: Vec<Vec<f32>> = maps.iter().map(|map| map.folded(rate)).collect();
    let tried = sines.iter().enumerate().map(|(sine, s)| {
        let each = folded.iter().map(|folded| s.along(folded, values));
        (each.map(|(explained, _)| explained).sum::<f32>(), sine)
    });
    let (explained, sine) = tried.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let ahead = folded
        .iter()
        .map(|folded| sines[sine].along(folded, values).1);
    Some(Best {
        rate,
        explained,
        sine,
        ahead: ahead.collect(),
    })
}

/// The sines that explain most, at so many different rates between these, of clips of one part whose values are
/// those of `grid`.
pub(super) fn sines(
    part: Part,
    grid: &[f64],
    maps: &[&Map],
    rates: [f64; 2],
    most: usize,
) -> Vec<Wave> {
    let longest = maps.iter().map(|map| map.seconds()).fold(0.0, f64::max);
    let sines = Sine::all(part, grid);
    if longest <= 0.0 || sines.is_empty() {
        return Vec::new();
    }
    let slowest = rates[0].max(FEWEST_CYCLES / longest);
    let step = 1.0 / (RATES_A_TURN * longest);
    let count = ((rates[1] - slowest) / step).max(0.0) as usize;
    let tried = (0..count).into_par_iter();
    let tried = tried.filter_map(|i| best(maps, &sines, slowest + step * i as f64));
    let tried: Vec<Best> = tried.collect();
    let is_peak = |i: &usize| {
        let beside = [i.wrapping_sub(1), i + 1].map(|j| tried.get(j));
        let higher = |other: &Best| other.explained > tried[*i].explained;
        !beside.into_iter().flatten().any(higher)
    };
    let mut peaks: Vec<usize> = (0..tried.len()).filter(is_peak).collect();
    peaks.sort_by(|a, b| tried[*b].explained.total_cmp(&tried[*a].explained));
    let nearer = |peak: usize| {
        let near = (-4..=4).map(|i| tried[peak].rate + step * f64::from(i) / 4.0);
        let near = near.filter_map(|rate| best(maps, &sines, rate));
        near.max_by(|a, b| a.explained.total_cmp(&b.explained))
    };
    let found = peaks.into_iter().take(most).filter_map(nearer);
    let left = Left::of(maps);
    found
        .map(|best| wave(part, &sines[best.sine], &best, &left))
        .collect()
}

/// What standing still explains of all clips, and what each moment's best value does.
struct Left {
    still: f32,
    free: f32,
}

impl Left {
    fn of(maps: &[&Map]) -> Self {
        let moments = || maps.iter().flat_map(|map| map.explained.iter().take(MOST));
        let values = moments().next().map_or(0, Vec::len);
        let mut sums = vec![0.0; values];
        moments().for_each(|x| sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += x));
        let most = |x: &[f32]| x.iter().copied().fold(0.0, f32::max);
        Self {
            still: most(&sums),
            free: moments().map(|x| most(x)).sum(),
        }
    }
}

fn wave(part: Part, sine: &Sine, best: &Best, left: &Left) -> Wave {
    let of = |angle: f64| at(part, sine.middle, sine.swing, angle);
    let angles = || (0..BINS).map(|i| TAU * i as f64 / BINS as f64);
    let mean = |f: &dyn Fn(f64) -> f64| angles().map(f).sum::<f64>() / BINS as f64;
    let pair = |k: usize| {
        let k = k as f64;
        [
            2.0 * mean(&|a| of(a) * (k * a).cos()),
            2.0 * mean(&|a| of(a) * (k * a).sin()),
        ]
    };
    let phase = |ahead: &usize| TAU * *ahead as f64 / BINS as f64;
    Wave {
        motion: Motion {
            oscillator: Oscillator {
                rate_hz: best.rate,
                curve: (1..=HARMONICS).flat_map(pair).collect(),
            },
            ..Motion::still(part, mean(&of))
        },
        phases: best.ahead.iter().map(phase).collect(),
        left: f64::from(
            (left.free - best.explained) / (left.free - left.still).max(f32::MIN_POSITIVE),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Noise;

    const PART: Part = Part::Delay;
    const RATE: f64 = 3.66;

    /// Delays of 0.1 to 25 ms.
    fn grid() -> Vec<f64> {
        (1..=250).map(|i| (1e-4 * f64::from(i)).ln()).collect()
    }

    /// Six seconds where a delay of 10.9 ms sways by .9 ms; at each moment another value explains as much, which
    /// wanders to and fro and goes on with the right one.
    fn led_astray(phase: f64) -> Map {
        let grid = grid();
        let mut noise = Noise::new(5);
        let mut decoy = grid.len() / 2;
        let explained = (0..600).map(|i| {
            let seconds = (f64::from(i) + 0.5) * 0.01;
            let value = at(PART, 0.0109, 9e-4, TAU * RATE * seconds + phase);
            let right = grid.partition_point(|v| *v < value);
            let step = noise.next_bits() as usize % 3;
            decoy = (decoy + step).clamp(11, grid.len() - 10) - 1;
            let near = |row: usize, other: usize| 0.6_f32.powi(row.abs_diff(other) as i32);
            let rows = 0..grid.len();
            rows.map(|row| near(row, right).max(near(row, decoy)))
                .collect()
        });
        Map {
            start: 0.0,
            moment: 0.01,
            explained: explained.collect(),
        }
    }

    #[test]
    fn a_sine_is_found_beside_what_leads_tracks_astray() {
        let phases = [0.0, 2.0];
        let maps = phases.map(led_astray);
        let found = sines(PART, &grid(), &[&maps[0], &maps[1]], [0.1, 14.0], 1);
        let Wave { motion, phases, .. } = &found[0];
        // A rate is tried every sixteenth of a turn of the six seconds.
        let step = 1.0 / (16.0 * 6.0);
        assert!(
            (motion.oscillator.rate_hz - RATE).abs() <= step,
            "{motion:?}"
        );
        let [high, low] = motion.range().map(|v| (motion.centre + v).exp());
        assert!((high - low - 1.8e-3).abs() < 4e-4, "{low} to {high}");
        assert!(
            (0.5 * (high + low) - 0.0109).abs() < 2e-4,
            "{low} to {high}"
        );
        // A sine begins at every sixteenth of a period.
        let apart = phases[1] - phases[0];
        assert!((apart - 2.0).abs() <= TAU / 16.0, "{phases:?}");
    }

    #[test]
    fn folded_or_moment_by_moment_a_sine_explains_the_same() {
        let map = led_astray(1.0);
        let grid = grid();
        let sine = Sine::new(PART, &grid, 0.0109, 9e-4);
        let folded = sine.along(&map.folded(RATE), grid.len());
        let bin = |i: usize| (RATE * (i as f64 + 0.5) * 0.01).fract() * BINS as f64;
        let row = |i: usize| usize::from(sine.rows[(bin(i) as usize + folded.1) % BINS]);
        let each = map.explained.iter().enumerate();
        let sum: f32 = each.map(|(i, explained)| explained[row(i)]).sum();
        assert!((folded.0 - sum).abs() < 1e-5 * sum, "{} {sum}", folded.0);
    }
}
