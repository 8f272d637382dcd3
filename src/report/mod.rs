//! Figures and how they are shown: metric definitions on plain slices, text tables, plots.
//!
//! Knows nothing of tensors, networks or the terminal.

pub mod metrics;
pub mod table;
