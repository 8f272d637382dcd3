//! One verb, one file, one public function a test can call: request in, typed outcome out.
//!
//! Commands report through [`crate::progress::Observer`] and never print.

pub mod devices;
pub mod evaluate;
pub mod infer;
pub mod runs;
pub mod synth;
pub mod train;
