//! Memory brought near ahead of its use: pieces of many rows that lie far apart.

use super::line::LINE;
use crate::simd::Simd;

/// A piece of each of many rows far apart, to be brought near a few cache lines at a time while
/// other work goes on: the processor does not foresee such accesses, and would wait for each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ahead {
    /// A place in the first line of the first row's piece.
    pub from: *const f32,
    /// Floats from row to row.
    pub stride: usize,
    /// How many rows.
    pub rows: usize,
    /// Cache lines of a piece.
    pub lines: usize,
}

/// The walk through the lines of an [`Ahead`], a portion at a time.
pub(crate) struct Portions {
    rows: Ahead,
    line: usize,
    at_once: usize,
}

impl Ahead {
    /// In that many portions.
    #[inline(always)]
    pub fn in_portions(self, count: usize) -> Portions {
        Portions {
            rows: self,
            line: 0,
            at_once: (self.rows * self.lines).div_ceil(count.max(1)),
        }
    }
}

impl Portions {
    /// The next portion, to be read, or else to be `WRITE`n.
    #[inline(always)]
    pub fn bring<S: Simd, const WRITE: bool>(&mut self, s: S) {
        self.each(|line| match WRITE {
            true => s.prefetch_to_write(line),
            false => s.prefetch(line),
        });
    }

    /// The next portion, to be read after other work that needs the first-level cache.
    #[inline(always)]
    pub fn bring_far<S: Simd>(&mut self, s: S) {
        self.each(|line| s.prefetch_far(line));
    }

    #[inline(always)]
    fn each(&mut self, ask: impl Fn(*const f32)) {
        for _ in 0..self.at_once {
            let rows = &mut self.rows;
            if rows.rows == 0 {
                return;
            }
            ask(rows.from.wrapping_add(self.line * LINE));
            self.line += 1;
            if self.line == rows.lines {
                self.line = 0;
                rows.from = rows.from.wrapping_add(rows.stride);
                rows.rows -= 1;
            }
        }
    }
}
