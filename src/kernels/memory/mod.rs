//! The kernels' own memory: [buffers] that outlive a call, [scratch] space that a thread keeps, the
//! [pages] both are made of, and what is brought near [ahead] of its use.
//!
//! A training step asks for the same hundreds of megabytes as the one before: what is kept costs
//! nothing, what the system hands out anew is cleared and mapped page by page.

pub(crate) mod ahead;
mod buffers;
mod line;
mod pages;
pub(crate) mod scratch;

pub use buffers::Buffer;
pub(crate) use line::{LINE, padded};
pub use pages::hold_freed;

/// Gives the working memory that is kept from step to step back to the system, on all threads of
/// rayon's pool.
pub fn release() {
    buffers::release();
    scratch::release();
    rayon::broadcast(|_| scratch::release());
}
