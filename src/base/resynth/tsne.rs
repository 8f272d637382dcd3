//! t-SNE of frame features to one or two dimensions, repeatable bit for bit.
//!
//! The optimiser is the crate `bhtsne`: in one dimension with interpolated repulsion (FIt-SNE,
//! Linderman et al., Nature Methods 2019), in two with a Barnes-Hut tree (van der Maaten, JMLR
//! 2014), whose cost does not grow with the map. Neighbours are exact and the start is the
//! principal components, scaled as scikit-learn does it, so nothing is random. Knows nothing of
//! sound.

use super::ResynthError;
use super::neighbours::Neighbour;
use crate::progress::{Observer, Task};
use bhtsne::{SparseAffinities, tSNE};
use rayon::prelude::*;

/// How t-SNE is run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Effective number of neighbours whose distances are kept; three times as many are
    /// looked at.
    pub perplexity: f64,
    /// Gradient steps.
    pub iterations: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            perplexity: 30.0,
            iterations: 2500,
        }
    }
}

impl Settings {
    /// Neighbours needed per row.
    pub fn neighbours(&self) -> usize {
        (3.0 * self.perplexity) as usize
    }
}

/// Frames up to which the divergence is computed: its cost grows with their square.
pub const MOST_COMPARED: usize = 20_000;

/// An embedding and how well it keeps neighbourhoods.
#[derive(Clone, Debug)]
pub struct Embedding {
    /// One list of coordinates per dimension.
    pub coordinates: Vec<Vec<f64>>,
    /// Kullback–Leibler divergence of the neighbourhoods in the embedding from those of the
    /// features, in nats: what t-SNE minimises. `None` beyond [`MOST_COMPARED`] frames, whose
    /// pairs take too long to sum.
    pub kl_divergence: Option<f64>,
}

/// Embeds rows in one dimension, given their nearest neighbours and where to start (scores of
/// the first principal component).
///
/// # Errors
/// [`ResynthError::Setting`] for a perplexity or number of iterations out of range.
pub fn line(
    neighbours: &[Vec<Neighbour>],
    start: &[Vec<f64>; 1],
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Embedding, ResynthError> {
    embed::<1>(neighbours, start, settings, observer, |tsne, neighbours| {
        let count = neighbours.len();
        tsne.learning_rate(line_rate(count))
            .fit_sne_with_neighbors(neighbours);
    })
}

/// Embeds rows in two dimensions, given their nearest neighbours and where to start (scores of
/// the first two principal components).
///
/// # Errors
/// [`ResynthError::Setting`] for a perplexity or number of iterations out of range.
pub fn plane(
    neighbours: &[Vec<Neighbour>],
    start: &[Vec<f64>; 2],
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Embedding, ResynthError> {
    embed::<2>(neighbours, start, settings, observer, |tsne, neighbours| {
        tsne.learning_rate(automatic_rate(neighbours.len()))
            .barnes_hut_with_neighbors(ACCURACY, neighbours);
    })
}

/// Barnes-Hut's θ: cells this small against their distance count as one point. scikit-learn's.
const ACCURACY: f64 = 0.5;

type Tsne<'a, const D: usize> = tSNE<'a, f64, (), D>;
type Metric = Vec<bhtsne::Neighbor<f64>>;

fn embed<const D: usize>(
    neighbours: &[Vec<Neighbour>],
    start: &[Vec<f64>; D],
    settings: &Settings,
    observer: &dyn Observer,
    fit: impl FnOnce(&mut Tsne<'_, D>, &[Metric]) + Send,
) -> Result<Embedding, ResynthError> {
    check(settings)?;
    let count = neighbours.len();
    let near = neighbours.first().map_or(0, Vec::len);
    let seed = seed(start);
    if near < 3 || seed.iter().all(|x| *x == 0.0) {
        // Too few frames for a neighbourhood, or all frames alike: nothing to optimise.
        return Ok(Embedding {
            coordinates: start.to_vec(),
            kl_divergence: Some(0.0),
        });
    }
    let distances: Vec<Metric> = neighbours.iter().map(|row| metric(row)).collect();
    let task = Task::begin(observer, "t-SNE", Some(settings.iterations as u64));
    let points = vec![(); count];
    let (points, affinities) = single_threaded(|| {
        let mut tsne = Tsne::<D>::new(&points);
        tsne.perplexity(settings.perplexity.min(near as f64 / 3.0))
            .epochs(settings.iterations)
            .initial_embedding(seed)
            .epoch_callback(|_, _| task.advance(1));
        fit(&mut tsne, &distances);
        (tsne.embedding(), tsne.affinities())
    })?;
    drop(task);
    let compared = affinities.filter(|_| count <= MOST_COMPARED);
    let kl_divergence = compared.map(|p| kl_divergence::<D>(&p, &points));
    let dimension = |d: usize| points.iter().skip(d).step_by(D).copied().collect();
    Ok(Embedding {
        coordinates: (0..D).map(dimension).collect(),
        kl_divergence,
    })
}

fn check(settings: &Settings) -> Result<(), ResynthError> {
    if !(1.0..=1000.0).contains(&settings.perplexity) {
        return Err(ResynthError::Setting {
            name: "perplexity",
            value: settings.perplexity.to_string(),
            allowed: "it must be 1 to 1000 (5 to 50 is usual)",
        });
    }
    if !(250..=100_000).contains(&settings.iterations) {
        return Err(ResynthError::Setting {
            name: "iterations",
            value: settings.iterations.to_string(),
            allowed: "it must be 250 to 100000",
        });
    }
    Ok(())
}

/// scikit-learn's automatic rate: points / (4 · exaggeration), at least 50.
fn automatic_rate(count: usize) -> f64 {
    (count as f64 / 48.0).max(50.0)
}

/// One-dimensional maps untangle slowly, for points cannot pass each other: at thirteen times
/// the automatic rate 2500 steps end at half the divergence.
const LINE_RATE: f64 = 13.0;

/// For few points that is too fast: the map flies apart. Half a unit per point keeps it together
/// at the lowest divergence, from 4 points up.
fn line_rate(count: usize) -> f64 {
    (LINE_RATE * automatic_rate(count)).min(0.5 * count as f64)
}

/// The start, point by point, scaled so that the first dimension's deviation is 1e-4.
fn seed<const D: usize>(start: &[Vec<f64>; D]) -> Vec<f64> {
    let count = start[0].len();
    let mean = start[0].iter().sum::<f64>() / count.max(1) as f64;
    let squares = start[0].iter().map(|x| (x - mean).powi(2));
    let deviation = (squares.sum::<f64>() / count.max(1) as f64).sqrt();
    let scale = if deviation > 0.0 {
        1e-4 / deviation
    } else {
        0.0
    };
    (0..count)
        .flat_map(|i| start.iter().map(move |axis| axis[i] * scale))
        .collect()
}

fn metric(row: &[Neighbour]) -> Vec<bhtsne::Neighbor<f64>> {
    row.iter()
        .map(|n| bhtsne::Neighbor {
            index: n.index,
            distance: f64::from(n.squared).sqrt(),
        })
        .collect()
}

/// Runs on one thread: `bhtsne` sums across threads in whatever order they finish, and t-SNE
/// amplifies the last bit to a different map.
fn single_threaded<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, ResynthError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.map_err(|e| ResynthError::NoThread(e.to_string()))?;
    Ok(pool.install(work))
}

/// Σ p ln(p / q) over the kept pairs, q normalised over all pairs. (The crate's own figure
/// weights every pair of a row by one and the same entry, so it is not used.)
fn kl_divergence<const D: usize>(p: &SparseAffinities<f64>, points: &[f64]) -> f64 {
    let count = points.len() / D;
    let closeness = |i: usize, j: usize| {
        let pair = points[i * D..][..D].iter().zip(&points[j * D..][..D]);
        1.0 / (1.0 + pair.map(|(a, b)| (a - b).powi(2)).sum::<f64>())
    };
    let row_sums: Vec<f64> = (0..count)
        .into_par_iter()
        .map(|i| {
            (0..count)
                .filter(|&j| j != i)
                .map(|j| closeness(i, j))
                .sum()
        })
        .collect();
    let total: f64 = row_sums.iter().sum();
    let mut divergence = 0.0;
    for (i, range) in p.rows().windows(2).enumerate() {
        for entry in range[0]..range[1] {
            let value = p.values()[entry];
            if value > 0.0 {
                let q = closeness(i, p.columns()[entry] as usize) / total;
                divergence += value * (value / q).ln();
            }
        }
    }
    divergence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    /// Frames along a line, in a scrambled order, and all their neighbours.
    fn scrambled(count: usize) -> (Vec<Vec<Neighbour>>, [Vec<f64>; 1]) {
        // 7 is prime to every count used.
        let place: Vec<f64> = (0..count).map(|i| (i * 7 % count) as f64 / 10.0).collect();
        let near = |i: usize| {
            let others = (0..count).filter(|j| *j != i);
            let neighbour = |j: usize| Neighbour {
                index: j,
                squared: (place[i] - place[j]).powi(2) as f32,
            };
            let mut row: Vec<Neighbour> = others.map(neighbour).collect();
            row.sort_by(|a, b| a.squared.total_cmp(&b.squared));
            row.truncate(Settings::default().neighbours());
            row
        };
        ((0..count).map(near).collect(), [place.clone()])
    }

    /// Where steps were too long for so few frames, the map flew apart: a worse order, and
    /// repulsion over thousands of boxes for half a minute.
    #[test]
    fn maps_of_few_frames_stay_together() {
        for count in [4, 5, 10, 20, 60, 90] {
            let (near, start) = scrambled(count);
            let made = line(&near, &start, &Settings::default(), &Silent).unwrap();
            let line = &made.coordinates[0];
            let reach = line.iter().fold(0.0f64, |reach, x| reach.max(x.abs()));
            assert!(reach < 50.0, "{count} frames reach {reach}");
            let divergence = made.kl_divergence.unwrap();
            assert!(divergence < 0.5, "{count} frames: {divergence}");
        }
    }
}
