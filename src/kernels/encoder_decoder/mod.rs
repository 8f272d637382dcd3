//! The one-hidden-layer convolutional network in one pass: convolution 1 → C, ReLU, a per-channel
//! middle stage, transposed convolution C → 1.
//!
//! Its hidden signal is C times as large as its input and output, so computing stage after stage
//! spends more time moving the hidden signal through memory than multiplying. Here time is cut
//! into blocks whose hidden part never leaves the cache, and the backward pass computes the
//! hidden signal again rather than keep it: memory is that of input and output alone.

mod backward;
mod filters;
mod forward;
mod operator;
mod shape;

pub use filters::{Filters, ScaleShift};
pub use operator::encoder_decoder;
pub use shape::{EncoderDecoder, FilterGradients, FilterSlices, Middle};
