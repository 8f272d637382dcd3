//! Figures and how they are shown: metric definitions on plain slices, text tables, plots.
//!
//! Knows nothing of tensors, networks or the terminal.

pub mod figure;
mod font;
pub mod listen;
pub mod metrics;
pub mod plot;
pub mod png;
pub mod svg;
pub mod table;
pub mod verdict;
