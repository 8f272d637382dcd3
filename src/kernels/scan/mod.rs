//! A diagonal linear state space over a sequence, forward and backward.
//!
//! Per channel h with N complex states: sₜ[n] = a[h, n]·sₜ₋₁[n] + xₜ, yₜ = Σ_n Re(c[h, n]·sₜ[n]) +
//! d[h]·xₜ. (The usual input factor b is part of c, the usual factor 2 of conjugate pairs too.)
//!
//! a and c are those of a continuous system whose input is held over each sample (zero-order hold): a
//! channel's step Δ and a state's A = −softplus(decay) + i·frequency and C come to a = e^(Δ·A), c = 2·C·(a
//! − 1)/A.
//!
//! Every (item, channel) is a sequence of its own, so vectors run over as many sequences as they have
//! lanes, and 4 states at a time stay in registers for a block of time: a state's next value waits for
//! two multiply-adds, and eight such waits side by side keep the unit busy. The backward pass keeps
//! the states at the beginning of each block and computes those inside it again.

mod backward;
mod forward;
mod hold;
mod lanes;
mod operator;
mod shape;
mod tensors;

pub(in crate::kernels) use backward::Behind;
pub use hold::{Complex, Held, power};
pub(in crate::kernels) use lanes::{BLOCK, Lanes, width};
pub(in crate::kernels) use operator::HandedState;
pub use operator::{is_scan_fused, scan};
pub use shape::{PlainScanState, Scan, ScanGradients, ScanSlices};
pub use tensors::ScanWeights;
