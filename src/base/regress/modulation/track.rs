//! Where a part's value stood, moment by moment: every moment of wet is explained by dry and by dry
//! through the part standing still at each of many values, and the values that explain most, one
//! after another without great leaps, are the track. Knows nothing of oscillators.

use super::clip::Clip;
use super::fold::Map;
use crate::dsp::modulation::{Motion, Operator, Part};
use rayon::prelude::*;

/// What may move. All-pass chains of more stages explain what those of fewer do.
pub const PARTS: [Part; 6] = [
    Part::Delay,
    Part::AllPass { stages: 2 },
    Part::AllPass { stages: 4 },
    Part::AllPass { stages: 6 },
    Part::AllPass { stages: 8 },
    Part::Gain,
];

/// What moving by one value of the grid costs, in moments as loud as the louder ones.
const LEAP: f64 = 0.002;

/// Values of the grid that a moment moves by at most.
const FURTHEST: usize = 5;

/// Moments louder than this share of all count alike.
const LOUD: f64 = 0.8;

/// A part's value over time.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) part: Part,
    /// Where it begins in its recording, in seconds, and those of a moment.
    pub(super) start: f64,
    pub(super) moment: f64,
    /// The value of each moment, and how sure it is.
    pub(super) values: Vec<f64>,
    pub(super) weights: Vec<f64>,
    /// Share of wet's energy that the best value of each moment explains.
    pub(super) free: f64,
    /// The value that explains most for all moments.
    pub(super) still_value: f64,
    /// What each value tried explains; none of a gain.
    pub(super) map: Option<Map>,
}

/// How much high frequencies are raised. With 0.9, what is left of strings lies so high that a delay
/// moves on by a period of it within a moment.
const EMPHASIS: f64 = 0.5;

/// Moments in a second.
const MOMENTS: f64 = 100.0;

/// The values tried, which ascend.
pub(super) fn grid(part: Part) -> Vec<f64> {
    if part != Part::Delay {
        return (0..45).map(|i| (50.0 * 1.12_f64.powi(i)).ln()).collect();
    }
    // 0.1 to 25 ms, 2 % and at most 0.1 ms apart: further off, high frequencies no longer agree.
    let mut delays = vec![1e-4_f64];
    while let Some(last) = delays.last().copied().filter(|last| *last < 0.025) {
        delays.push(last + (0.02 * last).min(1e-4));
    }
    delays.into_iter().map(f64::ln).collect()
}

/// High frequencies tell more of where a part stands, as long as they follow it.
fn emphasised(x: &[f64]) -> Vec<f64> {
    let before = std::iter::once(&0.0).chain(x);
    x.iter()
        .zip(before)
        .map(|(x, before)| x - EMPHASIS * before)
        .collect()
}

/// Σ a·b of each moment.
fn products(a: &[f64], b: &[f64], len: usize) -> Vec<f64> {
    let pairs = a.chunks_exact(len).zip(b.chunks_exact(len));
    pairs
        .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum())
        .collect()
}

/// A delay alone that explains less than this share of wet is no vibrato's.
const ALONE: f64 = 0.7;

/// The tracks of `part` over a clip: beside dry, and of a delay alone, too, for beside dry any delay explains
/// a single tone. None where it is shorter than a second.
pub(super) fn tracks(part: Part, clip: &Clip, hz: f64) -> Vec<Track> {
    let len = (hz / MOMENTS) as usize;
    let sound = |x: &[f64]| emphasised(&x[clip.skip.min(x.len())..]);
    let (x, y) = (sound(&clip.dry), sound(&clip.wet));
    let [xx, xy, yy] = [(&x, &x), (&x, &y), (&y, &y)].map(|(a, b)| products(a, b, len));
    let moments = yy.len();
    if moments < MOMENTS as usize {
        return Vec::new();
    }
    let start = (clip.start + clip.skip as u64) as f64 / hz;
    let moment = len as f64 / hz;
    if part == Part::Gain {
        return vec![Track {
            start,
            moment,
            ..gain(&xx, &xy, &yy)
        }];
    }
    let grid = grid(part);
    let explained = grid.par_iter().map(|&centre| {
        let u = standing(part, centre, &x, hz);
        let [uu, xu, uy] = [(&u, &u), (&x, &u), (&u, &y)].map(|(a, b)| products(a, b, len));
        let beside = |i: usize| {
            let power = xx[i] * uu[i];
            let size = power - xu[i] * xu[i] + 1e-3 * power + 1e-30;
            let a = (xy[i] * uu[i] - uy[i] * xu[i]) / size;
            let b = (uy[i] * xx[i] - xy[i] * xu[i]) / size;
            a * xy[i] + b * uy[i]
        };
        let alone = |i: usize| uy[i] * uy[i] / uu[i].max(1e-30);
        let beside: Vec<f64> = (0..moments).map(beside).collect();
        let alone: Vec<f64> = match part {
            Part::Delay => (0..moments).map(alone).collect(),
            _ => Vec::new(),
        };
        (beside, alone)
    });
    let (beside, alone): (Vec<Vec<f64>>, Vec<Vec<f64>>) = explained.unzip();
    let way = |explained: &[Vec<f64>]| {
        let track = along(part, &grid, explained, &yy);
        let map = Some(map((start, moment), explained, &yy));
        Track {
            start,
            moment,
            map,
            ..track
        }
    };
    let mut tracks = vec![way(&beside)];
    if part == Part::Delay {
        let alone = way(&alone);
        tracks.extend(Some(alone).filter(|alone| alone.free > ALONE));
    }
    tracks
}

/// What the rows explain, moment by moment, louder moments than the loud ones counted as those.
fn map((start, moment): (f64, f64), explained: &[Vec<f64>], yy: &[f64]) -> Map {
    let loud = loud(yy);
    let of = |t: usize| {
        let share = 1.0 / yy[t].max(loud);
        explained
            .iter()
            .map(|row| (share * row[t]) as f32)
            .collect()
    };
    Map {
        start,
        moment,
        explained: (0..yy.len()).map(of).collect(),
    }
}

/// The energy of a loud moment.
fn loud(energies: &[f64]) -> f64 {
    let mut sorted = energies.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[(LOUD * sorted.len() as f64) as usize].max(1e-30)
}

/// The track along what each value of the grid explains of each moment.
fn along(part: Part, grid: &[f64], explained: &[Vec<f64>], yy: &[f64]) -> Track {
    let moments = yy.len();
    let all = yy.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let best = |i: usize| most(&mut explained.iter().map(|row| row[i]));
    let loud = loud(yy);
    let sure = |i: usize| {
        let mut column: Vec<f64> = explained.iter().map(|row| row[i]).collect();
        column.sort_unstable_by(f64::total_cmp);
        let above = column[column.len() - 1] - column[column.len() / 2];
        (yy[i].min(loud) / loud) * (above / (yy[i] + 1e-30)).max(0.0)
    };
    let whole = |row: usize| explained[row].iter().sum::<f64>();
    let still = (0..grid.len()).max_by(|&a, &b| whole(a).total_cmp(&whole(b)));
    Track {
        part,
        start: 0.0,
        moment: 0.0,
        values: path(explained, loud).iter().map(|&at| grid[at]).collect(),
        weights: (0..moments).map(sure).collect(),
        free: (0..moments).map(best).sum::<f64>() / all,
        still_value: grid[still.unwrap_or(0)],
        map: None,
    }
}

/// The track of a gain, moment by moment: what is no gain at all is of no weight.
fn gain(xx: &[f64], xy: &[f64], yy: &[f64]) -> Track {
    let all = |sums: &[f64]| sums.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let loud = loud(xx);
    let explained = |i: usize| xy[i] * xy[i] / xx[i].max(1e-30);
    let moments = 0..xx.len();
    Track {
        part: Part::Gain,
        start: 0.0,
        moment: 0.0,
        values: moments.clone().map(|i| xy[i] / xx[i].max(1e-30)).collect(),
        weights: moments
            .clone()
            .map(|i| (xx[i].min(loud) / loud) * explained(i) / yy[i].max(1e-30))
            .collect(),
        free: moments.map(explained).sum::<f64>() / all(yy),
        still_value: xy.iter().sum::<f64>() / all(xx),
        map: None,
    }
}

/// What the part makes of `x` where it stands still.
fn standing(part: Part, centre: f64, x: &[f64], hz: f64) -> Vec<f64> {
    if part == Part::Delay {
        let delay = ((centre.exp() * hz).round() as usize).min(x.len());
        let mut late = vec![0.0; delay];
        late.extend_from_slice(&x[..x.len() - delay]);
        return late;
    }
    let mut out = vec![0.0; x.len()];
    Operator::new(part, hz).run(&Motion::still(part, centre), 0.0, x, &mut out);
    out
}

/// The row of each moment along the way that explains most, moves taken off (Viterbi). No moment
/// moves further than a part can: a note's own period, at which delays explain as much as the right
/// one, cannot be leapt to.
fn path(explained: &[Vec<f64>], loud: f64) -> Vec<usize> {
    let (rows, moments) = (explained.len(), explained[0].len());
    let mut best: Vec<f64> = explained.iter().map(|row| row[0] / loud).collect();
    let mut from = vec![vec![0; rows]; moments];
    for t in 1..moments {
        let before = best.clone();
        for row in 0..rows {
            let near = row.saturating_sub(FURTHEST)..(row + FURTHEST + 1).min(rows);
            let after = |other: usize| before[other] - LEAP * row.abs_diff(other) as f64;
            let came = near
                .max_by(|&a, &b| after(a).total_cmp(&after(b)))
                .unwrap_or(row);
            from[t][row] = came;
            best[row] = after(came) + explained[row][t] / loud;
        }
    }
    let last = (0..rows).max_by(|&a, &b| best[a].total_cmp(&best[b]));
    let mut row = last.unwrap_or(0);
    let mut path = vec![0; moments];
    for t in (0..moments).rev() {
        path[t] = row;
        row = from[t][row];
    }
    path
}
