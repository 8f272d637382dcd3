//! The two kinds of sample storage: a short block of rows, and rows that remember their past.

use crate::models::description::{DescriptionError, MAX_HISTORY, bounded};

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

/// Rows of one pass, `[channel][time]`, at most [`CHUNK`] samples each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    samples: Vec<f32>,
}

impl Block {
    /// All zeros.
    pub(crate) fn new(channels: usize) -> Self {
        Self {
            samples: vec![0.0; channels * ROW],
        }
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
}

/// Rows with a past, `[channel][time]`: behind every present sample stand `lookback` earlier ones
/// in one piece, so convolutions read them without wrapping around.
///
/// The present moves to the right until the rows are full; then the past is moved to the left
/// end. That happens once in at least `lookback / 2` samples, so it costs at most two copied
/// samples per sample, and no sample asks whether it is due.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    samples: Vec<f32>,
    channels: usize,
    lookback: usize,
    stride: usize,
    at: usize,
}

impl Line {
    /// Silence.
    ///
    /// # Errors
    /// More history than [`MAX_HISTORY`] in all.
    pub(crate) fn new(channels: usize, lookback: usize) -> Result<Self, DescriptionError> {
        let history = channels.checked_mul(lookback);
        bounded("history over all channels", history, MAX_HISTORY)?;
        let room = (lookback / 2).max(2 * CHUNK);
        // An odd number of cache lines apart, so that rows spread over the cache.
        let lines = (lookback + room + SLACK).div_ceil(16);
        let stride = (lines | 1) * 16;
        Ok(Self {
            samples: vec![0.0; channels * stride],
            channels,
            lookback,
            stride,
            at: lookback,
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

    /// All rows.
    pub(crate) fn samples_mut(&mut self) -> &mut [f32] {
        &mut self.samples
    }

    /// The present pass of a row.
    pub(crate) fn row_mut(&mut self, channel: usize, len: usize) -> &mut [f32] {
        let start = channel * self.stride + self.at;
        &mut self.samples[start..start + len]
    }

    /// Makes the pass of `len ≤ CHUNK` samples past, and room for one of [`CHUNK`].
    pub(crate) fn advance(&mut self, len: usize) {
        self.at += len;
        if self.at + CHUNK + SLACK > self.stride {
            for row in self.samples.chunks_exact_mut(self.stride) {
                row.copy_within(self.at - self.lookback..self.at, 0);
            }
            self.at = self.lookback;
        }
    }

    /// Silence again.
    pub(crate) fn reset(&mut self) {
        self.samples.fill(0.0);
        self.at = self.lookback;
    }
}
