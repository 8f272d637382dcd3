//! `.nam`, the file of Neural Amp Modeler: JSON with one flat list of weights.
//!
//! Versions 0.5.0 to 0.7 are read; architectures WaveNet, LSTM, ConvNet, Linear and
//! SlimmableContainer. Where the field's player and its trainer disagree about a field, the
//! trainer's meaning is used, because that is the network that was trained:
//! `layer1x1_post_film` acts in every gating mode (the player applies it in "blended" only), and
//! Hardtanh honours `min_val` and `max_val` (the player ignores them).

mod activation;
mod initial_state;
mod metadata;
mod read;
mod read_wavenet;
mod weights;
mod write;
mod write_wavenet;

pub use initial_state::settled;
pub use metadata::{Latency, Loudness, Metadata, gain, loudness};
pub(super) use read::{from_value, looks_like};
pub(super) use write::model;

use super::carriers::cannot_carry;
use super::error::{FormatError, field};
use super::format::Format;
use crate::network::Network;
use serde_json::Value;

/// The text of a `.nam` file.
///
/// Recurrent layers are written with the initial state they have; players start from it, so give
/// it as it stands after a second of silence.
///
/// # Errors
/// [`FormatError::CannotCarry`] for a network without a `.nam` form; a description that is not
/// valid; a metadata word outside the field's vocabulary.
pub fn write(network: &Network, metadata: &Metadata) -> Result<String, FormatError> {
    network.validate()?;
    if let Some((key, word, known)) = metadata.capture.unknown_word() {
        let why = format!("{key} = \"{word}\"; known are {known}");
        return Err(field("metadata", why));
    }
    let mut file = model(network).map_err(|why| cannot_carry(Format::Nam, why, network))?;
    if let Some(submodels) = file
        .get_mut("config")
        .and_then(|config| config.get_mut("submodels"))
        .and_then(Value::as_array_mut)
    {
        for (index, submodel) in submodels.iter_mut().enumerate() {
            if let Some(own) = metadata.of_size(index) {
                submodel["model"]["metadata"] = own;
            }
        }
    }
    file.insert("metadata".into(), Value::Object(metadata.to_map()));
    Ok(serde_json::to_string(&Value::Object(file))?)
}
