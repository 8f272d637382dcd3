//! Sound files to samples: one reader for WAV, FLAC, MP3 and OGG Vorbis, told apart by their
//! first bytes and not by their names.
//!
//! Knows nothing of resampling, alignment or what the sound is for. Integer samples become
//! exactly `i / 2^(bits − 1)` (8-bit WAV: `(u − 128) / 128`), so multiplying back restores
//! them; 32-bit integers and 64-bit floats are rounded to the nearest `f32`. Samples that are
//! not finite pass through: whether they are acceptable is for the caller to say.

mod compressed;
mod properties;
mod wav;

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use self::compressed::CompressedSource;
use self::properties::{Properties, shown};
use self::wav::WavSource;
use super::{Audio, AudioError, SampleFormat, SampleRate};

/// Frames per block when a whole file is read.
const BLOCK_FRAMES: usize = 1 << 16;

/// A sound with the format its samples had in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The sound.
    pub audio: Audio,
    /// How its samples were stored; [`SampleFormat::Float`]`(32)` for MP3 and Vorbis, which
    /// store no samples.
    pub format: SampleFormat,
}

/// Reads a whole sound file.
///
/// # Errors
/// Those of [`AudioReader::open`] and [`AudioReader::read_block`], and [`AudioError::Empty`]
/// for a file of 0 frames.
pub fn read(path: &Path) -> Result<Recording, AudioError> {
    let mut reader = AudioReader::open(path)?;
    let mut channels = vec![Vec::new(); reader.channel_count()];
    let mut block = Vec::new();
    while reader.read_block(&mut block, BLOCK_FRAMES)? > 0 {
        for (channel, part) in channels.iter_mut().zip(&block) {
            channel.extend_from_slice(part);
        }
    }
    if channels[0].is_empty() {
        return Err(AudioError::Empty {
            path: path.to_path_buf(),
            what: "0 frames",
        });
    }
    Ok(Recording {
        audio: Audio::new(reader.sample_rate(), channels)?,
        format: reader.format(),
    })
}

/// Reads a sound file block by block, so that its length does not matter.
pub struct AudioReader {
    properties: Properties,
    source: Source,
}

enum Source {
    Wav(WavSource),
    Compressed(Box<CompressedSource>),
}

impl fmt::Debug for AudioReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The decoders behind the source have no such form.
        self.properties.fmt(f)
    }
}

impl AudioReader {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// One line naming the file and what is wrong: missing, a folder, empty, no sound file, a
    /// codec that is not decoded here, a damaged header, and for WAV a file shorter than its
    /// header promises.
    pub fn open(path: &Path) -> Result<Self, AudioError> {
        let io = |source| AudioError::Io {
            path: path.to_path_buf(),
            source,
        };
        if path.is_dir() {
            return Err(AudioError::IsFolder {
                path: path.to_path_buf(),
            });
        }
        let mut file = File::open(path).map_err(io)?;
        let mut start = Vec::new();
        file.by_ref().take(64).read_to_end(&mut start).map_err(io)?;
        file.rewind().map_err(io)?;

        let (properties, source) = match Container::of(&start, path)? {
            Container::Wav => {
                let (properties, source) = WavSource::open(file, path)?;
                (properties, Source::Wav(source))
            }
            Container::Compressed => {
                let (properties, source) = CompressedSource::open(file, path)?;
                (properties, Source::Compressed(Box::new(source)))
            }
        };
        Ok(Self { properties, source })
    }

    /// The rate the samples were taken at.
    pub fn sample_rate(&self) -> SampleRate {
        self.properties.sample_rate
    }

    /// Number of channels, at least 1.
    pub fn channel_count(&self) -> usize {
        self.properties.channel_count
    }

    /// How samples are stored in the file.
    pub fn format(&self) -> SampleFormat {
        self.properties.format
    }

    /// Total number of frames; `None` where the file does not tell it exactly.
    pub fn frames(&self) -> Option<u64> {
        self.properties.frames
    }

    /// Replaces `block` by the next frames, one vector per channel, and returns how many
    /// there are: `max_frames` until the end is near, then fewer, then 0.
    ///
    /// # Errors
    /// [`AudioError::Damaged`] or [`AudioError::Io`] where the data cannot be decoded,
    /// [`AudioError::Truncated`] where they end before the promised number of frames.
    pub fn read_block(
        &mut self,
        block: &mut Vec<Vec<f32>>,
        max_frames: usize,
    ) -> Result<usize, AudioError> {
        block.resize_with(self.channel_count(), Vec::new);
        block.iter_mut().for_each(Vec::clear);
        match &mut self.source {
            Source::Wav(source) => source.read_block(block, max_frames),
            Source::Compressed(source) => source.read_block(block, max_frames),
        }
    }
}

/// Which reader a file needs.
enum Container {
    Wav,
    Compressed,
}

impl Container {
    /// Recognises a file by its first (at most 64) bytes.
    fn of(start: &[u8], path: &Path) -> Result<Self, AudioError> {
        let path = || PathBuf::from(path);
        let unsupported = |codec: &str| {
            Err(AudioError::Unsupported {
                path: path(),
                codec: codec.to_owned(),
            })
        };
        match start {
            [] => Err(AudioError::Empty {
                path: path(),
                what: "0 bytes",
            }),
            // "RIF" + "F", and the two headers for sizes beyond 4 GB.
            [b'R', b'I', b'F', b'F', ..]
            | [b'R', b'F', b'6', b'4', ..]
            | [b'B', b'W', b'6', b'4', ..] => Ok(Self::Wav),
            [b'O', b'g', b'g', b'S', ..] if contains(start, b"OpusHead") => unsupported("Opus"),
            [b'O', b'g', b'g', b'S', ..] if contains(start, b"Speex") => unsupported("Speex"),
            [b'f', b'L', b'a', b'C', ..]
            | [b'O', b'g', b'g', b'S', ..]
            | [b'I', b'D', b'3', ..] => Ok(Self::Compressed),
            // The 11 set bits that begin every MPEG audio frame; ADTS (AAC) has layer bits 00.
            [0xff, second, ..] if second & 0xf6 == 0xf0 => unsupported("AAC"),
            [0xff, second, ..] if second & 0xe0 == 0xe0 => Ok(Self::Compressed),
            [b'R', b'I', b'F', b'X', ..] => unsupported("big-endian WAV (RIFX)"),
            [b'r', b'i', b'f', b'f', ..] => unsupported("Sony Wave64"),
            [b'F', b'O', b'R', b'M', ..] => unsupported("AIFF"),
            [b'c', b'a', b'f', b'f', ..] => unsupported("Core Audio Format (CAF)"),
            [b'.', b's', b'n', b'd', ..] => unsupported("Sun AU"),
            [b'w', b'v', b'p', b'k', ..] => unsupported("WavPack"),
            [0x1a, 0x45, 0xdf, 0xa3, ..] => unsupported("Matroska or WebM"),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => unsupported("MP4 or M4A"),
            _ => Err(AudioError::NotAudio {
                path: path(),
                what: format!("it begins with {}", shown(&start[..start.len().min(12)])),
            }),
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
