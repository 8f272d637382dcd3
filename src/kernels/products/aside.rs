//! Memory traffic beside arithmetic that hides it: what is asked for ahead of its use, and what is
//! copied, a little between one tap and the next.

use super::copies::CopyRows;
use crate::kernels::memory::LINE;
use crate::simd::Simd;

/// Memory traffic done a little at a time beside the arithmetic of
/// [`Combine`](super::combine::Combine): all at once, it would wait for the memory.
pub(super) trait Aside {
    /// Does a little.
    fn step<S: Simd>(&mut self, s: S);

    /// Does the rest.
    fn finish<S: Simd>(&mut self, s: S);
}

/// Memory that is still to be asked for.
pub(super) struct Fetching {
    next: *const f32,
    end: *const f32,
}

impl Fetching {
    /// All of `values`.
    #[inline]
    pub fn new(values: &[f32]) -> Fetching {
        let std::ops::Range { start, end } = values.as_ptr_range();
        Fetching { next: start, end }
    }
}

impl Aside for Fetching {
    #[inline(always)]
    fn step<S: Simd>(&mut self, s: S) {
        if self.next < self.end {
            s.prefetch_far(self.next);
            self.next = self.next.wrapping_add(LINE);
        }
    }

    /// Asking for much at once is of no use.
    #[inline(always)]
    fn finish<S: Simd>(&mut self, _s: S) {}
}

/// Rows that are still to be copied.
pub(super) struct Copying<'a> {
    copy: CopyRows<'a>,
    /// Where the next sample is read and written.
    from: *const f32,
    to: *mut f32,
    /// Samples left of this row, and rows left.
    left: usize,
    rows: usize,
}

impl<'a> Copying<'a> {
    /// All of `copy`.
    #[inline]
    pub fn new(copy: CopyRows<'a>) -> Copying<'a> {
        let (rows, left) = (copy.to.rows, copy.to.len);
        if rows == 0 || left == 0 {
            return Copying {
                copy,
                from: std::ptr::null(),
                to: std::ptr::null_mut(),
                left: 0,
                rows: 0,
            };
        }
        assert!(copy.from.hold(rows, left));
        assert!(rows == 1 || (copy.from.stride >= left && copy.to.stride >= left));
        Copying {
            from: copy.from.data.as_ptr(),
            to: copy.to.data,
            copy,
            left,
            rows,
        }
    }
}

impl Aside for Copying<'_> {
    /// A register of a row, or a whole row that does not consist of registers.
    #[inline(always)]
    fn step<S: Simd>(&mut self, s: S) {
        if self.rows == 0 {
            return;
        }
        let size = S::LANES * size_of::<f32>();
        let streams = self.left.is_multiple_of(S::LANES) && self.to.addr().is_multiple_of(size);
        let count = if streams { S::LANES } else { self.left };
        // SAFETY: `new` checked that both sides hold all rows; `left` samples of this one follow.
        // What is streamed is a whole register at a multiple of its size.
        unsafe {
            match streams {
                true => s.stream_ptr(self.to, s.load_ptr(self.from)),
                false => std::ptr::copy_nonoverlapping(self.from, self.to, count),
            }
        }
        // Wrapping: behind the last row both may lie outside, where nothing is then touched.
        self.from = self.from.wrapping_add(count);
        self.to = self.to.wrapping_add(count);
        self.left -= count;
        if self.left == 0 {
            self.left = self.copy.to.len;
            self.rows -= 1;
            self.from = self.from.wrapping_add(self.copy.from.stride - self.left);
            self.to = self.to.wrapping_add(self.copy.to.stride - self.left);
        }
    }

    #[inline(always)]
    fn finish<S: Simd>(&mut self, s: S) {
        while self.rows > 0 {
            self.step(s);
        }
    }
}
