//! The three products of the recurrent cells, on vectors of units, where one moment must be
//! finished before the next begins and so time cannot be the vector's lanes: [`GateWeights::sums`]
//! leads from x and h into the gates, [`Multiply`] back from the gates' gradients to those of h or
//! x, [`OuterProducts`] to the weights'.
//!
//! Units come in lines of [`LINE`](crate::kernels::memory::LINE), the last one padded: within a
//! line the gates lie one after the other, `[line][gate][LINE]`, so that all gates of a vector of
//! units are near each other. A step has up to [`SUMS`] sums per unit. Those of x are the first of
//! them, those of h the last: an LSTM's are the same four, a GRU's n has one of its own from
//! either.
//!
//! This room knows nothing of cells.

mod gate_sums;
mod groups;
mod lines;
mod multiply;
mod outer_products;
#[cfg(test)]
mod testing;

pub(crate) use gate_sums::{GateWeights, SUMS};
pub(crate) use groups::{ITEMS, each_group, items_at_once};
pub(crate) use multiply::{BackWeights, Multiply};
pub(crate) use outer_products::OuterProducts;
