//! The fused operators on a graphics card: one source in CubeCL for Vulkan, Metal, DX12, CUDA and
//! ROCm, one file per operator, each held to its composed form.
//!
//! The kernels know neither autodiff nor devices: the door to burn's tensors, `bridge`, is shared by
//! all. Results are the same from run to run: no sum depends on which thread came first.

pub(super) mod convolution;
pub(super) mod descent;
pub(super) mod encoder_decoder;
pub(super) mod error_sums;
pub(super) mod gather;
pub(super) mod join;
mod launch;
mod math;
pub(super) mod mean;
mod parts;
pub(super) mod recurrent;
pub(super) mod residual;
mod roofline;
pub(super) mod scan;
pub(super) mod spectral;
mod sums;
pub(super) mod wavenet;

pub use launch::{Launches, counted};
pub use roofline::roofline;
