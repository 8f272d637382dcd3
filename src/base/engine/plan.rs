//! What planning an engine needs to know besides the description, and the memory it may use.
//!
//! Knows nothing of what is planned.

use crate::network::{DescriptionError, bounded};
use crate::simd::Isa;
use std::cell::Cell;

/// What planning needs to know besides the description.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The instruction set all kernels will use.
    pub(crate) isa: Isa,
    /// Number of knobs.
    pub(crate) controls: usize,
    /// Floats that may still be allocated.
    left: Cell<usize>,
    /// Whether something planned works on a grid that begins with the first sample.
    grid: Cell<bool>,
}

/// The most floats an engine allocates: 512 MB. The description bounds weights and history; this
/// also bounds what planning adds per channel and per layer, which a hostile file could multiply.
const MAX_FLOATS: usize = 1 << 27;

impl Plan {
    /// A plan that has allocated nothing yet.
    pub(crate) fn new(isa: Isa, controls: usize) -> Self {
        let left = Cell::new(MAX_FLOATS);
        Self {
            isa,
            controls,
            left,
            grid: Cell::new(false),
        }
    }

    /// Says that what is being planned works on a grid that begins with the first sample, so that
    /// its rounding depends on where that was.
    pub(crate) fn set_on_grid(&self) {
        self.grid.set(true);
    }

    /// Whether anything planned so far does.
    pub(crate) fn is_on_grid(&self) -> bool {
        self.grid.get()
    }

    /// Claims memory for `rows · columns` floats.
    ///
    /// # Errors
    /// There would be more than 512 MB in all.
    pub(crate) fn claim(&self, rows: usize, columns: usize) -> Result<(), DescriptionError> {
        let left = rows
            .checked_mul(columns)
            .and_then(|floats| self.left.get().checked_sub(floats));
        match left {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                let used = MAX_FLOATS - self.left.get();
                let got = used.saturating_add(rows.saturating_mul(columns));
                bounded("working memory in floats", Some(got), MAX_FLOATS)
            }
        }
    }
}
