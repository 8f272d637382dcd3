//! Sound files to samples: one reader for WAV, AIFF, FLAC, MP3 and OGG Vorbis, told apart by
//! their first bytes and not by their names.
//!
//! Knows nothing of resampling, alignment or what the sound is for. Integer samples become
//! exactly `i / 2^(bits − 1)` (8-bit WAV: `(u − 128) / 128`), so multiplying back restores
//! them; 32-bit integers and 64-bit floats are rounded to the nearest `f32`. A sample that is no
//! finite number ends the reading, named by its place, unless the caller says otherwise
//! ([`NotFinite`]).

mod compressed;
mod pcm;
mod properties;
mod stored;
mod wav;

pub use stored::Stored;

use std::fmt;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use self::compressed::CompressedSource;
use self::properties::{Properties, shown};
use self::wav::WavSource;
use super::{Audio, AudioError, SampleFormat, SampleRate};
use crate::limits::{self, Budget};

/// Samples of all channels per block when a whole file is read.
const BLOCK_SAMPLES: usize = 1 << 18;

/// A sound with the format its samples had in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The sound.
    pub audio: Audio,
    /// How its samples were stored; [`SampleFormat::Float`]`(32)` for MP3 and Vorbis, which
    /// store no samples.
    pub format: SampleFormat,
}

/// What is done with samples that are infinite or not a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NotFinite {
    /// The first one is an error that names its place.
    #[default]
    Refuse,
    /// They become silence, counted.
    Silence,
    /// They stay, for callers that look at them.
    Keep,
}

/// Reads a whole sound file whose samples are all finite.
///
/// # Errors
/// Those of [`AudioReader::open`] and [`AudioReader::read_block`], [`AudioError::Empty`] for a
/// file of 0 frames, [`AudioError::TooLarge`] for one that unfolds beyond measure.
pub fn read(path: &Path) -> Result<Recording, AudioError> {
    read_as(path, NotFinite::Refuse)
}

/// As [`read`]; `not_finite` says what becomes of samples that are no finite numbers.
///
/// # Errors
/// As [`read`].
pub fn read_as(path: &Path, not_finite: NotFinite) -> Result<Recording, AudioError> {
    let mut reader = AudioReader::open(path)?.not_finite(not_finite);
    let mut budget = reader.budget();
    let mut channels = vec![Vec::new(); reader.channel_count()];
    if let Some(frames) = reader.frames() {
        reader.take(&mut budget, frames)?;
        // All at once, since growing would hold the sound twice for a moment; as far as the
        // file's length makes the number credible.
        let credible = frames.min(reader.file_len.saturating_mul(16));
        let credible = usize::try_from(credible).unwrap_or(0);
        channels.iter_mut().for_each(|c| c.reserve_exact(credible));
    }
    let block_frames = BLOCK_SAMPLES / channels.len();
    let mut block = Vec::new();
    loop {
        let frames = reader.read_block(&mut block, block_frames)?;
        if frames == 0 {
            break;
        }
        if reader.frames().is_none() {
            reader.take(&mut budget, frames as u64)?;
        }
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
    path: PathBuf,
    file_len: u64,
    properties: Properties,
    source: Source,
    not_finite: NotFinite,
    /// Frames handed out.
    given: u64,
    silenced: u64,
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
    /// One line naming the file and what is wrong: missing, a folder, a device, empty, no sound
    /// file, a codec that is not decoded here, a damaged header, too many channels, and for WAV a
    /// file shorter than its header promises.
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
        let mut file = limits::open(path).map_err(io)?;
        let file_len = file.metadata().map_err(io)?.len();
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
        let reader = Self {
            path: path.to_path_buf(),
            file_len,
            properties,
            source,
            not_finite: NotFinite::Refuse,
            given: 0,
            silenced: 0,
        };
        reader.check_properties()?;
        Ok(reader)
    }

    /// What every file must be, whatever its format.
    fn check_properties(&self) -> Result<(), AudioError> {
        let path = || self.path.clone();
        if self.frames() == Some(0) {
            return Err(AudioError::Empty {
                path: path(),
                what: "0 frames",
            });
        }
        let (channels, hz) = (self.channel_count(), self.sample_rate().hz());
        let (most, highest) = (limits::MAX_CHANNELS, limits::MAX_SAMPLE_RATE);
        if channels <= most && hz <= highest {
            return Ok(());
        }
        Err(AudioError::Damaged {
            path: path(),
            what: format!(
                "it declares {channels} channels at {hz} Hz; at most {most} channels and \
                 {highest} Hz are read"
            ),
        })
    }

    /// Says what becomes of samples that are no finite numbers; to be called before the first
    /// block.
    #[must_use]
    pub fn not_finite(mut self, not_finite: NotFinite) -> Self {
        self.not_finite = not_finite;
        self
    }

    /// Samples that [`NotFinite::Silence`] replaced so far.
    pub fn silenced(&self) -> u64 {
        self.silenced
    }

    /// What the decoded sound may take, were it held as a whole.
    fn budget(&self) -> Budget {
        Budget::of_sound(self.file_len)
    }

    /// Takes the memory of so many frames.
    fn take(&self, budget: &mut Budget, frames: u64) -> Result<(), AudioError> {
        let frames = usize::try_from(frames).unwrap_or(usize::MAX);
        let bytes = frames.saturating_mul(self.channel_count() * size_of::<f32>());
        budget.take(bytes).map_err(|source| AudioError::TooLarge {
            path: self.path.clone(),
            source,
        })
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
    /// [`AudioError::Truncated`] where they end before the promised number of frames,
    /// [`AudioError::NotFinite`] at a sample that is no finite number.
    pub fn read_block(
        &mut self,
        block: &mut Vec<Vec<f32>>,
        max_frames: usize,
    ) -> Result<usize, AudioError> {
        block.resize_with(self.channel_count(), Vec::new);
        block.iter_mut().for_each(Vec::clear);
        let frames = match &mut self.source {
            Source::Wav(source) => source.read_block(block, max_frames),
            Source::Compressed(source) => source.read_block(block, max_frames),
        }?;
        match self.not_finite {
            NotFinite::Keep => {}
            NotFinite::Silence => self.silenced += silence_not_finite(block),
            NotFinite::Refuse => self.refuse_not_finite(block)?,
        }
        self.given += frames as u64;
        Ok(frames)
    }

    fn refuse_not_finite(&self, block: &[Vec<f32>]) -> Result<(), AudioError> {
        match first_not_finite(block) {
            None => Ok(()),
            Some((frame, channel)) => Err(AudioError::NotFinite {
                path: self.path.clone(),
                frame: self.given + frame as u64,
                channel,
                value: block[channel][frame],
            }),
        }
    }
}

/// The frame and channel of the earliest sample that is no finite number.
pub fn first_not_finite(channels: &[impl AsRef<[f32]>]) -> Option<(usize, usize)> {
    let first = |c: &[f32]| c.iter().position(|x| !x.is_finite());
    let channels = channels.iter().enumerate();
    let firsts = channels.filter_map(|(number, c)| Some((first(c.as_ref())?, number)));
    firsts.min()
}

/// Makes silence of samples that are no finite numbers; returns how many there were.
pub fn silence_not_finite(channels: &mut [Vec<f32>]) -> u64 {
    let wrong = channels.iter_mut().flatten().filter(|x| !x.is_finite());
    wrong.map(|x| *x = 0.0).count() as u64
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
            [
                b'F',
                b'O',
                b'R',
                b'M',
                _,
                _,
                _,
                _,
                b'A',
                b'I',
                b'F',
                b'F' | b'C',
                ..,
            ]
            | [b'f', b'L', b'a', b'C', ..]
            | [b'O', b'g', b'g', b'S', ..]
            | [b'I', b'D', b'3', ..] => Ok(Self::Compressed),
            // The 11 set bits that begin every MPEG audio frame; ADTS (AAC) has layer bits 00.
            [0xff, second, ..] if second & 0xf6 == 0xf0 => unsupported("AAC"),
            [0xff, second, ..] if second & 0xe0 == 0xe0 => Ok(Self::Compressed),
            [b'R', b'I', b'F', b'X', ..] => unsupported("big-endian WAV (RIFX)"),
            [b'r', b'i', b'f', b'f', ..] => unsupported("Sony Wave64"),
            [b'F', b'O', b'R', b'M', ..] => unsupported("an IFF file that is no AIFF"),
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
