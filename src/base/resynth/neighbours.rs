//! Exact nearest neighbours of frames by Euclidean distance: pairs that are too far apart in
//! their first column are never looked at, others only until they are too far apart.
//!
//! Rows should be turned to their principal axes first ([`super::pca::Pca::rotate`]): the
//! first columns then decide nearly every pair. Knows nothing of sound.

use super::ResynthError;
use super::features::Matrix;
use crate::progress::{Observer, Task};
use rayon::prelude::*;

/// Columns summed at a time, each in a sum of its own, so that the processor can do all at once.
const LANES: usize = 8;

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
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut rest = 0.0;
    for (x, y) in a_rest.iter().zip(b_rest) {
        rest += (x - y) * (x - y);
    }
    let mut lanes = [0.0; LANES];
    let mut total = rest;
    for (a, b) in a.iter().zip(b) {
        for ((lane, x), y) in lanes.iter_mut().zip(a).zip(b) {
            *lane += (x - y) * (x - y);
        }
        total = rest + lanes.iter().sum::<f32>();
        if total > limit {
            return None;
        }
    }
    (total <= limit).then_some(total)
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
    let line = Line::new(rows);
    let task = Task::begin(observer, "finding like frames", Some(count as u64));
    let mut all = Vec::with_capacity(count);
    // Batches only so that the user can stop.
    for start in (0..count).step_by(1024) {
        task.go_on()?;
        let batch = start..(start + 1024).min(count);
        task.advance(batch.len() as u64);
        let found: Vec<_> = batch
            .into_par_iter()
            .map(|i| line.nearest_to(rows, i, k))
            .collect();
        all.extend(found);
    }
    Ok(all)
}

/// Rows along their first column: what is too far away there is too far away.
struct Line {
    /// Rows by rising first column.
    order: Vec<usize>,
    /// Where each row stands in `order`.
    place: Vec<usize>,
}

impl Line {
    fn new(rows: &Matrix) -> Self {
        let mut order: Vec<usize> = (0..rows.rows()).collect();
        order.sort_by(|&a, &b| first(rows, a).total_cmp(&first(rows, b)));
        let mut place = vec![0; order.len()];
        for (at, &row) in order.iter().enumerate() {
            place[row] = at;
        }
        Self { order, place }
    }

    /// Looks outwards along the line until what remains is further away in the first column
    /// alone than the `k`-th nearest row found.
    fn nearest_to(&self, rows: &Matrix, i: usize, k: usize) -> Vec<Neighbour> {
        let k = k.min(rows.rows().saturating_sub(1));
        if k == 0 {
            return Vec::new();
        }
        let here = rows.row(i);
        let gap = |&j: &usize| {
            let away = first(rows, j) - first(rows, i);
            (j, away * away)
        };
        let (below, above) = (
            &self.order[..self.place[i]],
            &self.order[self.place[i] + 1..],
        );
        let mut below = below.iter().rev().map(gap).peekable();
        let mut above = above.iter().map(gap).peekable();
        let mut best: Vec<Neighbour> = Vec::with_capacity(k + 1);
        loop {
            let next = match (below.peek(), above.peek()) {
                (Some(b), Some(a)) if b.1 <= a.1 => below.next(),
                (Some(_), None) => below.next(),
                _ => above.next(),
            };
            let limit = match best.last() {
                Some(last) if best.len() == k => last.squared,
                _ => f32::INFINITY,
            };
            let Some((index, _)) = next.filter(|n| n.1 <= limit) else {
                return best;
            };
            let Some(squared) = squared_within(here, rows.row(index), limit) else {
                continue;
            };
            let nearer = |n: &Neighbour| {
                let order = n.squared.total_cmp(&squared);
                order.then(n.index.cmp(&index)).is_lt()
            };
            best.insert(best.partition_point(nearer), Neighbour { index, squared });
            best.truncate(k);
        }
    }
}

fn first(rows: &Matrix, i: usize) -> f32 {
    rows.row(i).first().copied().unwrap_or(0.0)
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
