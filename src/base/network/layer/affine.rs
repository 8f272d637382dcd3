//! A scale and an offset per channel.

use crate::network::bounds::numbers;
use crate::network::error::DescriptionError;
use crate::network::part::{Cost, Part, without_history};
use serde::{Deserialize, Serialize};

/// y = scale · x + shift, per channel: batch normalisation after training, and the seeds' middle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affine {
    /// One factor per channel.
    pub scale: Vec<f32>,
    /// One offset per channel.
    pub shift: Vec<f32>,
}

impl Part for Affine {
    fn check(&self, inputs: usize, _: usize) -> Result<usize, DescriptionError> {
        numbers("scale", &self.scale, Some(inputs))?;
        numbers("shift", &self.shift, Some(inputs))?;
        Ok(inputs)
    }

    fn cost(&self) -> Option<Cost> {
        let (scales, shifts) = (self.scale.len(), self.shift.len());
        Some(without_history(scales.checked_add(shifts)?, scales))
    }

    fn context(&self) -> Option<usize> {
        Some(0)
    }

    fn shape(&self) -> String {
        "scale and shift".into()
    }
}
