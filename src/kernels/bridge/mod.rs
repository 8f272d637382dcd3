//! The bridge between burn's tensors and operators: what an [`Operator`] on slices is and what a
//! [`CardOperator`] of kernels, the backend extensions that run one on tensors, and the
//! [choice](Form) between an operator's forms. Knows no particular operator.

mod backend;
mod card;
mod choice;
mod list;
mod operator;
mod pooled;
mod upload;

pub(crate) use backend::{ListWork, host_values, list, run, run_on_list};
pub(crate) use card::{CardOperator, CardPass, MOST_PARTS, empty, output_on_card, run_on_card};
pub(crate) use choice::{Form, form_of, in_fitting_parts, is_on_card, is_on_host, shared_memory};
pub use choice::{composed_on_cards, composed_only, has_room_for, is_fused};
pub(crate) use operator::{BackwardPass, Gradient, Inputs, Operator, Output, Values};
pub(super) use upload::bytes as uploaded_bytes;
pub use upload::uploaded;
