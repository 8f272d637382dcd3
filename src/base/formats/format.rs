//! The kinds of model file, by name and file ending.

use serde::Serialize;
use std::fmt;

/// The kinds of model file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Neural Amp Modeler, `.nam`.
    Nam,
    /// The same as bytes, `.namb`, for small devices.
    Namb,
    /// RTNeural JSON.
    RtNeural,
    /// AIDA-X, `.json` or `.aidax`.
    AidaX,
    /// CoreAudioML / Proteus JSON.
    Proteus,
    /// effigy's own: weights by name for tensor libraries, with the network's description.
    Safetensors,
    /// The impulse response of a linear effect as a WAV file: no model, and read as none.
    Ir,
}

impl Format {
    /// All that hold a network.
    pub const ALL: [Self; 6] = [
        Self::Nam,
        Self::Namb,
        Self::RtNeural,
        Self::AidaX,
        Self::Proteus,
        Self::Safetensors,
    ];

    /// The rate at which players of the format run what does not say otherwise, in hertz, where it
    /// has one.
    pub fn players_rate_hz(self) -> Option<u32> {
        match self {
            Self::Nam | Self::Namb | Self::AidaX => Some(48_000),
            Self::Proteus => Some(44_100),
            Self::RtNeural | Self::Safetensors | Self::Ir => None,
        }
    }

    /// File name endings that players of the format look for; the first is usual.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Nam => &["nam"],
            Self::Namb => &["namb"],
            Self::RtNeural | Self::Proteus => &["json"],
            Self::AidaX => &["json", "aidax"],
            Self::Safetensors => &["safetensors"],
            Self::Ir => &["wav"],
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nam => "nam",
            Self::Namb => "namb",
            Self::RtNeural => "rtneural",
            Self::AidaX => "aidax",
            Self::Proteus => "proteus",
            Self::Safetensors => "safetensors",
            Self::Ir => "ir",
        })
    }
}
