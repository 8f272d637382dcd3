//! What this build can compute on here.

use crate::device::{self, Listed};
use serde::Serialize;

/// List what this build can compute on
///
/// The first column is what --device accepts; train --device auto times a few steps on each of those
/// that are considered and takes the fastest.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {}

/// Everything `--device` accepts on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// In the order in which they are offered.
    pub devices: Vec<Listed>,
}

/// Asks every backend of this build for its devices.
pub fn devices() -> Outcome {
    Outcome {
        devices: device::list(),
    }
}
