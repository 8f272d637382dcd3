//! Buffers that outlive a call: what operators give, and what a forward pass keeps for its backward
//! pass.
//!
//! Large ones are handed back when dropped and handed out again: asking the system for hundreds of
//! fresh megabytes in every training step would cost more than the arithmetic on them, because
//! each page is cleared and mapped on first touch, and so would filling them with zeros.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use super::line::LINE;
use super::pages;

static IDLE: Mutex<Idle> = Mutex::new(Idle {
    buffers: VecDeque::new(),
    requests: 0,
});

/// The idle buffers.
struct Idle {
    /// Those that have been so for longest first, each with the number of the request it came back after.
    buffers: VecDeque<(u64, Vec<f32>)>,
    /// How many there were.
    requests: u64,
}

/// How many idle buffers are held at most; more are given back to the system.
const MOST_IDLE: usize = 64;

/// A buffer that so many requests did not want is of a size that the work no longer has.
const PATIENCE: u64 = 2048;

/// From so many floats on a buffer is worth keeping.
const LARGE: usize = 1 << 14;

/// A buffer of floats of unknown content.
#[derive(Debug, Default)]
pub struct Buffer {
    values: Vec<f32>,
    /// Where in `values` it starts.
    start: usize,
    len: usize,
}

impl Buffer {
    /// `len` floats of unknown content; large ones start on a cache line.
    pub fn new(len: usize) -> Buffer {
        if len < LARGE {
            return vec![0.0; len].into();
        }
        let room = len + LINE;
        // A fresh zeroed vector costs nothing until its pages are touched; growing would copy.
        let values = take(room).unwrap_or_else(|| pages::zeros(room));
        let start = values.as_ptr().align_offset(LINE * size_of::<f32>());
        Buffer { values, start, len }
    }

    /// Its floats as a vector, if they are all of one.
    pub(in crate::kernels) fn try_into_vec(mut self) -> Result<Vec<f32>, Buffer> {
        match self.len == self.values.len() {
            true => Ok(std::mem::take(&mut self.values)),
            false => Err(self),
        }
    }
}

impl From<Vec<f32>> for Buffer {
    fn from(values: Vec<f32>) -> Buffer {
        Buffer {
            start: 0,
            len: values.len(),
            values,
        }
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Buffer {
        self.to_vec().into()
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Buffer) -> bool {
        **self == **other
    }
}

/// Gives every idle buffer back to the system.
pub fn release() {
    if let Ok(mut idle) = IDLE.lock() {
        idle.buffers.clear();
    }
}

/// The smallest idle buffer that holds `len` and is not much larger.
fn take(len: usize) -> Option<Vec<f32>> {
    let mut idle = IDLE.lock().ok()?;
    idle.requests += 1;
    let fitting = (0..idle.buffers.len())
        .filter(|&at| (len..=2 * len).contains(&idle.buffers[at].1.len()))
        .min_by_key(|&at| idle.buffers[at].1.len());
    if fitting.is_none() {
        let old = idle.requests.saturating_sub(PATIENCE);
        idle.buffers.retain(|&(since, _)| since >= old);
    }
    let (_, values) = idle.buffers.remove(fitting?)?;
    Some(values)
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.values.len() < LARGE {
            return;
        }
        if let Ok(mut idle) = IDLE.lock() {
            if idle.buffers.len() == MOST_IDLE {
                idle.buffers.pop_front();
            }
            let since = idle.requests;
            idle.buffers
                .push_back((since, std::mem::take(&mut self.values)));
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

    #[test]
    fn one_made_of_a_vector_is_that_vector_again() {
        let values = vec![1.0, 2.0, 3.0];
        let address = values.as_ptr();
        let buffer = Buffer::from(values);
        assert_eq!(*buffer, [1.0, 2.0, 3.0]);
        let values = buffer.try_into_vec().unwrap();
        assert_eq!((values.as_ptr(), values.len()), (address, 3));
        // One with room beside it is none.
        assert!(Buffer::new(LARGE).try_into_vec().is_err());
    }
}
