//! Figures and how they are shown: metric definitions on plain slices, text tables, plots.
//!
//! Knows nothing of tensors, networks or the terminal.

pub mod axis;
pub mod chart;
pub mod colour;
pub mod events;
pub mod figure;
mod font;
pub mod html;
pub mod listen;
mod markup;
pub mod metrics;
pub mod own_delay;
mod paper;
pub mod pictures;
pub mod plot;
pub mod png;
pub mod race;
pub mod run;
pub mod save;
pub mod spectrogram;
pub mod svg;
pub mod table;
pub mod test_sound;
pub mod verdict;
