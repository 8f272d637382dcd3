//! Why a network cannot be played.

use crate::network::DescriptionError;

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
    /// A sound of another number of channels.
    #[error("{got} channels of sound given, the network hears {expected}")]
    Channels {
        /// Channels given.
        got: usize,
        /// Channels heard.
        expected: usize,
    },
    /// A knob position that is no number.
    #[error("control {name} = {value}; a finite number is needed")]
    ControlValue {
        /// The knob.
        name: String,
        /// What was given.
        value: f32,
    },
}
