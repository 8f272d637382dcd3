//! Convolution and transposed convolution, stride 1: the slice form [`Conv1d`], the form that a
//! transposed convolution to one channel takes, and both [on tensors](conv1d()).
//!
//! The two are one thing read in two directions: the output of a transposed convolution is the
//! input gradient of the convolution that leads the other way, and so on.

mod conv1d;
mod operator;
pub(super) mod transposed;

pub use conv1d::Conv1d;
pub use operator::{conv_transpose1d, conv1d};
