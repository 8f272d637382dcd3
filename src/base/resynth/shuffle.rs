//! Python's and NumPy's seeded shuffles, so that a notebook's order can be repeated draw for draw.
//!
//! New effects use a modern generator; this is only for `--compat`.

use crate::random::MersenneTwister;

/// The order in which `numpy.random.seed(seed); numpy.random.shuffle(list)` leaves `n` items.
pub fn numpy_shuffle(seed: u32, n: usize) -> Vec<usize> {
    let mut mt = MersenneTwister::numpy(seed);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, mt.numpy_up_to(i as u32) as usize);
    }
    order
}

/// What `random.seed(seed); random.shuffle(rows)` does to the rows of a two-dimensional NumPy
/// array: row `i` of the result is row `result[i]` of the original.
///
/// Python swaps by assigning two views to each other; the first assignment overwrites what
/// the second one reads, so row i becomes a copy of row j and row j stays: about half of the
/// rows are lost.
pub fn python_shuffle_of_rows(seed: u32, n: usize) -> Vec<usize> {
    let mut mt = MersenneTwister::python(seed);
    let mut source: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        source[i] = source[mt.python_up_to(i as u32) as usize];
    }
    source
}
