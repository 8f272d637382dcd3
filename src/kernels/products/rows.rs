//! Views of rows of samples, `data[row · stride + t]`: to read, to write, and shared out among
//! tasks; and the walk along a row, a register at a time. Knows no arithmetic.

use std::marker::PhantomData;

use crate::simd::Simd;

/// Rows to read: `data[row · stride + t]`.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(super) data: &'a [f32],
    pub(super) stride: usize,
}

impl<'a> Rows<'a> {
    /// Rows that start every `stride` floats of `data`.
    #[inline]
    pub fn new(data: &'a [f32], stride: usize) -> Rows<'a> {
        Rows { data, stride }
    }

    /// Row `row` from sample `from` on, `len` samples.
    #[inline]
    pub fn row(&self, row: usize, from: usize, len: usize) -> &'a [f32] {
        &self.data[row * self.stride + from..][..len]
    }

    /// Whether there are `rows` rows of `len` samples.
    #[inline]
    pub(super) fn hold(&self, rows: usize, len: usize) -> bool {
        rows == 0 || (rows - 1) * self.stride + len <= self.data.len()
    }
}

/// Rows to write, `len` samples each; the samples between two rows belong to someone else.
pub(crate) struct RowsMut<'a> {
    pub(super) data: *mut f32,
    pub(super) stride: usize,
    pub(super) rows: usize,
    pub(super) len: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

impl<'a> RowsMut<'a> {
    /// `rows` rows of `len` samples that start every `stride` floats of `data`.
    #[inline]
    pub fn new(data: &'a mut [f32], stride: usize, rows: usize, len: usize) -> RowsMut<'a> {
        assert!(rows == 0 || (rows - 1) * stride + len <= data.len());
        assert!(rows <= 1 || len <= stride);
        RowsMut {
            data: data.as_mut_ptr(),
            stride,
            rows,
            len,
            lifetime: PhantomData,
        }
    }

    /// The same rows, for a shorter time.
    #[inline]
    pub fn reborrow(&mut self) -> RowsMut<'_> {
        RowsMut { ..*self }
    }

    /// The first `rows` rows and the others.
    #[inline]
    pub fn split(self, rows: usize) -> (RowsMut<'a>, RowsMut<'a>) {
        assert!(rows <= self.rows);
        let others = RowsMut {
            // Wrapping: behind the last row the address may lie outside the buffer, where
            // nothing is then read.
            data: self.data.wrapping_add(rows * self.stride),
            rows: self.rows - rows,
            ..self
        };
        (RowsMut { rows, ..self }, others)
    }

    /// The first `rows` rows.
    #[inline]
    pub fn first(self, rows: usize) -> RowsMut<'a> {
        self.split(rows).0
    }

    /// Samples `part` of every row.
    #[inline]
    pub fn part(self, part: std::ops::Range<usize>) -> RowsMut<'a> {
        assert!(part.start <= part.end && part.end <= self.len);
        RowsMut {
            // Wrapping: where there are no samples the address may lie outside the buffer.
            data: self.data.wrapping_add(part.start),
            len: part.end - part.start,
            ..self
        }
    }

    /// Row `row`.
    #[inline]
    pub fn row(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.rows);
        // SAFETY: the constructors made sure that `rows` rows of `len` floats are ours alone.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(row * self.stride), self.len) }
    }
}

/// An output buffer that several tasks write, each its own samples of every row.
pub(crate) struct Shared<'a> {
    data: *mut f32,
    len: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: access goes through `rows`, whose caller keeps the tasks' samples apart.
unsafe impl Sync for Shared<'_> {}
// SAFETY: as above.
unsafe impl Send for Shared<'_> {}

impl<'a> Shared<'a> {
    /// Shares `data` out.
    pub fn new(data: &'a mut [f32]) -> Shared<'a> {
        Shared {
            data: data.as_mut_ptr(),
            len: data.len(),
            lifetime: PhantomData,
        }
    }

    /// `rows` rows of `len` samples, every `stride` floats from float `from` on.
    ///
    /// # Safety
    /// No other live [`RowsMut`] of this buffer covers any of these samples.
    pub unsafe fn rows(&self, from: usize, stride: usize, rows: usize, len: usize) -> RowsMut<'_> {
        assert!(rows == 0 || from + (rows - 1) * stride + len <= self.len);
        assert!(rows <= 1 || len <= stride);
        RowsMut {
            // SAFETY: `from` lies within the buffer, or no row is ever touched.
            data: unsafe { self.data.add(from.min(self.len)) },
            stride,
            rows,
            len,
            lifetime: PhantomData,
        }
    }
}

/// A whole register, or its first `part` floats.
///
/// # Safety
/// As many floats can be read.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd, const FULL: bool>(s: S, part: usize, from: *const f32) -> S::V {
    // SAFETY: the caller's promise.
    unsafe {
        if FULL {
            s.load_ptr(from)
        } else {
            s.load_part(from, part)
        }
    }
}

/// Writes a whole register, or its first `part` floats.
///
/// # Safety
/// As many floats can be written.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd, const FULL: bool>(
    s: S,
    part: usize,
    to: *mut f32,
    value: S::V,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if FULL {
            s.store_ptr(to, value);
        } else {
            s.store_part(to, value, part);
        }
    }
}

/// Calls `$body` for each vector of `$len` samples at `$t`, `$full` saying whether it is whole
/// and `$part` how many samples it has otherwise.
macro_rules! each_vector {
    ($S:ident, $len:expr, |$t:ident, $part:ident, $full:ident| $body:block) => {{
        let len = $len;
        let mut $t = 0;
        while $t + $S::LANES <= len {
            const $full: bool = true;
            let $part = $S::LANES;
            $body
            $t += $S::LANES;
        }
        if $t < len {
            const $full: bool = false;
            let $part = len - $t;
            $body
        }
    }};
}
pub(crate) use each_vector;

/// The largest tap.
#[inline(always)]
pub(super) fn furthest(taps: &[usize]) -> usize {
    taps.iter().fold(0, |most, &tap| most.max(tap))
}
