//! Features and target kept in memory row by row, for the two estimators that visit samples in
//! random order. Knows nothing of where they come from.

use super::RegressError;
use super::moments::PIECE;
use rayon::prelude::*;

/// A row-major feature matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    width: usize,
    values: Vec<f64>,
}

impl Rows {
    /// No rows of `width` features, with room for `rows`.
    pub fn with_capacity(width: usize, rows: usize) -> Self {
        Self {
            width,
            values: Vec::with_capacity(width * rows),
        }
    }

    /// Appends the rows of equally long columns.
    pub fn extend(&mut self, columns: &[Vec<f64>]) {
        debug_assert_eq!(columns.len(), self.width);
        for row in 0..columns.first().map_or(0, Vec::len) {
            self.values.extend(columns.iter().map(|column| column[row]));
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Features per row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// One row.
    ///
    /// # Panics
    /// When `row` is not below [`Rows::len`].
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// All rows in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(self.width.max(1))
    }

    /// All rows in order, [`PIECE`] at a time, for parallel visits.
    pub(crate) fn par_pieces(
        &self,
    ) -> impl IndexedParallelIterator<Item = std::slice::ChunksExact<'_, f64>> {
        let width = self.width.max(1);
        self.values
            .par_chunks(width * PIECE)
            .map(move |piece| piece.chunks_exact(width))
    }

    /// Refuses unequal lengths, fewer than `needed` rows, more than 32 bits can count (the random
    /// streams draw 32 bits), and values that are not finite.
    pub(crate) fn check(
        &self,
        target: &[f64],
        needed: usize,
        estimator: &str,
    ) -> Result<(), RegressError> {
        if target.len() != self.len() {
            return Err(RegressError::UnequalLengths {
                what: format!("{estimator}: rows of features and target"),
                left: self.len(),
                right: target.len(),
            });
        }
        if self.len() < needed {
            return Err(RegressError::TooFewSamples {
                estimator: estimator.to_string(),
                samples: self.len(),
                needed,
                hint: "use a longer recording",
            });
        }
        if u32::try_from(self.len()).is_err() {
            return Err(RegressError::Parameter {
                name: "samples",
                value: self.len().to_string(),
                allowed: format!(
                    "{estimator} takes at most {}; use a shorter recording",
                    u32::MAX
                ),
            });
        }
        let values = self.values.iter().chain(target);
        match values.enumerate().find(|(_, v)| !v.is_finite()) {
            Some((index, &value)) => Err(RegressError::NotFinite {
                what: format!("{estimator}: features and target"),
                value,
                index,
            }),
            None => Ok(()),
        }
    }
}
