//! Large buffers that outlive a call: what a forward pass keeps for its backward pass.
//!
//! They are handed back when dropped and handed out again: asking the system for hundreds of
//! fresh megabytes in every training step would cost more than the arithmetic on them, because
//! each page is cleared and mapped on first touch.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use super::line::LINE;
use super::pages;

/// The idle buffers.
static IDLE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// How many idle buffers are held at most; more are given back to the system.
const MOST_IDLE: usize = 8;

/// A buffer of floats of unknown content that starts on a cache line.
#[derive(Debug, Default)]
pub struct Buffer {
    values: Vec<f32>,
    /// Where in `values` it starts.
    start: usize,
    len: usize,
}

impl Buffer {
    /// `len` floats of unknown content.
    pub fn new(len: usize) -> Buffer {
        if len == 0 {
            return Buffer::default();
        }
        let mut values = take(len + LINE).unwrap_or_default();
        if values.len() < len + LINE {
            // A fresh zeroed vector costs nothing until its pages are touched; growing would copy.
            values = pages::zeros(len + LINE);
        }
        let start = values.as_ptr().align_offset(LINE * size_of::<f32>());
        Buffer { values, start, len }
    }
}

/// Gives every idle buffer back to the system.
pub fn release() {
    if let Ok(mut idle) = IDLE.lock() {
        idle.clear();
    }
}

/// The smallest idle buffer that holds `len`, else any (which then makes room for a larger one).
fn take(len: usize) -> Option<Vec<f32>> {
    let mut idle = IDLE.lock().ok()?;
    let fitting = (0..idle.len())
        .filter(|&at| idle[at].len() >= len)
        .min_by_key(|&at| idle[at].len());
    match fitting {
        Some(at) => Some(idle.swap_remove(at)),
        None => idle.pop(),
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.values.is_empty() {
            return;
        }
        if let Ok(mut idle) = IDLE.lock()
            && idle.len() < MOST_IDLE
        {
            idle.push(std::mem::take(&mut self.values));
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.start..][..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.start..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_handed_out_again_to_a_request_it_fits() {
        // A size of its own, since other tests share the idle list.
        let len = 12_345_677;
        let first = Buffer::new(len);
        let address = first.as_ptr();
        assert_eq!(address as usize % 64, 0);
        drop(first);
        let second = Buffer::new(len - 1);
        assert_eq!(second.len(), len - 1);
        assert_eq!(second.as_ptr(), address);
    }
}
