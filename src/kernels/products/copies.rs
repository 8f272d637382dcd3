//! Rows copied past the caches, for memory that is not read again soon.

use super::rows::{Rows, RowsMut};
use crate::simd::{Isa, Kernel, Simd};

/// Copies rows past the caches, where the processor can. See [`finish_copies`].
pub(crate) struct CopyRows<'a> {
    /// What is copied.
    pub from: Rows<'a>,
    /// Where to; its rows and length say how much.
    pub to: RowsMut<'a>,
}

impl CopyRows<'_> {
    /// Copies.
    pub fn run(self, isa: Isa) {
        isa.run(self);
    }
}

impl Kernel for CopyRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        for row in 0..self.to.rows {
            let to = self.to.row(row);
            let from = self.from.row(row, 0, to.len()).as_ptr();
            // Up to a whole register's address one by one.
            let head = to
                .as_ptr()
                .align_offset(S::LANES * size_of::<f32>())
                .min(to.len());
            let (len, to) = (to.len(), to.as_mut_ptr());
            // SAFETY: all lies within the two rows; `to + head` is a register's address.
            unsafe {
                std::ptr::copy_nonoverlapping(from, to, head);
                let mut t = head;
                while t + S::LANES <= len {
                    s.stream_ptr(to.add(t), s.load_ptr(from.add(t)));
                    t += S::LANES;
                }
                std::ptr::copy_nonoverlapping(from.add(t), to.add(t), len - t);
            }
        }
    }
}

/// Makes what this thread copied so far visible to whoever sees what it writes next.
pub(crate) fn finish_copies(isa: Isa) {
    struct Finish;
    impl Kernel for Finish {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            s.stream_end();
        }
    }
    isa.run(Finish);
}
