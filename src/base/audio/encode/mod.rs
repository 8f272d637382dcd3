//! Samples to WAV files, block by block, atomically.
//!
//! Knows nothing of where the samples come from. Reducing to integers of up to 24 bits adds
//! dither unless told not to, so that quiet tails fade into steady noise instead of
//! distortion; the dither comes from a fixed seed and runs on from block to block, so one
//! sound always becomes one file however it is cut.

mod header;
mod quantise;

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use hound::Sample;

use self::header::Header;
pub use self::quantise::Dither;
use self::quantise::Quantiser;
use super::{Audio, AudioError, SampleFormat, SampleRate};
use crate::files::ScratchFile;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Frames (samples per channel).
    pub frames: u64,
    /// Samples beyond ±1.0 that an integer format cut to full scale; always 0 for float.
    pub clipped: u64,
}

/// Writes a whole sound as a WAV file with [`Dither::Triangular`].
///
/// # Errors
/// Those of [`AudioWriter`]; nothing is left behind then.
pub fn write(path: &Path, audio: &Audio, format: SampleFormat) -> Result<(), AudioError> {
    let channels = audio.channels();
    let mut writer = AudioWriter::create(path, audio.sample_rate(), channels.len(), format)?;
    writer.write_block(channels)?;
    writer.finish().map(|_| ())
}

/// Writes a WAV file block by block. The file appears, complete, with
/// [`AudioWriter::finish`]; a writer dropped before leaves nothing.
///
/// Sizes beyond 4 GB turn the file into RF64 (EBU Tech 3306), which current readers accept.
#[derive(Debug)]
pub struct AudioWriter {
    path: PathBuf,
    file: ScratchFile,
    header: Header,
    quantiser: Quantiser,
    /// The encoded block, kept to save allocations.
    bytes: Vec<u8>,
    frames: u64,
}

impl AudioWriter {
    /// Begins a file. Missing parent folders are created.
    ///
    /// # Errors
    /// [`AudioError::Unwritable`] for a format other than 8-, 16-, 24-, 32-bit integer and
    /// 32-, 64-bit float, [`AudioError::ChannelCount`] for no or too many channels,
    /// [`AudioError::Io`] when the file cannot be created.
    pub fn create(
        path: &Path,
        sample_rate: SampleRate,
        channel_count: usize,
        format: SampleFormat,
    ) -> Result<Self, AudioError> {
        let header = Header::new(path, sample_rate, channel_count, format)?;
        let file = ScratchFile::create(path).map_err(|e| io(path, e))?;
        let mut writer = Self {
            path: path.to_path_buf(),
            file,
            header,
            quantiser: Quantiser::new(format, Dither::default()),
            bytes: Vec::new(),
            frames: 0,
        };
        let opening = writer.header.bytes(0);
        writer.file.write_all(&opening).map_err(|e| io(path, e))?;
        Ok(writer)
    }

    /// Chooses the dither; to be called before the first block.
    pub fn with_dither(mut self, dither: Dither) -> Self {
        self.quantiser = Quantiser::new(self.header.format(), dither);
        self
    }

    /// Appends a block: one slice per channel, all of one length.
    ///
    /// # Errors
    /// [`AudioError::BlockChannels`] and [`AudioError::UnequalChannels`] for a block of the
    /// wrong shape, [`AudioError::NotANumber`] when a NaN is to become an integer,
    /// [`AudioError::Io`] when the disk refuses. The file is then to be dropped.
    pub fn write_block(&mut self, block: &[impl AsRef<[f32]>]) -> Result<(), AudioError> {
        let channels: Vec<&[f32]> = block.iter().map(AsRef::as_ref).collect();
        self.check_shape(&channels)?;
        let frames = channels[0].len();
        self.bytes.clear();
        match self.header.format() {
            SampleFormat::Float(32) => self.encode(&channels, |bytes, sample| {
                sample.write(bytes, 32).map_err(encoding_failed)
            }),
            SampleFormat::Float(_) => self.encode(&channels, |bytes, sample| {
                bytes.extend_from_slice(&f64::from(sample).to_le_bytes());
                Ok(())
            }),
            SampleFormat::Int(bits) => self.encode_integers(&channels, bits),
        }?;
        self.file
            .write_all(&self.bytes)
            .map_err(|e| io(&self.path, e))?;
        self.frames += frames as u64;
        Ok(())
    }

    /// Completes the header and gives the file its name.
    ///
    /// # Errors
    /// [`AudioError::NothingToWrite`] without a single frame, [`AudioError::Io`]; nothing is left
    /// behind then.
    pub fn finish(mut self) -> Result<Written, AudioError> {
        if self.frames == 0 {
            return Err(AudioError::NothingToWrite { path: self.path });
        }
        let data_len = self.frames * self.header.frame_bytes();
        let completed = self.header.bytes(data_len);
        let pad = vec![0; (data_len % 2) as usize];
        self.file
            .write_all(&pad)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .and_then(|_| self.file.write_all(&completed))
            .and_then(|()| self.file.commit())
            .map_err(|e| io(&self.path, e))?;
        Ok(Written {
            frames: self.frames,
            clipped: self.quantiser.clipped(),
        })
    }

    fn check_shape(&self, channels: &[&[f32]]) -> Result<(), AudioError> {
        if channels.len() != self.header.channel_count() {
            return Err(AudioError::BlockChannels {
                path: self.path.clone(),
                expected: self.header.channel_count(),
                given: channels.len(),
            });
        }
        let first = channels[0].len();
        match channels.iter().find(|c| c.len() != first) {
            Some(other) => Err(AudioError::UnequalChannels {
                first,
                other: other.len(),
            }),
            None => Ok(()),
        }
    }

    /// Interleaves and encodes samples that need no rounding.
    fn encode(
        &mut self,
        channels: &[&[f32]],
        encode: impl Fn(&mut Vec<u8>, f32) -> std::io::Result<()>,
    ) -> Result<(), AudioError> {
        for frame in 0..channels[0].len() {
            for channel in channels {
                encode(&mut self.bytes, channel[frame]).map_err(|e| io(&self.path, e))?;
            }
        }
        Ok(())
    }

    fn encode_integers(&mut self, channels: &[&[f32]], bits: u16) -> Result<(), AudioError> {
        for frame in 0..channels[0].len() {
            for (number, channel) in channels.iter().enumerate() {
                let Some(integer) = self.quantiser.quantise(channel[frame]) else {
                    return Err(AudioError::NotANumber {
                        path: self.path.clone(),
                        frame: self.frames + frame as u64,
                        channel: number,
                    });
                };
                integer
                    .write(&mut self.bytes, bits)
                    .map_err(|e| io(&self.path, encoding_failed(e)))?;
            }
        }
        Ok(())
    }
}

fn io(path: &Path, source: std::io::Error) -> AudioError {
    AudioError::Io {
        path: path.to_path_buf(),
        source,
    }
}

fn encoding_failed(error: hound::Error) -> std::io::Error {
    match error {
        hound::Error::IoError(e) => e,
        other => std::io::Error::other(other.to_string()),
    }
}
