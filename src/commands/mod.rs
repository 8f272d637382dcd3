//! One verb, one file or folder, one public function a test can call: request in, typed outcome
//! out.
//!
//! Commands report through [`crate::progress::Observer`] and never print.

pub mod arguments;
pub mod baseline;
pub mod bench_infer;
pub mod bench_train;
pub mod check;
pub mod collage;
pub mod compare;
pub mod convolve;
pub mod devices;
pub mod evaluate;
pub mod export;
pub mod infer;
pub mod inspect;
pub mod new;
pub mod pack;
pub mod recipes;
pub mod recording;
pub mod recover;
pub mod reorder;
pub mod report;
pub mod runs;
pub mod spectrum;
pub mod stretch;
pub mod studio;
pub mod synth;
pub mod train;
