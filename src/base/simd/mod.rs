//! One arithmetic kernel, written once, run with the widest vector unit this machine has.
//!
//! A kernel is a struct that implements [`Kernel`]: its `run` is generic over [`Simd`], a
//! zero-sized token whose existence proves that the instructions it stands for are available.
//! [`Isa::run`] picks the token and calls `run` inside a function compiled for that instruction
//! set, so everything marked `#[inline(always)]` below it becomes vector code:
//!
//! ```
//! use effigy_base::simd::{Isa, Kernel, Simd};
//!
//! /// Adds `b` to `a`, element by element.
//! struct Add<'a> {
//!     a: &'a mut [f32],
//!     b: &'a [f32],
//! }
//!
//! impl Kernel for Add<'_> {
//!     type Output = ();
//!     #[inline(always)]
//!     fn run<S: Simd>(self, simd: S) {
//!         let mut a = self.a.chunks_exact_mut(S::LANES);
//!         let mut b = self.b.chunks_exact(S::LANES);
//!         for (a, b) in a.by_ref().zip(b.by_ref()) {
//!             let sum = simd.add(simd.load(a), simd.load(b));
//!             simd.store(a, sum);
//!         }
//!         for (a, b) in a.into_remainder().iter_mut().zip(b.remainder()) {
//!             *a += b;
//!         }
//!     }
//! }
//!
//! let mut a = [1.0; 21];
//! Isa::detect().run(Add { a: &mut a, b: &[2.0; 21] });
//! assert_eq!(a, [3.0; 21]);
//! ```
//!
//! A closure handed to another thread leaves the compiled-for function: split the work first,
//! call [`Isa::run`] inside each part.
//!
//! This module knows nothing of networks, tensors or audio.

mod isa;
pub mod math;
pub mod peak;
mod portable;
mod processor;
mod vector;
#[cfg(test)]
mod vector_tests;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

pub use isa::{ENVIRONMENT, Isa, IsaError};
pub use portable::Portable;
pub use processor::processor;
pub use vector::{Kernel, MOST_LANES, Simd};
