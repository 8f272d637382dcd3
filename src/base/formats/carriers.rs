//! Which formats can carry a network.

use super::error::FormatError;
use super::format::Format;
use super::nam::model as nam_file;
use super::namb::model as namb_file;
use super::recurrent_net::RecurrentNet;
use super::rtneural::file as rtneural_file;
use crate::network::Network;

/// The formats that can carry `network`.
pub fn carriers(network: &Network) -> Vec<Format> {
    // The others' players play each channel by itself.
    if !network.full().audio_channels.is_mono() {
        return vec![Format::Safetensors];
    }
    let can = |format: &Format| match format {
        Format::Nam => nam_file(network).is_ok(),
        Format::Namb => namb_file(network).is_ok(),
        Format::RtNeural => rtneural_file(network).is_ok(),
        Format::AidaX => RecurrentNet::for_aidax(network).is_ok(),
        Format::Proteus => RecurrentNet::for_proteus(network).is_ok(),
        Format::Safetensors => true,
        Format::Ir => network.impulse_response().is_some(),
    };
    Format::ALL.into_iter().filter(can).collect()
}

/// The error for a network that `format` cannot carry because of `why`.
pub(super) fn cannot_carry(format: Format, why: String, network: &Network) -> FormatError {
    FormatError::CannotCarry {
        format,
        why,
        others: carriers(network),
    }
}
