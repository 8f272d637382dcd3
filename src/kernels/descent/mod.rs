//! A step of an optimiser over a list of weights on a card.

mod operator;
pub(super) mod step;

pub use operator::{Descended, Weight, can_descend, descend};
pub use step::{Descent, Way};
