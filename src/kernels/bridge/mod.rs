//! The bridge between burn's tensors and operators on slices: what an [`Operator`] is, the backend
//! extension that [runs](run) one on tensors, and the choice between an operator's two forms.
//! Knows no particular operator.

mod backend;
mod choice;
mod operator;

pub(crate) use backend::{host_values, list, run};
pub use choice::{composed_only, is_fused};
pub(crate) use operator::{BackwardPass, Gradient, Inputs, Operator, Output};
