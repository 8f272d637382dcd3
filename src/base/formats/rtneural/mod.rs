//! RTNeural JSON: layers one after another.
//!
//! Layers dense, conv1d, lstm, gru, batchnorm, prelu and activation, with the activations tanh,
//! relu, sigmoid, softmax and elu. The `activation` key of a recurrent layer is ignored, as
//! RTNeural ignores it. Inputs after the first are knobs. The format keeps no sample rate; where
//! a file has one anyway, it is used.

mod read;
mod write;

pub(super) use read::{from_value, looks_like, sequence};
pub(super) use write::{file, layers};

use super::carriers::cannot_carry;
use super::error::FormatError;
use super::format::Format;
use crate::network::Network;

/// The text of an RTNeural file.
///
/// # Errors
/// [`FormatError::CannotCarry`] for a network with other than RTNeural's layers; a description
/// that is not valid.
pub fn write(network: &Network) -> Result<String, FormatError> {
    network.validate()?;
    let file = file(network).map_err(|why| cannot_carry(Format::RtNeural, why, network))?;
    Ok(serde_json::to_string(&file)?)
}
