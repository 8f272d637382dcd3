//! Classical regression: what can be said about sound without a neural network.
//!
//! [`baseline`] models an effect by filters fitted in closed form, to be put beside every
//! network. Knows nothing of tensors, networks, files' layout or the terminal.

pub mod baseline;
mod cholesky;
mod error;

pub use error::RegressError;
