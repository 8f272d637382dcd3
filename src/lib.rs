//! effigy learns an audio effect from dry/wet recordings, plays it on new audio, measures it
//! against classical regression, and hands it to the plugins musicians already use.
//!
//! Start at [`commands`]: one verb, one file or folder. The modules are layers; imports point
//! downwards only (`tests/it/layers` holds them to it). What knows no tensor is a package of its
//! own, [`effigy_base`]; only [`cli`] prints.

pub mod cli;
pub mod commands;
pub mod device;
pub mod kernels;
pub mod models;
pub mod playing;
pub mod training;

pub use effigy_base::{
    audio, calendar, config, data, dsp, effects, engine, files, formats, limits, linalg, network,
    number, pack, progress, random, regress, report, resynth, simd, survey,
};
