//! What this build can compute on here.

use crate::device::{self, Listed};
use serde::Serialize;

/// Everything `--device` accepts on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DevicesOutcome {
    /// In the order in which they are offered.
    pub devices: Vec<Listed>,
}

/// Asks every backend of this build for its devices.
pub fn devices() -> DevicesOutcome {
    DevicesOutcome {
        devices: device::list(),
    }
}
