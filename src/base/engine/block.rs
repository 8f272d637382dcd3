//! The two kinds of sample storage: a short block of rows, and rows that remember their past; and
//! how they are lent out to be read and written.

use super::plan::Plan;
use crate::network::{DescriptionError, MAX_HISTORY, bounded};
use std::ops::{Deref, DerefMut, Range};

/// Most samples handled in one pass: long enough that per-pass work is small beside the
/// arithmetic, short enough that the rows of a layer stay in the innermost cache.
pub(crate) const CHUNK: usize = 256;

/// Samples that may be read and written behind the last valid one of a row, so that the last
/// vectors of a row need no special case: two of the widest vectors.
pub(crate) const SLACK: usize = 32;

/// Distance between the rows of a [`Block`].
///
/// Not a multiple of 4096 bytes: rows that far apart would compete for the same cache lines.
pub(crate) const ROW: usize = CHUNK + SLACK;

/// Floats that start at a cache line, so that no vector of a row that starts at a multiple of 16
/// straddles two lines.
#[derive(Debug)]
pub(crate) struct Aligned {
    storage: Vec<f32>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let storage = vec![0.0; len + LINE];
        // In floats; where a platform cannot say, alignment is merely lost.
        let start = storage.as_ptr().align_offset(4 * LINE).min(LINE);
        Self {
            storage,
            start,
            len,
        }
    }

    /// A copy of `values`.
    pub(crate) fn copy_of(values: &[f32]) -> Self {
        let mut aligned = Self::zeros(values.len());
        aligned.copy_from_slice(values);
        aligned
    }
}

impl Deref for Aligned {
    type Target = [f32];

    #[inline(always)]
    fn deref(&self) -> &[f32] {
        &self.storage[self.start..self.start + self.len]
    }
}

impl DerefMut for Aligned {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.storage[self.start..self.start + self.len]
    }
}

/// Floats in a cache line, and in the widest vector.
const LINE: usize = 16;

/// Rows to read: a slice and the place of the present sample of row 0 in it.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) samples: &'a [f32],
    pub(crate) at: usize,
}

/// Rows to write: a slice, the place of the present sample of row 0, and the rows' distance.
pub(crate) struct Target<'a> {
    pub(crate) samples: &'a mut [f32],
    pub(crate) at: usize,
    pub(crate) stride: usize,
}

impl Target<'_> {
    /// Whether `rows` rows of `len` samples and slack fit.
    pub(crate) fn fits(&self, rows: usize, len: usize) -> bool {
        rows == 0 || self.at + (rows - 1) * self.stride + len <= self.samples.len()
    }
}

/// Rows of one pass, `[channel][time]`, at most [`CHUNK`] samples each.
#[derive(Debug)]
pub(crate) struct Block {
    samples: Aligned,
}

impl Block {
    /// All zeros.
    ///
    /// # Errors
    /// More memory than [`Plan::claim`] allows.
    pub(crate) fn new(channels: usize, plan: &Plan) -> Result<Self, DescriptionError> {
        plan.claim(channels, ROW)?;
        let samples = Aligned::zeros(channels * ROW);
        Ok(Self { samples })
    }

    /// All rows, [`ROW`] apart.
    pub(crate) fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// All rows, [`ROW`] apart.
    pub(crate) fn samples_mut(&mut self) -> &mut [f32] {
        &mut self.samples
    }

    /// The first `len` samples of a row.
    pub(crate) fn row(&self, channel: usize, len: usize) -> &[f32] {
        &self.samples[channel * ROW..][..len]
    }

    /// The first `len` samples of a row.
    pub(crate) fn row_mut(&mut self, channel: usize, len: usize) -> &mut [f32] {
        &mut self.samples[channel * ROW..][..len]
    }

    /// All rows, to be read.
    pub(crate) fn source(&self) -> Source<'_> {
        Source {
            samples: &self.samples,
            at: 0,
        }
    }

    /// All rows, to be written.
    pub(crate) fn target(&mut self) -> Target<'_> {
        Target {
            samples: &mut self.samples,
            at: 0,
            stride: ROW,
        }
    }

    /// Copies `len` samples of the rows `rows` of `from` into the first rows.
    pub(crate) fn copy_from(&mut self, from: &Block, rows: Range<usize>, len: usize) {
        for (to, row) in rows.enumerate() {
            self.row_mut(to, len).copy_from_slice(from.row(row, len));
        }
    }

    /// The first `rows` rows to `[time][channel]`, `width ≥ rows` apart; what lies between is
    /// left alone.
    pub(crate) fn to_time_major(&self, rows: usize, len: usize, to: &mut [f32], width: usize) {
        for r in 0..rows {
            let columns = to[r..].iter_mut().step_by(width);
            for (x, y) in self.row(r, len).iter().zip(columns) {
                *y = *x;
            }
        }
    }

    /// `[time][channel]`, `width` apart, to the first `rows` rows.
    pub(crate) fn set_time_major(&mut self, from: &[f32], width: usize, rows: usize, len: usize) {
        for r in 0..rows {
            let columns = from[r..].iter().step_by(width);
            for (x, y) in columns.zip(self.row_mut(r, len)) {
                *y = *x;
            }
        }
    }
}

/// Rows with a past, `[channel][time]`: behind every present sample stand `lookback` earlier ones
/// in one piece, so convolutions read them without wrapping around.
///
/// The present moves to the right until the rows are full; then the past is moved to the left
/// end. The room is such that this copies at most two samples for every three heard, for short
/// pasts far fewer, and no sample asks whether it is due.
#[derive(Debug)]
pub(crate) struct Line {
    samples: Aligned,
    channels: usize,
    lookback: usize,
    stride: usize,
    at: usize,
}

impl Line {
    /// Silence.
    ///
    /// # Errors
    /// More history than [`MAX_HISTORY`], or more memory than [`Plan::claim`] allows.
    pub(crate) fn new(
        channels: usize,
        lookback: Option<usize>,
        plan: &Plan,
    ) -> Result<Self, DescriptionError> {
        let lookback = lookback.unwrap_or(usize::MAX);
        let history = channels.checked_mul(lookback);
        bounded("history over all channels", history, MAX_HISTORY)?;
        let room = 2 * lookback.max(2 * CHUNK);
        // An odd number of cache lines apart, so that rows spread over the cache.
        let lines = (first_at(lookback) + room + SLACK).div_ceil(LINE);
        let stride = (lines | 1) * LINE;
        plan.claim(channels, stride)?;
        Ok(Self {
            samples: Aligned::zeros(channels * stride),
            channels,
            lookback,
            stride,
            at: first_at(lookback),
        })
    }

    /// Distance between rows.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// Past samples kept.
    pub(crate) fn lookback(&self) -> usize {
        self.lookback
    }

    /// Channels.
    pub(crate) fn channels(&self) -> usize {
        self.channels
    }

    /// Where the present pass starts in row 0.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// All rows.
    pub(crate) fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// All rows, to be read from the present pass on.
    pub(crate) fn source(&self) -> Source<'_> {
        Source {
            samples: &self.samples,
            at: self.at,
        }
    }

    /// The present pass of all rows, to be written.
    pub(crate) fn target(&mut self) -> Target<'_> {
        Target {
            samples: &mut self.samples,
            at: self.at,
            stride: self.stride,
        }
    }

    /// The present pass of a row.
    pub(crate) fn row(&self, channel: usize, len: usize) -> &[f32] {
        &self.samples[channel * self.stride + self.at..][..len]
    }

    /// The present pass of a row.
    pub(crate) fn row_mut(&mut self, channel: usize, len: usize) -> &mut [f32] {
        let start = channel * self.stride + self.at;
        &mut self.samples[start..start + len]
    }

    /// Takes the present pass of every channel from the first rows of `block`.
    pub(crate) fn take(&mut self, block: &Block, len: usize) {
        for channel in 0..self.channels {
            self.row_mut(channel, len)
                .copy_from_slice(block.row(channel, len));
        }
    }

    /// Makes the pass of `len ≤ CHUNK` samples past, and room for one of [`CHUNK`].
    pub(crate) fn advance(&mut self, len: usize) {
        self.at += len;
        if self.at + CHUNK + SLACK > self.stride {
            let first = first_at(self.lookback);
            let past = self.at - self.lookback..self.at;
            for row in self.samples.chunks_exact_mut(self.stride) {
                row.copy_within(past.clone(), first - self.lookback);
            }
            self.at = first;
        }
    }

    /// Silence again.
    pub(crate) fn reset(&mut self) {
        self.samples.fill(0.0);
        self.at = first_at(self.lookback);
    }
}

/// Where the present starts in a row: behind the past, at a cache line.
fn first_at(lookback: usize) -> usize {
    lookback.next_multiple_of(LINE)
}
