//! Dry/wet pairs: decoded, checked, aligned, split into time spans, cut into windows.
//!
//! Knows no network.

pub mod aligned;
pub mod channels;
pub mod check;
mod error;
mod finding;
mod latency;
mod level;
pub mod load;
pub mod pair;
pub mod quiet;
mod recordings;
pub mod sound;
mod source;
mod splits;
pub mod windows;
