//! Which frame comes after which: orders by one-dimensional embeddings, by loudness or
//! brightness, by a short path, by a walk through a two-dimensional embedding, group by group.
//!
//! Knows frames only by their measurements and features.

use super::ResynthError;
use super::cluster::k_means;
use super::features::{FrameTable, Matrix};
use super::neighbours::{Neighbour, nearest};
use super::path::{self, shortest};
use super::pca::Pca;
use super::tsne::{self, Settings};
use super::walk::walk;
use crate::dsp::mel::hz_to_mel;
use crate::progress::Observer;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What frames are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The first principal component of the features.
    Pca,
    /// One-dimensional t-SNE of the features.
    Tsne,
    /// A short path through all features.
    Path,
    /// Energy, quiet to loud.
    Loudness,
    /// Spectral centroid, dark to bright.
    Centroid,
}

impl By {
    /// Its name in titles.
    pub fn title(self) -> &'static str {
        match self {
            Self::Pca => "PCA",
            Self::Tsne => "t-SNE",
            other => other.name(),
        }
    }

    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pca => "pca",
            Self::Tsne => "tsne",
            Self::Path => "path",
            Self::Loudness => "loudness",
            Self::Centroid => "centroid",
        }
    }
}

/// A walk instead of a sorted order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Nearest neighbours that each step chooses from.
    pub neighbours: usize,
    /// Frames to visit, with returns; `None`: each frame once.
    pub steps: Option<usize>,
}

/// How frames are put in order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// What they are ordered by.
    pub by: By,
    /// t-SNE's settings.
    pub tsne: Settings,
    /// A walk through a two-dimensional embedding ([`By::Pca`] or [`By::Tsne`]).
    pub walk: Option<Walk>,
    /// Group frames first, and play group after group.
    pub clusters: Option<usize>,
    /// Backwards.
    pub reverse: bool,
    /// Seed of walks and groups.
    pub seed: u64,
}

/// Frames in order.
#[derive(Clone, Debug)]
pub struct Ordering {
    /// Frames, first to last; a walk may name a frame more than once, or not at all.
    pub order: Vec<usize>,
    /// Where each of them lies, never decreasing: the distance that playback can respect.
    pub positions: Vec<f64>,
    /// One list of coordinates (one per frame, in time order) for each dimension of the
    /// embedding; empty for [`By::Path`], which has none.
    pub embedding: Vec<Vec<f64>>,
    /// t-SNE's divergence, if it was run on not too many frames.
    pub kl_divergence: Option<f64>,
    /// Share of variance in the principal components used, if they were.
    pub explained: Option<f64>,
}

impl Ordering {
    /// The order of no frames.
    pub fn none() -> Self {
        finish(Vec::new(), Vec::new(), Map::none())
    }
}

impl Recipe {
    fn check(&self) -> Result<(), ResynthError> {
        if let Some(walk) = self.walk {
            if !matches!(self.by, By::Pca | By::Tsne) {
                return Err(ResynthError::Together(
                    "a walk needs an embedding with two dimensions; use it with pca or tsne",
                ));
            }
            if self.clusters.is_some() {
                return Err(ResynthError::Together(
                    "a walk has its own order; leave out either the walk or the clusters",
                ));
            }
            setting(
                "walk",
                walk.neighbours,
                1,
                "it must be 1 to 1000 neighbours",
            )?;
        }
        match self.clusters {
            Some(count) => setting("clusters", count, 2, "it must be 2 to 1000"),
            None => Ok(()),
        }
    }
}

fn setting(
    name: &'static str,
    value: usize,
    least: usize,
    allowed: &'static str,
) -> Result<(), ResynthError> {
    if (least..=1000).contains(&value) {
        return Ok(());
    }
    Err(ResynthError::Setting {
        name,
        value: value.to_string(),
        allowed,
    })
}

/// Orders frames by their measurements and their features (one row per frame).
///
/// # Errors
/// Settings out of range or contradicting each other; an interruption.
pub fn order(
    table: &FrameTable,
    features: &Matrix,
    recipe: &Recipe,
    observer: &dyn Observer,
) -> Result<Ordering, ResynthError> {
    recipe.check()?;
    let pca = Pca::fit(features);
    let rows = pca.rotate(features);
    let task = Task {
        table,
        features,
        recipe,
        observer,
        pca,
        rows,
    };
    let mut ordering = match (recipe.walk, recipe.clusters) {
        (Some(walk), _) => task.walked(walk)?,
        (None, Some(count)) => task.grouped(count)?,
        (None, None) => task.sorted()?,
    };
    if recipe.reverse {
        ordering.order.reverse();
        ordering.positions.reverse();
        ordering.positions.iter_mut().for_each(|p| *p = -*p);
    }
    Ok(ordering)
}

/// What all kinds of order need.
struct Task<'a> {
    table: &'a FrameTable,
    features: &'a Matrix,
    recipe: &'a Recipe,
    observer: &'a dyn Observer,
    pca: Pca,
    /// Features turned to their principal axes.
    rows: Matrix,
}

/// Every frame's neighbours, and coordinates to start from.
type TsneStart<const D: usize> = (Vec<Vec<Neighbour>>, [Vec<f64>; D]);

/// An embedding of all frames.
struct Map {
    coordinates: Vec<Vec<f64>>,
    kl_divergence: Option<f64>,
    explained: Option<f64>,
}

impl Task<'_> {
    fn components(&self, count: usize) -> Map {
        Map {
            coordinates: (0..count)
                .map(|i| self.pca.scores(self.features, i))
                .collect(),
            kl_divergence: None,
            explained: Some((0..count).map(|i| self.pca.explained(i)).sum()),
        }
    }

    /// The neighbours and the start of a t-SNE in `D` dimensions.
    fn tsne_start<const D: usize>(&self) -> Result<TsneStart<D>, ResynthError> {
        let near = nearest(&self.rows, self.recipe.tsne.neighbours(), self.observer)?;
        let start = std::array::from_fn(|i| self.pca.scores(self.features, i));
        Ok((near, start))
    }

    fn tsne_line(&self) -> Result<Map, ResynthError> {
        let (near, start) = self.tsne_start()?;
        let made = tsne::line(&near, &start, &self.recipe.tsne, self.observer)?;
        Ok(Map::from(made))
    }

    fn tsne_plane(&self) -> Result<Map, ResynthError> {
        let (near, start) = self.tsne_start()?;
        let made = tsne::plane(&near, &start, &self.recipe.tsne, self.observer)?;
        Ok(Map::from(made))
    }

    /// The one number per frame that `by` sorts by; `None` for a path.
    fn keys(&self) -> Result<Option<Map>, ResynthError> {
        let plain = |values: Vec<f64>| {
            Some(Map {
                coordinates: vec![values],
                kl_divergence: None,
                explained: None,
            })
        };
        Ok(match self.recipe.by {
            By::Pca => Some(self.components(1)),
            By::Tsne => Some(self.tsne_line()?),
            By::Path => None,
            // Decibels and mels, so that distances in playback are heard evenly.
            By::Loudness => plain(loudness_db(&self.table.energy)),
            By::Centroid => plain(
                self.table
                    .centroid_hz
                    .iter()
                    .map(|&f| hz_to_mel(f))
                    .collect(),
            ),
        })
    }

    fn sorted(&self) -> Result<Ordering, ResynthError> {
        match self.keys()? {
            Some(map) => {
                let keys = &map.coordinates[0];
                let order = ascending(keys, (0..keys.len()).collect());
                let positions = order.iter().map(|&i| keys[i]).collect();
                Ok(finish(order, positions, map))
            }
            None => {
                let order = self.path(&self.rows)?;
                let positions = travelled(&self.rows, &order);
                Ok(finish(order, positions, Map::none()))
            }
        }
    }

    /// A short path through `rows`, from the one furthest out along the widest axis.
    fn path(&self, rows: &Matrix) -> Result<Vec<usize>, ResynthError> {
        let near = nearest(rows, path::NEIGHBOURS, self.observer)?;
        let first = |i: &usize| rows.row(*i).first().copied().unwrap_or(0.0);
        let start = (0..rows.rows()).min_by(|a, b| first(a).total_cmp(&first(b)));
        shortest(rows, &near, start.unwrap_or(0), self.observer)
    }

    fn walked(&self, walk_settings: Walk) -> Result<Ordering, ResynthError> {
        let map = match self.recipe.by {
            By::Tsne => self.tsne_plane()?,
            _ => self.components(2),
        };
        let count = self.rows.rows();
        let values =
            (0..count).flat_map(|i| map.coordinates.iter().map(move |axis| axis[i] as f32));
        let points = Matrix::new(map.coordinates.len(), values.collect());
        let near = nearest(&points, walk_settings.neighbours, self.observer)?;
        let mut random = ChaCha8Rng::seed_from_u64(self.recipe.seed);
        let steps = walk_settings.steps;
        // From the recording's beginning.
        let order = walk(&points, &near, 0, steps, &mut random, self.observer)?;
        let positions = travelled(&points, &order);
        Ok(finish(order, positions, map))
    }

    /// Groups in the order of a short path through their centres; inside a group by `by`.
    fn grouped(&self, count: usize) -> Result<Ordering, ResynthError> {
        let mut random = ChaCha8Rng::seed_from_u64(self.recipe.seed);
        let clusters = k_means(&self.rows, count, &mut random);
        let keys = self.keys()?;
        let mut order = Vec::with_capacity(self.rows.rows());
        for group in self.path(&clusters.centres)? {
            let members: Vec<usize> = (0..clusters.of.len())
                .filter(|&i| clusters.of[i] == group)
                .collect();
            order.extend(match &keys {
                Some(map) => ascending(&map.coordinates[0], members),
                None => {
                    let mut inside = self.path(&self.rows.select(&members))?;
                    // A path can be walked both ways: begin at the end nearer to the last group.
                    if let (Some(&last), [first, .., end]) = (order.last(), &inside[..])
                        && self.rows.distance(last, members[*end])
                            < self.rows.distance(last, members[*first])
                    {
                        inside.reverse();
                    }
                    inside.into_iter().map(|i| members[i]).collect()
                }
            });
        }
        let positions = travelled(&self.rows, &order);
        Ok(finish(order, positions, keys.unwrap_or_else(Map::none)))
    }
}

impl From<tsne::Embedding> for Map {
    fn from(made: tsne::Embedding) -> Self {
        Self {
            coordinates: made.coordinates,
            kl_divergence: made.kl_divergence,
            explained: None,
        }
    }
}

impl Map {
    fn none() -> Self {
        Self {
            coordinates: Vec::new(),
            kl_divergence: None,
            explained: None,
        }
    }
}

fn finish(order: Vec<usize>, positions: Vec<f64>, map: Map) -> Ordering {
    Ordering {
        order,
        positions,
        embedding: map.coordinates,
        kl_divergence: map.kl_divergence,
        explained: map.explained,
    }
}

/// `members` by rising key; equal keys keep their order in time.
fn ascending(keys: &[f64], mut members: Vec<usize>) -> Vec<usize> {
    members.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]));
    members
}

/// The way covered so far at each step of an order.
fn travelled(rows: &Matrix, order: &[usize]) -> Vec<f64> {
    let mut way = 0.0;
    let mut positions = vec![0.0; order.len().min(1)];
    for pair in order.windows(2) {
        way += rows.distance(pair[0], pair[1]);
        positions.push(way);
    }
    positions
}

/// Energies in decibels below the loudest frame, at most 100.
fn loudness_db(energy: &[f64]) -> Vec<f64> {
    let loudest = energy.iter().copied().fold(0.0, f64::max);
    let db = |e: &f64| {
        if loudest > 0.0 {
            (10.0 * (e / loudest).log10()).max(-100.0)
        } else {
            0.0
        }
    };
    energy.iter().map(db).collect()
}
