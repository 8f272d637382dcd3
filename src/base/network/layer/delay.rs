//! The input, some samples later.

use crate::network::bounds::{MAX_HISTORY, bounded, channels};
use crate::network::error::DescriptionError;
use crate::network::part::{Cost, Part};
use serde::{Deserialize, Serialize};

/// The input, later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// Channels read and written.
    pub channels: usize,
    /// How much later.
    pub samples: usize,
}

impl Part for Delay {
    fn check(&self, inputs: usize, _: usize) -> Result<usize, DescriptionError> {
        bounded("delay", Some(self.samples), MAX_HISTORY)?;
        channels("delay", self.channels, inputs)?;
        Ok(inputs)
    }

    fn cost(&self) -> Option<Cost> {
        Some(Cost {
            weights: 0,
            macs: 0,
            history: self.samples.checked_mul(self.channels)?,
            layers: 1,
        })
    }

    fn context(&self) -> Option<usize> {
        Some(self.samples)
    }

    fn shape(&self) -> String {
        format!("delay {}", self.samples)
    }
}
