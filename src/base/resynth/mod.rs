//! Spectral resynthesis and collage on sound in memory: frames reordered by likeness, spectra
//! changed, files cut up and joined, time stretched.
//!
//! Knows nothing of files, terminals or tensors. Everything is deterministic: with one seed
//! the same samples come out bit for bit, whatever the number of threads.

pub mod cluster;
pub mod collage;
pub mod compat;
mod error;
pub mod features;
pub mod interpolate;
pub mod neighbours;
pub mod order;
pub mod path;
pub mod pca;
pub mod playback;
pub mod shuffle;
pub mod spectral;
pub mod tsne;
pub mod vocoder;
pub mod walk;

pub use error::{ResynthError, check_finite};
