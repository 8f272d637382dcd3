//! One verb, one file, one public function a test can call: request in, typed outcome out.
//!
//! Commands report through [`crate::progress::Observer`] and never print.

pub mod baseline;
pub mod bench_infer;
pub mod bench_train;
pub mod check;
pub mod collage;
pub mod compare;
mod contender;
pub mod convolve;
pub mod devices;
pub mod evaluate;
pub mod export;
pub mod infer;
pub mod inspect;
pub mod loudness;
pub mod new;
pub mod playable;
pub mod provenance;
pub mod queue;
pub mod recording;
pub mod recover;
pub mod reorder;
pub mod report;
pub mod runs;
mod scoring;
pub mod spectrum;
mod start;
pub mod stretch;
mod suggest;
pub mod synth;
pub mod train;
