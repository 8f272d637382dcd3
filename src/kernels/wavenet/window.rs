//! Rows that slide along with the segments of a task. Knows no network.

use std::ops::Range;

use crate::kernels::memory::{LINE, padded};

/// The distance between rows of `len` samples: whole cache lines, and an odd number of them
/// modulo a page, since rows a multiple of 4 KiB apart would fight over the same few lines of the
/// first-level cache.
pub fn row_stride(len: usize) -> usize {
    const PAGE: usize = 64;
    let lines = len.div_ceil(LINE);
    LINE * (lines + (PAGE + 7 - lines % PAGE) % PAGE)
}

/// Rows that hold the current segment and a context: forward, the samples before it; backward,
/// those behind it. The rows are longer than that, so that the context need be moved only every
/// few segments.
#[derive(Debug, Clone)]
pub struct Window {
    offset: usize,
    rows: usize,
    pub stride: usize,
    segment: usize,
    context: usize,
    len: usize,
    /// Where in a row the current segment starts.
    first: usize,
}

impl Window {
    /// `rows` rows from float `offset` on, at the first segment.
    pub fn forward(offset: usize, rows: usize, context: usize, segment: usize) -> Window {
        // Whole lines, so that segments start on one.
        let context = padded(context);
        let len = context + (1 + 2 * context / segment) * segment;
        Window {
            offset,
            rows,
            stride: row_stride(len),
            segment,
            context,
            len,
            first: context,
        }
    }

    /// The same at the last segment.
    pub fn backward(offset: usize, rows: usize, context: usize, segment: usize) -> Window {
        let window = Window::forward(offset, rows, context, segment);
        Window {
            first: window.len - window.context - segment,
            ..window
        }
    }

    /// Floats of all rows.
    pub fn size(&self) -> usize {
        self.rows * self.stride
    }

    /// Where the first row starts.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Where the current segment of the first row starts.
    pub fn now(&self) -> usize {
        self.offset + self.first
    }

    /// On to the next segment.
    pub fn advance(&mut self, memory: &mut [f32]) {
        let end = self.first + self.segment;
        self.first = end;
        if end + self.segment > self.len {
            self.move_context(memory, end - self.context, 0);
            self.first = self.context;
        }
    }

    /// Back to the segment before.
    pub fn retreat(&mut self, memory: &mut [f32]) {
        if self.first < self.segment {
            let to = self.len - self.context;
            self.move_context(memory, self.first, to);
            self.first = to;
        }
        self.first -= self.segment;
    }

    fn move_context(&self, memory: &mut [f32], from: usize, to: usize) {
        for row in 0..self.rows {
            let row = self.offset + row * self.stride;
            memory.copy_within(row + from..row + from + self.context, row + to);
        }
    }

    /// Zeros in all rows, `range` counted from the current segment's start.
    pub fn clear(&self, memory: &mut [f32], range: Range<usize>) {
        for row in 0..self.rows {
            memory[self.now() + row * self.stride..][range.clone()].fill(0.0);
        }
    }

    /// Zeros behind the current segment.
    pub fn clear_context(&self, memory: &mut [f32]) {
        self.clear(memory, self.segment..self.segment + self.context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_remember_a_context_both_ways() {
        const SEGMENT: usize = 32;
        for context in [0, 1, 16, 31, 32, 100] {
            let mut forth = Window::forward(3, 2, context, SEGMENT);
            let mut memory = vec![-1.0; 3 + forth.size()];
            let second = forth.stride;
            for time in 0..20 * SEGMENT {
                if time > 0 && time % SEGMENT == 0 {
                    forth.advance(&mut memory);
                }
                let at = second + forth.now() + time % SEGMENT;
                memory[at] = time as f32;
                if time >= context {
                    assert_eq!(memory[at - context], (time - context) as f32);
                }
            }
            let mut back = Window::backward(3, 2, context, SEGMENT);
            memory.fill(-1.0);
            back.clear_context(&mut memory);
            for time in (0..20 * SEGMENT).rev() {
                if time % SEGMENT == SEGMENT - 1 && time + 1 < 20 * SEGMENT {
                    back.retreat(&mut memory);
                }
                let at = second + back.now() + time % SEGMENT;
                memory[at] = time as f32;
                let exact = match time + context < 20 * SEGMENT {
                    true => (time + context) as f32,
                    false => 0.0,
                };
                assert_eq!(memory[at + context], exact);
            }
        }
    }
}
