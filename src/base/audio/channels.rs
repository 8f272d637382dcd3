//! How many channels of sound an effect hears and makes.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Channels of sound on either side of an effect: one and one, or of a stereo effect, whose two wet
/// channels are made together, one or two and two. Left comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioChannels {
    /// Heard.
    pub dry: usize,
    /// Made.
    pub wet: usize,
}

impl AudioChannels {
    /// One channel by itself; of a file of several each through the same effect.
    pub const MONO: Self = Self { dry: 1, wet: 1 };

    /// A stereo effect that hears so many channels.
    pub const fn stereo(dry: usize) -> Self {
        Self { dry, wet: 2 }
    }

    /// Whether each channel is played by itself.
    pub fn is_mono(&self) -> bool {
        *self == Self::MONO
    }

    /// Whether there are effects of these channels.
    pub fn is_known(&self) -> bool {
        matches!((self.dry, self.wet), (1, 1) | (1 | 2, 2))
    }
}

impl Default for AudioChannels {
    fn default() -> Self {
        Self::MONO
    }
}

impl fmt::Display for AudioChannels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |channels: usize| if channels == 1 { "mono" } else { "stereo" };
        write!(f, "{} in, {} out", word(self.dry), word(self.wet))
    }
}
