//! Exact nearest neighbours of frames by Euclidean distance, by brute force that gives up on
//! a pair as soon as it is too far apart.
//!
//! Rows should be turned to their principal axes first ([`super::pca::Pca::rotate`]): the
//! first columns then decide nearly every pair. Knows nothing of sound.

use super::ResynthError;
use super::features::Matrix;
use crate::progress::{Event, Observer};
use rayon::prelude::*;

/// Columns summed between two looks at the limit.
const STRIDE: usize = 8;

/// A row and how far it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Which row.
    pub index: usize,
    /// Its squared distance.
    pub squared: f32,
}

/// The squared distance of two rows, or `None` once it is known to exceed `limit`.
pub fn squared_within(a: &[f32], b: &[f32], limit: f32) -> Option<f32> {
    let mut total = 0.0;
    for (a, b) in a.chunks(STRIDE).zip(b.chunks(STRIDE)) {
        let mut part = 0.0;
        for (x, y) in a.iter().zip(b) {
            let d = x - y;
            part += d * d;
        }
        total += part;
        if total > limit {
            return None;
        }
    }
    Some(total)
}

/// The `k` nearest other rows of every row, nearest first, of equals the lower index first
/// (all other rows if there are fewer).
///
/// # Errors
/// [`ResynthError::Interrupted`] when the observer asks to stop.
pub fn nearest(
    rows: &Matrix,
    k: usize,
    observer: &dyn Observer,
) -> Result<Vec<Vec<Neighbour>>, ResynthError> {
    let count = rows.rows();
    observer.event(Event::Start {
        task: "finding like frames",
        total: Some(count as u64),
    });
    let mut all = Vec::with_capacity(count);
    // Batches only so that the user can stop.
    for start in (0..count).step_by(1024) {
        if observer.stop_requested() {
            return Err(ResynthError::Interrupted);
        }
        let batch = start..(start + 1024).min(count);
        observer.event(Event::Advance(batch.len() as u64));
        let found: Vec<_> = batch
            .into_par_iter()
            .map(|i| nearest_to(rows, i, k))
            .collect();
        all.extend(found);
    }
    observer.event(Event::Finish);
    Ok(all)
}

fn nearest_to(rows: &Matrix, i: usize, k: usize) -> Vec<Neighbour> {
    let k = k.min(rows.rows().saturating_sub(1));
    let mut best: Vec<Neighbour> = Vec::with_capacity(k + 1);
    let here = rows.row(i);
    // Frames close in time are close in sound: they make the limit tight early.
    let earlier = (0..i).rev().map(Some).chain(std::iter::repeat(None));
    let later = (i + 1..rows.rows())
        .map(Some)
        .chain(std::iter::repeat(None));
    let outwards = earlier
        .zip(later)
        .take_while(|(e, l)| e.is_some() || l.is_some());
    for index in outwards.flat_map(|(e, l)| [e, l]).flatten() {
        let limit = match best.last() {
            Some(last) if best.len() == k => last.squared,
            _ => f32::INFINITY,
        };
        let Some(squared) = squared_within(here, rows.row(index), limit) else {
            continue;
        };
        let before = |n: &Neighbour| {
            n.squared
                .total_cmp(&squared)
                .then(n.index.cmp(&index))
                .is_lt()
        };
        best.insert(best.partition_point(before), Neighbour { index, squared });
        best.truncate(k);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn the_quick_search_finds_what_sorting_all_pairs_finds() {
        // Small whole numbers: many ties, no rounding.
        let values = (0..300 * 20).map(|i| ((i * 7919 + i * i) % 11) as f32);
        let rows = Matrix::new(20, values.collect());
        let found = nearest(&rows, 12, &Silent).unwrap();
        for (i, found) in found.iter().enumerate() {
            let mut all: Vec<(f32, usize)> = (0..rows.rows())
                .filter(|&j| j != i)
                .map(|j| (rows.distance(i, j).powi(2).round() as f32, j))
                .collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let expected: Vec<usize> = all[..12].iter().map(|p| p.1).collect();
            let indices: Vec<usize> = found.iter().map(|n| n.index).collect();
            assert_eq!(indices, expected, "row {i}");
        }
    }
}
