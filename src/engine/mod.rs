//! Streaming inference: a described network plays audio block by block.
//!
//! Plain arithmetic on slices, without tensors and without gradients. What someone would embed
//! in a plugin: [`Engine::new`], [`Engine::prewarm`], [`Engine::process`], [`Engine::reset`],
//! [`Engine::latency_samples`]. Knows nothing of files, training or the command line.

pub mod reference;

use crate::models::description::{DescriptionError, Network};

/// Why a network cannot be played.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EngineError {
    /// The description is not a network.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// The wrong number of knob positions.
    #[error("{got} control values given, the network has {expected}: {names}")]
    Controls {
        /// Values given.
        got: usize,
        /// Knobs.
        expected: usize,
        /// Their names.
        names: String,
    },
}

/// Knob positions: those given, or the defaults where none are given.
pub(crate) fn control_values(network: &Network, given: &[f32]) -> Result<Vec<f32>, EngineError> {
    if given.is_empty() {
        return Ok(network.controls.iter().map(|c| c.default).collect());
    }
    if given.len() != network.controls.len() {
        let names: Vec<&str> = network.controls.iter().map(|c| c.name.as_str()).collect();
        let (got, expected) = (given.len(), network.controls.len());
        return Err(EngineError::Controls {
            got,
            expected,
            names: names.join(", "),
        });
    }
    Ok(given.to_vec())
}
