//! effigy learns an audio effect from dry/wet recordings, plays it on new audio, measures it
//! against classical regression, and hands it to the plugins musicians already use.
//!
//! The modules are layers; imports point downwards only (`tests/it/layers.rs` holds them to
//! it). Only [`cli`] prints.

pub mod audio;
pub mod cli;
pub mod commands;
pub mod config;
pub mod data;
pub mod device;
pub mod dsp;
pub mod effects;
pub mod engine;
pub mod files;
pub mod formats;
pub mod kernels;
pub mod models;
pub mod progress;
pub mod random;
pub mod regress;
pub mod report;
pub mod resynth;
pub mod simd;
pub mod training;
