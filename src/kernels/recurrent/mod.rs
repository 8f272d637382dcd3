//! Recurrent sequences, LSTM and GRU: all time steps in one operator, forward and backward.
//!
//! With x′ = (x, 1), h′ = (h, 1) and σ the logistic sigmoid:
//!
//! - LSTM: (i, f, g, o) = W x′ₜ + U hₜ₋₁ (+ b in W), i, f, o through σ and g through tanh;
//!   cₜ = f·cₜ₋₁ + i·g; hₜ = o·tanh cₜ.
//! - GRU: (r, z, n) of x: W x′ₜ, of h: U h′ₜ₋₁; r, z = σ(of both); n = tanh(nₓ + r·nₕ);
//!   hₜ = (1 − z)·n + z·hₜ₋₁. The reset gate acts after U, as in PyTorch and RTNeural.
//!
//! A step cannot begin before the last has ended, so there is no time to work on at once: vectors
//! run over the units, and a few items of the batch share each weight loaded. The sums into all
//! gates of a vector of units are made in registers and go through the cell there. Items are
//! independent: a group of them is one task and goes through all of time.
//!
//! The backward pass (through the whole of the sequence it was given; truncation is the caller's,
//! who hands over the state without its history) works block by block, the last first. y holds h at
//! every step, so no gate has to be remembered: all sums of a block can be worked out again without
//! one step waiting for another, and with them everything of a step back but a handful of
//! multiplications (see [`cells`]). Kept are only h before the first step and an LSTM's c
//! before each block. The form before this one kept gates, h and c, on an LSTM of 32 units with a
//! batch of 40 × 2048 73 MB to be written and read again, where this adds a third to the
//! multiply-adds; that form, which also went through memory between products and cells, took 1.7
//! times as long on two cores. What is left of memory is x, y and dy. Their rows lie a whole
//! sequence apart, so they are transposed in registers and asked for ahead of time, which took a
//! fifth off the forward pass. Where a dense layer hears the last units (the `head`), neither y nor dy
//! is: h is kept as the steps wrote it, and dh made of the dense layer's gradient block by block.

mod backward;
mod cells;
mod forward;
mod head;
mod operator;
mod pass;
mod shape;
mod tensors;

pub use operator::{recurrent, recurrent_with_head};
pub use shape::{
    Cell, HeadGradients, HeadSlices, PlainRecurrentState, Recurrent, RecurrentGradients,
    RecurrentSlices,
};
pub use tensors::{RecurrentState, RecurrentWeights};
