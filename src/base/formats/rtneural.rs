//! RTNeural JSON: layers one after another.
//!
//! Layers dense, conv1d, lstm, gru, batchnorm, prelu and activation, with the activations tanh,
//! relu, sigmoid, softmax and elu. The `activation` key of a recurrent layer is ignored, as
//! RTNeural ignores it. Inputs after the first are knobs. The format keeps no sample rate; where
//! a file has one anyway, it is used.

mod read;
mod write;

pub(crate) use read::{from_value, looks_like, sequence};
pub use write::write;
pub(crate) use write::{check, layers};

/// The rate of a file that names none.
pub const DEFAULT_SAMPLE_RATE: u32 = 48_000;
