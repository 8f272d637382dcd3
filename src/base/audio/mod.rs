//! Audio in memory and in files: sample rates, channels, decoding and encoding.
//!
//! Knows nothing of effects, windows, tensors or progress bars. Samples are `f32` with full
//! scale at ±1.0, stored one vector per channel (planar).

mod channels;
pub mod decode;
pub mod encode;
mod error;
pub mod level;
pub mod range;
mod riff;
pub mod track;

pub use channels::AudioChannels;
pub use error::AudioError;
pub use track::{Track, Tracks};

use std::fmt;

/// A sample rate in hertz, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SampleRate(u32);

impl SampleRate {
    /// A rate of `hz` hertz; `None` for zero, which no recording can have.
    pub const fn new(hz: u32) -> Option<Self> {
        match hz {
            0 => None,
            hz => Some(Self(hz)),
        }
    }

    /// The rate in hertz.
    pub fn hz(self) -> u32 {
        self.0
    }

    /// The duration of `samples` samples in seconds.
    pub fn seconds(self, samples: usize) -> f64 {
        samples as f64 / f64::from(self.0)
    }
}

impl fmt::Display for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

/// How samples are stored in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SampleFormat {
    /// Integer PCM of this many bits (8, 16, 24 or 32; 8-bit WAV is unsigned).
    Int(u16),
    /// IEEE float of this many bits (32 or 64).
    Float(u16),
}

impl fmt::Display for SampleFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(bits) => write!(f, "{bits}-bit integer"),
            Self::Float(bits) => write!(f, "{bits}-bit float"),
        }
    }
}

/// Decoded sound: at least one channel, all channels of one length, at one rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    sample_rate: SampleRate,
    channels: Vec<Vec<f32>>,
}

impl Audio {
    /// Joins channels into one sound.
    ///
    /// # Errors
    /// [`AudioError::NoChannels`] without channels, [`AudioError::UnequalChannels`] when
    /// their lengths differ.
    pub fn new(sample_rate: SampleRate, channels: Vec<Vec<f32>>) -> Result<Self, AudioError> {
        let Some(first) = channels.first() else {
            return Err(AudioError::NoChannels);
        };
        if let Some(other) = channels.iter().find(|c| c.len() != first.len()) {
            return Err(AudioError::UnequalChannels {
                first: first.len(),
                other: other.len(),
            });
        }
        Ok(Self {
            sample_rate,
            channels,
        })
    }

    /// One channel.
    pub fn mono(sample_rate: SampleRate, samples: Vec<f32>) -> Self {
        Self {
            sample_rate,
            channels: vec![samples],
        }
    }

    /// The rate the samples were taken at.
    pub fn sample_rate(&self) -> SampleRate {
        self.sample_rate
    }

    /// Number of sample frames (samples per channel).
    pub fn len(&self) -> usize {
        self.channels[0].len()
    }

    /// Whether there is not a single frame.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Duration in seconds.
    pub fn seconds(&self) -> f64 {
        self.sample_rate.seconds(self.len())
    }

    /// All channels, each of [`Audio::len`] samples.
    pub fn channels(&self) -> &[Vec<f32>] {
        &self.channels
    }

    /// All channels, to be read in stretches.
    pub fn tracks(&self) -> Tracks<'_> {
        Tracks::new(
            self.sample_rate,
            self.channels.iter().map(Track::from).collect(),
        )
    }

    /// Gives the channels away.
    pub fn into_channels(self) -> Vec<Vec<f32>> {
        self.channels
    }
}
