//! The half of effigy that knows no tensor: sound, signals, recordings, configs, the plain
//! description of a network and the engine that plays it, model files, classical regression,
//! resynthesis, reports.
//!
//! A package of its own, so that it compiles beside the tensor library instead of after it, and
//! so that a plugin can embed the engine without it: [`engine::Engine::load`] reads a model file,
//! [`engine::Engine::process`] plays it.

pub mod audio;
pub mod calendar;
pub mod config;
pub mod data;
pub mod dsp;
pub mod effects;
pub mod engine;
pub mod files;
pub mod formats;
pub mod limits;
pub mod linalg;
pub mod network;
pub mod number;
pub mod pack;
pub mod progress;
pub mod protobuf;
pub mod random;
pub mod regress;
pub mod report;
pub mod resynth;
pub mod simd;
pub mod survey;
