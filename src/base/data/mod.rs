//! Dry/wet pairs: decoded, checked, aligned, split into time spans, cut into windows.
//!
//! Knows no network.

pub mod aligned;
pub mod check;
pub mod load;
pub mod pair;
pub mod windows;
