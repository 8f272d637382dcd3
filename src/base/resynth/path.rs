//! A short path through all frames: each once, neighbours as alike as possible.
//!
//! A greedy chain (always on to the nearest frame not yet visited), then 2-opt and Or-opt
//! moves until none helps, both restricted to each frame's nearest neighbours: G. Reinelt,
//! The Traveling Salesman (1994), for a path with open ends. Deterministic; knows nothing of
//! sound.

use super::ResynthError;
use super::features::Matrix;
use super::neighbours::{Neighbour, squared_within};
use crate::progress::{Observer, Task};
use rayon::prelude::*;
use std::collections::VecDeque;

/// Nearest neighbours considered per frame.
pub const NEIGHBOURS: usize = 16;

/// Longest run of frames that Or-opt moves.
const LONGEST_RUN: usize = 3;

/// A move must shorten the path by more than this, or rounding could undo and redo it.
const LEAST_GAIN: f64 = 1e-9;

/// A path through all rows, from `start`, given every row's [`NEIGHBOURS`] nearest ones.
///
/// # Errors
/// [`ResynthError::Interrupted`] when the observer asks to stop.
pub fn shortest(
    rows: &Matrix,
    neighbours: &[Vec<Neighbour>],
    start: usize,
    observer: &dyn Observer,
) -> Result<Vec<usize>, ResynthError> {
    let chain = greedy(rows, neighbours, start, observer)?;
    let mut path = Path::new(rows, neighbours, chain);
    path.improve(observer)?;
    Ok(path.order)
}

/// The greedy chain.
///
/// # Errors
/// [`ResynthError::Interrupted`] when the observer asks to stop.
pub fn greedy(
    rows: &Matrix,
    neighbours: &[Vec<Neighbour>],
    start: usize,
    observer: &dyn Observer,
) -> Result<Vec<usize>, ResynthError> {
    let count = rows.rows();
    // The rows not yet visited, and where each one stands in that list.
    let mut open: Vec<usize> = (0..count).collect();
    let mut place: Vec<usize> = (0..count).collect();
    let mut chain = Vec::with_capacity(count);
    let mut next = (count > 0).then_some(start.min(count.saturating_sub(1)));
    let task = Task::begin(observer, "chaining frames", Some(count as u64));
    while let Some(here) = next {
        if chain.len() % 1024 == 0 {
            task.go_on()?;
        }
        task.advance(1);
        chain.push(here);
        let hole = place[here];
        open.swap_remove(hole);
        if let Some(&moved) = open.get(hole) {
            place[moved] = hole;
        }
        place[here] = usize::MAX;
        let listed = neighbours[here].iter().map(|n| n.index);
        next = listed
            .clone()
            .find(|&i| place[i] != usize::MAX)
            .or_else(|| nearest_of(rows, here, &open));
    }
    Ok(chain)
}

/// The row of `candidates` nearest to `here`; of equals the one with the lowest index.
pub fn nearest_of(rows: &Matrix, here: usize, candidates: &[usize]) -> Option<usize> {
    let best_of = |part: &[usize]| {
        let mut best = (f32::INFINITY, usize::MAX);
        for &i in part {
            if let Some(squared) = squared_within(rows.row(here), rows.row(i), best.0)
                && (squared, i) < best
            {
                best = (squared, i);
            }
        }
        best
    };
    let none = || (f32::INFINITY, usize::MAX);
    let nearer = |a: (f32, usize), b: (f32, usize)| if b < a { b } else { a };
    let best = candidates
        .par_chunks(4096)
        .map(best_of)
        .reduce(none, nearer);
    (best.1 != usize::MAX).then_some(best.1)
}

/// A path under improvement.
struct Path<'a> {
    rows: &'a Matrix,
    neighbours: &'a [Vec<Neighbour>],
    order: Vec<usize>,
    /// Where each row stands in `order`.
    place: Vec<usize>,
}

impl<'a> Path<'a> {
    fn new(rows: &'a Matrix, neighbours: &'a [Vec<Neighbour>], order: Vec<usize>) -> Self {
        let mut place = vec![0; order.len()];
        for (at, &row) in order.iter().enumerate() {
            place[row] = at;
        }
        Self {
            rows,
            neighbours,
            order,
            place,
        }
    }

    /// The row at a place; beyond either end there is none.
    fn at(&self, place: Option<usize>) -> Option<usize> {
        place.and_then(|p| self.order.get(p)).copied()
    }

    fn before(&self, row: usize) -> Option<usize> {
        self.at(self.place[row].checked_sub(1))
    }

    fn after(&self, row: usize) -> Option<usize> {
        self.at(Some(self.place[row] + 1))
    }

    /// Length of the step between two rows; steps beyond an end cost nothing.
    fn step(&self, a: Option<usize>, b: Option<usize>) -> f64 {
        match (a, b) {
            (Some(a), Some(b)) => self.rows.distance(a, b),
            _ => 0.0,
        }
    }

    /// Applies improving moves until there is none.
    fn improve(&mut self, observer: &dyn Observer) -> Result<(), ResynthError> {
        let mut queue: VecDeque<usize> = self.order.iter().copied().collect();
        let mut queued = vec![true; self.order.len()];
        let task = Task::begin(observer, "shortening the path", None);
        let mut looked_at = 0_usize;
        while let Some(row) = queue.pop_front() {
            looked_at += 1;
            if looked_at.is_multiple_of(1024) {
                task.go_on()?;
            }
            queued[row] = false;
            while let Some(touched) = self.reverse_move(row).or_else(|| self.run_move(row)) {
                for end in touched.into_iter().flatten() {
                    if !queued[end] {
                        queued[end] = true;
                        queue.push_back(end);
                    }
                }
            }
        }
        Ok(())
    }

    /// 2-opt: joins `a` to a near row `c` by reversing what lies between. Returns the rows
    /// whose steps changed.
    fn reverse_move(&mut self, a: usize) -> Option<[Option<usize>; 4]> {
        for forwards in [true, false] {
            let next = |s: &Self, row| {
                if forwards {
                    s.after(row)
                } else {
                    s.before(row)
                }
            };
            let b = next(self, a);
            let old = self.step(Some(a), b);
            for near in &self.neighbours[a] {
                let c = near.index;
                // Measured as all other steps are: the list's rounding could make a move and
                // its opposite both look like gains, for ever.
                let new = self.step(Some(a), Some(c));
                // Beyond an end there is no step to save, but one elsewhere may be.
                if b.is_some() && new >= old {
                    break;
                }
                let d = next(self, c);
                let gain = old + self.step(Some(c), d) - new - self.step(b, d);
                if gain > LEAST_GAIN && b != Some(c) && d != Some(a) {
                    let (i, j) = (self.place[a], self.place[c]);
                    let (low, high) = (i.min(j), i.max(j));
                    if forwards {
                        self.reverse(low + 1, high);
                    } else {
                        self.reverse(low, high - 1);
                    }
                    return Some([Some(a), b, Some(c), d]);
                }
            }
        }
        None
    }

    fn reverse(&mut self, first: usize, last: usize) {
        self.order[first..=last].reverse();
        self.renumber(first, last);
    }

    fn renumber(&mut self, first: usize, last: usize) {
        for at in first..=last {
            self.place[self.order[at]] = at;
        }
    }

    /// Or-opt: moves the run of up to [`LONGEST_RUN`] rows that begins or ends at `a` beside a
    /// row near `a`. Returns the rows whose steps changed.
    fn run_move(&mut self, a: usize) -> Option<[Option<usize>; 4]> {
        for len in 1..=LONGEST_RUN.min(self.order.len()) {
            for a_is_first in [true, false] {
                let from = self.place[a];
                let first = if a_is_first {
                    from
                } else {
                    match (from + 1).checked_sub(len) {
                        Some(first) => first,
                        None => continue,
                    }
                };
                let last = first + len - 1;
                let Some(end) = self.at(Some(if a_is_first { last } else { first })) else {
                    continue;
                };
                let before = self.at(first.checked_sub(1));
                let after = self.at(Some(last + 1));
                let (head, tail) = if a_is_first { (a, end) } else { (end, a) };
                let saved = self.step(before, Some(head)) + self.step(Some(tail), after)
                    - self.step(before, after);
                if saved <= LEAST_GAIN {
                    continue;
                }
                if let Some(touched) = self.place_run(a, end, (first, last), saved) {
                    return Some([before, after, touched[0], touched[1]]);
                }
            }
        }
        None
    }

    /// Puts the run at places `first..=last` (one end `a`, the other `end`) beside a row near
    /// `a` where it costs less than `saved`.
    fn place_run(
        &mut self,
        a: usize,
        end: usize,
        (first, last): (usize, usize),
        saved: f64,
    ) -> Option<[Option<usize>; 2]> {
        for near in &self.neighbours[a] {
            let c = near.index;
            let new = self.step(Some(a), Some(c));
            if new >= saved {
                return None;
            }
            if (first..=last).contains(&self.place[c]) {
                continue;
            }
            for c_first in [true, false] {
                // The run goes between c and d, with `a` beside c.
                let d = if c_first {
                    self.after(c)
                } else {
                    self.before(c)
                };
                if d.is_some_and(|d| (first..=last).contains(&self.place[d])) {
                    continue;
                }
                let cost = new + self.step(Some(end), d) - self.step(Some(c), d);
                if saved - cost > LEAST_GAIN {
                    let a_leads = c_first;
                    self.move_run((first, last), c, c_first, a, a_leads);
                    return Some([Some(c), d]);
                }
            }
        }
        None
    }

    /// Moves the run behind (`after_c`) or before `c`, turned so that `a` leads or trails.
    fn move_run(
        &mut self,
        (first, last): (usize, usize),
        c: usize,
        after_c: bool,
        a: usize,
        a_leads: bool,
    ) {
        let len = last - first + 1;
        let at = self.place[c];
        // The run's place afterwards, and everything that shifts.
        let (low, high, to) = if at < first {
            let to = if after_c { at + 1 } else { at };
            self.order[to..=last].rotate_right(len);
            (to, last, to)
        } else {
            let end = if after_c { at } else { at - 1 };
            self.order[first..=end].rotate_left(len);
            (first, end, end + 1 - len)
        };
        let run = &mut self.order[to..to + len];
        if (run[0] == a) != a_leads {
            run.reverse();
        }
        self.renumber(low, high);
    }
}

#[cfg(test)]
mod tests {
    use super::super::neighbours::nearest;
    use super::*;
    use crate::progress::Silent;
    use rand::{Rng, SeedableRng};

    fn cloud(count: usize, seed: u64) -> Matrix {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        Matrix::new(2, (0..count * 2).map(|_| random.random()).collect())
    }

    fn length(rows: &Matrix, order: &[usize]) -> f64 {
        rows.mean_step(order) * (order.len() - 1) as f64
    }

    #[test]
    fn every_row_comes_once_and_the_path_is_shorter_than_the_chain() {
        for seed in 0..5 {
            let rows = cloud(400, seed);
            let near = nearest(&rows, NEIGHBOURS, &Silent).unwrap();
            let chain = greedy(&rows, &near, 0, &Silent).unwrap();
            let path = shortest(&rows, &near, 0, &Silent).unwrap();
            let mut sorted = path.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..400).collect::<Vec<_>>());
            // Greedy is some 25 % above the best tour, 2-opt with Or-opt some 5 %.
            assert!(length(&rows, &path) < 0.93 * length(&rows, &chain));
        }
    }

    /// All orders of `rest` behind `order`: the slow obvious search.
    fn best(rows: &Matrix, order: &mut Vec<usize>, rest: &mut Vec<usize>) -> f64 {
        if rest.is_empty() {
            return length(rows, order);
        }
        let mut lowest = f64::INFINITY;
        for i in 0..rest.len() {
            let row = rest.remove(i);
            order.push(row);
            lowest = lowest.min(best(rows, order, rest));
            order.pop();
            rest.insert(i, row);
        }
        lowest
    }

    #[test]
    fn short_paths_are_within_a_tenth_of_the_best_of_all_orders() {
        for seed in 0..12 {
            let rows = cloud(8, seed);
            let near = nearest(&rows, NEIGHBOURS, &Silent).unwrap();
            let path = shortest(&rows, &near, 0, &Silent).unwrap();
            let optimum = best(&rows, &mut Vec::new(), &mut (0..8).collect());
            let found = length(&rows, &path);
            assert!(found >= optimum - 1e-6);
            assert!(
                found < 1.1 * optimum,
                "seed {seed}: {found} against {optimum}"
            );
        }
    }

    #[test]
    fn equal_distances_come_to_an_end() {
        // A lattice whose step has no exact square root in single precision.
        let values = (0..400)
            .flat_map(|i| [i / 20, i % 20])
            .map(|x| x as f32 * 0.7);
        let rows = Matrix::new(2, values.collect());
        let near = nearest(&rows, NEIGHBOURS, &Silent).unwrap();
        let path = shortest(&rows, &near, 0, &Silent).unwrap();
        // The shortest path takes 399 steps to a direct neighbour.
        assert!(length(&rows, &path) < 1.05 * 399.0 * 0.7);
    }

    #[test]
    fn none_one_and_two_rows_have_a_path() {
        for count in 0..3 {
            let rows = cloud(count, 1);
            let near = nearest(&rows, NEIGHBOURS, &Silent).unwrap();
            assert_eq!(shortest(&rows, &near, 0, &Silent).unwrap().len(), count);
        }
    }
}
