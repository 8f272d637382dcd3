//! What a slow oscillator moves: a delay line, a chain of all-pass filters or a gain whose one value
//! follows a periodic curve, sample by sample (chorus, flanger, vibrato; phaser; tremolo), and how
//! its output changes with each of its numbers. Knows nothing of fitting or of networks.

mod line;
mod motion;
mod operator;

pub(crate) use motion::WIDEST;
pub use motion::{
    LONGEST_SECONDS, MOST_FEEDBACK, Modulation, Motion, Oscillator, Part, Phases, SIDEBANDS,
    SWAYED, Second,
};
pub use operator::{LEAD, Operator};
