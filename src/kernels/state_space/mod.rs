//! A layer of a state-space network: a filter bank, a 1×1 mix of what it gives, an activation, and a
//! shortcut around all three,
//!
//! y = x + φ(b + W · scan(x)),
//!
//! with scan of [another room](super::scan). φ is one of the functions whose slope
//! their [value](super::activation) tells.
//!
//! As operators of their own, scan, mix, activation and sum walk through memory three times as often as
//! there is arithmetic for. Here a stretch of time goes through all of them while it is in cache. What
//! the backward pass finds again is φ's value and the scan's states before each stretch; what the scan
//! gave it computes once more.

mod backward;
mod cut;
mod forward;
mod operator;
mod shape;
mod tensors;

pub use operator::state_space;
pub use shape::{StateSpaceGradients, StateSpaceLayer, StateSpaceSlices};
pub use tensors::StateSpaceTensors;
