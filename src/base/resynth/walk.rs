//! A wandering order: from frame to frame through an embedding, each step to one of the
//! nearest neighbours, chosen by lot.
//!
//! Knows nothing of sound; the same seed gives the same walk.

use super::ResynthError;
use super::features::Matrix;
use super::neighbours::Neighbour;
use super::path::nearest_of;
use crate::progress::Observer;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

/// How far back a walk of given length remembers where it was, as a share of all frames: long
/// enough not to stutter, short enough to come back.
const MEMORY: f64 = 0.05;

/// Walks over `points` (one row of coordinates per frame) from `start`, each step to one of
/// the frame's `neighbours`.
///
/// Without `steps` every frame is visited exactly once: when all neighbours were visited the
/// walk goes on from the nearest frame that was not. With `steps` it takes that many steps
/// and may return to a frame, but not to the ones it just left.
///
/// # Errors
/// [`ResynthError::Interrupted`] when the observer asks to stop.
pub fn walk(
    points: &Matrix,
    neighbours: &[Vec<Neighbour>],
    start: usize,
    steps: Option<usize>,
    random: &mut ChaCha8Rng,
    observer: &dyn Observer,
) -> Result<Vec<usize>, ResynthError> {
    let count = points.rows();
    let mut here = start.min(count.saturating_sub(1));
    let length = if count == 0 {
        0
    } else {
        steps.unwrap_or(count)
    };
    let memory = match steps {
        None => count,
        Some(_) => ((count as f64 * MEMORY) as usize).min(count.saturating_sub(2)),
    };
    let mut visited = vec![false; count];
    let mut recent = VecDeque::with_capacity(memory + 1);
    let mut order = Vec::with_capacity(length);
    while order.len() < length {
        if order.len() % 1024 == 0 && observer.stop_requested() {
            return Err(ResynthError::Interrupted);
        }
        order.push(here);
        visited[here] = true;
        recent.push_back(here);
        if recent.len() > memory
            && let Some(forgotten) = recent.pop_front()
        {
            visited[forgotten] = false;
        }
        let free = neighbours[here].iter().map(|n| n.index);
        let free: Vec<usize> = free.filter(|&i| !visited[i]).collect();
        let next = free.choose(random).copied();
        let Some(next) = next.or_else(|| nearest_unvisited(points, here, &visited)) else {
            break;
        };
        here = next;
    }
    Ok(order)
}

fn nearest_unvisited(points: &Matrix, here: usize, visited: &[bool]) -> Option<usize> {
    let open: Vec<usize> = (0..visited.len()).filter(|&i| !visited[i]).collect();
    nearest_of(points, here, &open)
}

#[cfg(test)]
mod tests {
    use super::super::neighbours::nearest;
    use super::*;
    use crate::progress::Silent;
    use rand::{Rng, SeedableRng};

    fn points() -> Matrix {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        Matrix::new(2, (0..600).map(|_| random.random()).collect())
    }

    fn take(steps: Option<usize>, seed: u64) -> Vec<usize> {
        let points = points();
        let near = nearest(&points, 5, &Silent).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        walk(&points, &near, 7, steps, &mut random, &Silent).unwrap()
    }

    #[test]
    fn a_full_walk_visits_every_frame_once() {
        let mut order = take(None, 1);
        assert_eq!(order[0], 7);
        order.sort_unstable();
        assert_eq!(order, (0..300).collect::<Vec<_>>());
    }

    #[test]
    fn a_long_walk_returns_but_not_at_once_and_follows_its_seed() {
        let order = take(Some(2000), 1);
        assert_eq!(order.len(), 2000);
        for window in order.windows(15) {
            let mut seen = window.to_vec();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), 15, "a frame came back within 5 % of 300 frames");
        }
        assert_eq!(order, take(Some(2000), 1));
        assert_ne!(order, take(Some(2000), 2));
    }
}
