//! A step of an optimiser over a list of weights, all in one pass: in host memory, or on a card.

mod on_host;
mod operator;
pub(super) mod step;

pub use operator::{Descended, Weight, can_descend, descend};
pub use step::{Descent, Way};
