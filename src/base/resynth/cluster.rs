//! Groups of like frames: k-means on features.
//!
//! Starts by k-means++ (D. Arthur, S. Vassilvitskii, 2007) from a seed, then Lloyd's
//! iterations until no frame changes its group. Knows nothing of sound.

use super::features::Matrix;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Lloyd's iterations at most; they settle long before for features of sound.
const MOST_ITERATIONS: usize = 100;

/// Groups of rows and their centres.
#[derive(Clone, Debug)]
pub struct Clusters {
    /// The group of every row.
    pub of: Vec<usize>,
    /// One row per group. A group can be empty when rows coincide.
    pub centres: Matrix,
}

/// Sorts rows into at most `count` groups.
pub fn k_means(rows: &Matrix, count: usize, random: &mut ChaCha8Rng) -> Clusters {
    let mut centres = rows.select(&first_centres(rows, count, random));
    let mut of = assign(rows, &centres);
    for _ in 0..MOST_ITERATIONS {
        centres = means(rows, &of, &centres);
        let moved = assign(rows, &centres);
        if moved == of {
            break;
        }
        of = moved;
    }
    Clusters { of, centres }
}

fn squared(a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(x, y)| f64::from(x - y).powi(2)).sum()
}

/// k-means++: each further centre is a row drawn with a chance that grows with its squared
/// distance from the centres so far.
fn first_centres(rows: &Matrix, count: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    if rows.rows() == 0 {
        return Vec::new();
    }
    let mut chosen = vec![random.random_range(0..rows.rows())];
    let mut nearest = vec![f64::INFINITY; rows.rows()];
    while chosen.len() < count {
        let newest = rows.row(chosen[chosen.len() - 1]);
        nearest.par_iter_mut().enumerate().for_each(|(i, d)| {
            *d = d.min(squared(rows.row(i), newest));
        });
        let mut ticket = random.random::<f64>() * nearest.iter().sum::<f64>();
        let drawn = nearest.iter().position(|d| {
            ticket -= d;
            ticket < 0.0
        });
        // All rows coincide with a centre.
        let Some(drawn) = drawn else { break };
        chosen.push(drawn);
    }
    chosen
}

fn assign(rows: &Matrix, centres: &Matrix) -> Vec<usize> {
    let nearest = |i: usize| {
        let distances = centres.iter().map(|c| squared(rows.row(i), c));
        let best = distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        best.map_or(0, |(group, _)| group)
    };
    (0..rows.rows()).into_par_iter().map(nearest).collect()
}

/// The mean of each group; an empty one keeps its centre.
fn means(rows: &Matrix, of: &[usize], centres: &Matrix) -> Matrix {
    let columns = rows.columns();
    let mut sums = vec![0.0_f64; centres.rows() * columns];
    let mut sizes = vec![0_usize; centres.rows()];
    for (row, &group) in rows.iter().zip(of) {
        sizes[group] += 1;
        let sum = &mut sums[group * columns..(group + 1) * columns];
        for (s, &x) in sum.iter_mut().zip(row) {
            *s += f64::from(x);
        }
    }
    let mut values = Vec::with_capacity(sums.len());
    for (group, sum) in sums.chunks_exact(columns).enumerate() {
        match sizes[group] {
            0 => values.extend_from_slice(centres.row(group)),
            size => values.extend(sum.iter().map(|s| (s / size as f64) as f32)),
        }
    }
    Matrix::new(columns, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn groups_that_lie_apart_are_found() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let spots = [(0.0, 0.0), (10.0, 0.0), (0.0, 10.0)];
        let values = (0..90).flat_map(|i| {
            let (x, y) = spots[i % 3];
            [x + random.random::<f32>(), y + random.random::<f32>()]
        });
        let rows = Matrix::new(2, values.collect());
        let clusters = k_means(&rows, 3, &mut ChaCha8Rng::seed_from_u64(5));
        for i in 3..90 {
            assert_eq!(clusters.of[i], clusters.of[i % 3], "row {i}");
        }
    }

    #[test]
    fn rows_that_coincide_are_one_group() {
        let rows = Matrix::new(1, vec![4.0; 10]);
        let clusters = k_means(&rows, 5, &mut ChaCha8Rng::seed_from_u64(5));
        assert!(clusters.of.iter().all(|&g| g == 0));
    }
}
