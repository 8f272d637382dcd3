//! Modulation by the knobs.

use super::Layer;
use crate::network::bounds::channels;
use crate::network::error::DescriptionError;
use crate::network::part::{Cost, Part};
use serde::{Deserialize, Serialize};

/// Scales (and shifts) each channel by values computed from the knobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Film {
    /// Pointwise layers (convolutions of kernel size 1, activations) from the knobs to one scale
    /// per channel, then, with `shift`, one offset per channel.
    pub generator: Vec<Layer>,
    /// Whether offsets follow the scales.
    pub shift: bool,
}

impl Part for Film {
    fn check(&self, inputs: usize, controls: usize) -> Result<usize, DescriptionError> {
        if controls == 0 {
            let why = "needs at least one control, the network names none";
            return Err(DescriptionError::invalid("FiLM", why));
        }
        let pointwise = |layer: &Layer| match layer {
            Layer::Conv1d(conv) => conv.kernel_size == 1,
            Layer::Activation(_) => true,
            _ => false,
        };
        if !self.generator.iter().all(pointwise) {
            let why = "its generator may hold only convolutions of kernel size 1 and activations";
            return Err(DescriptionError::invalid("FiLM", why));
        }
        let values = self.generator.check(controls, controls)?;
        let expected = inputs.saturating_mul(if self.shift { 2 } else { 1 });
        channels("FiLM generator output", values, expected)?;
        Ok(inputs)
    }

    /// The knobs stand still: modulation costs one multiply-add per channel, which the layer does
    /// not know; its generator runs only when a knob moves.
    fn cost(&self) -> Option<Cost> {
        let generator = self.generator.cost()?;
        Some(Cost {
            macs: 0,
            history: 0,
            ..generator
        })
    }

    fn context(&self) -> Option<usize> {
        Some(0)
    }

    fn shape(&self) -> String {
        "FiLM".into()
    }

    fn depth(&self, limit: usize) -> usize {
        1 + self.generator.depth(limit - 1)
    }
}
