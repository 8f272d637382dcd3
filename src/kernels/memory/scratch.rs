//! Working memory that a thread keeps between calls: the kernels' blocks are small enough to stay
//! in cache, and fresh pages from the system would cost more than the arithmetic on them.

use std::cell::RefCell;

use super::line::LINE;
use super::pages;

thread_local! {
    static POOL: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with `len` floats of unknown content that start on a cache line.
pub(crate) fn with<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = POOL.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < len + LINE {
        buffer = pages::zeros(len + LINE);
    }
    let start = buffer.as_ptr().align_offset(LINE * size_of::<f32>());
    let result = work(&mut buffer[start..start + len]);
    POOL.with_borrow_mut(|pool| pool.push(buffer));
    result
}

/// Gives the idle buffers of this thread back to the system.
pub(crate) fn release() {
    POOL.with_borrow_mut(Vec::clear);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_buffers_are_apart_aligned_and_reused() {
        let first = with(100, |a| {
            a.fill(1.0);
            with(50, |b| {
                b.fill(2.0);
                assert_eq!(b.as_ptr() as usize % 64, 0);
            });
            assert!(a.iter().all(|&x| x == 1.0));
            assert_eq!(a.as_ptr() as usize % 64, 0);
            a.as_ptr()
        });
        assert_eq!(with(100, |a| a.as_ptr()), first);
    }
}
