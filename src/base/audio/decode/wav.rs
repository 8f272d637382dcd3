//! WAV: walks the chunks of a RIFF (or RF64, BW64) file to its sound and decodes linear PCM.
//!
//! Reads what well-meaning writers produce: chunks of any kind and order before the sound,
//! odd chunks with or without their pad byte, sizes left open by programs that write to a
//! pipe or were killed, and anything after the sound. Refuses what would be a guess.
//!
//! Layout: IBM and Microsoft, *Multimedia Programming Interface and Data Specifications 1.0*
//! (1991); `WAVE_FORMAT_EXTENSIBLE`: Microsoft's `mmreg.h`; RF64: EBU Tech 3306. The bytes of
//! single samples stand in `pcm.rs`.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::pcm::Coding;
use super::properties::{Properties, shown};
use crate::audio::riff::{CODEC_EXTENSIBLE, CODEC_FLOAT, CODEC_PCM, REGISTERED_CODEC};
use crate::audio::{AudioError, SampleFormat, SampleRate};

/// Sizes that writers to a pipe put where the true size would be: all bits set (most), the
/// largest and smallest signed number (ALSA's `arecord`), 2 GiB less a page (SoX).
const OPEN_SIZES: [u32; 4] = [u32::MAX, 0x7fff_ffff, 0x8000_0000, 0x7fff_f000];

/// The samples of an open WAV file.
pub(super) struct WavSource {
    path: PathBuf,
    file: BufReader<File>,
    coding: Coding,
    frames_left: u64,
    /// The undecoded block, kept to save allocations.
    bytes: Vec<u8>,
}

/// The `fmt ` chunk, checked.
struct Format {
    sample_rate: SampleRate,
    channel_count: usize,
    coding: Coding,
    /// What to tell the user: 24 for 24 valid bits in 32.
    told: SampleFormat,
}

impl Format {
    fn frame_bytes(&self) -> u64 {
        (self.channel_count * self.coding.bytes) as u64
    }
}

impl WavSource {
    /// Reads the header and stops at the first sample.
    pub(super) fn open(file: File, path: &Path) -> Result<(Properties, Self), AudioError> {
        let mut chunks = Chunks::new(file, path)?;
        let (format, frames) = chunks.find_sound()?;
        let properties = Properties {
            sample_rate: format.sample_rate,
            channel_count: format.channel_count,
            format: format.told,
            frames: Some(frames),
        };
        let source = Self {
            path: path.to_path_buf(),
            file: chunks.file,
            coding: format.coding,
            frames_left: frames,
            bytes: Vec::new(),
        };
        Ok((properties, source))
    }

    /// Appends up to `max_frames` frames to the channels of `block`.
    pub(super) fn read_block(
        &mut self,
        block: &mut [Vec<f32>],
        max_frames: usize,
    ) -> Result<usize, AudioError> {
        let frames = self.frames_left.min(max_frames as u64) as usize;
        self.bytes
            .resize(frames * block.len() * self.coding.bytes, 0);
        self.file
            .read_exact(&mut self.bytes)
            .map_err(|source| AudioError::Io {
                path: self.path.clone(),
                source,
            })?;
        self.frames_left -= frames as u64;
        let count = block.len();
        for (number, channel) in block.iter_mut().enumerate() {
            let before = channel.len();
            channel.resize(before + frames, 0.0);
            let out = &mut channel[before..];
            self.coding.decode(&self.bytes, (number, count), out);
        }
        Ok(frames)
    }

    /// What it takes to read any of the sound of so many channels again, before any of it was read.
    pub(super) fn stored(mut self, channels: usize) -> Result<WavSound, AudioError> {
        let start = self.file.stream_position();
        let start = start.map_err(|source| AudioError::Io {
            path: self.path.clone(),
            source,
        })?;
        Ok(WavSound {
            file: Mutex::new(self.file.into_inner()),
            start,
            frames: usize::try_from(self.frames_left).unwrap_or(usize::MAX),
            channels,
            coding: self.coding,
            failed: Mutex::new(None),
        })
    }
}

/// The sound of a WAV file, to be read from anywhere.
pub(super) struct WavSound {
    file: Mutex<File>,
    /// Where its first sample stands.
    start: u64,
    frames: usize,
    channels: usize,
    coding: Coding,
    /// Why a stretch could not be read.
    failed: Mutex<Option<io::Error>>,
}

impl WavSound {
    /// Samples of a channel.
    pub(super) fn frames(&self) -> usize {
        self.frames
    }

    /// Whether no sample can be infinite or not a number.
    pub(super) fn is_finite(&self) -> bool {
        !self.coding.is_float()
    }

    /// Why a stretch could not be read, the first of them since this was asked last.
    pub(super) fn failed(&self) -> Option<io::Error> {
        locked(&self.failed).take()
    }

    /// Fills `out` with a channel's samples from `from` on; with silence where they cannot be read.
    pub(super) fn read(&self, channel: usize, from: usize, out: &mut [f32]) {
        match self.bytes(from, out.len()) {
            Ok(bytes) => self.coding.decode(&bytes, (channel, self.channels), out),
            Err(error) => {
                out.fill(0.0);
                locked(&self.failed).get_or_insert(error);
            }
        }
    }

    /// Those of so many frames.
    fn bytes(&self, from: usize, frames: usize) -> io::Result<Vec<u8>> {
        let frame = self.channels * self.coding.bytes;
        let mut bytes = vec![0; frames * frame];
        let mut file = locked(&self.file);
        file.seek(SeekFrom::Start(self.start + (from * frame) as u64))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// What is under the lock, whoever panicked while he held it: nothing there is ever half done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A RIFF file seen as a row of chunks.
struct Chunks<'a> {
    path: &'a Path,
    file: BufReader<File>,
    /// Bytes in the file.
    file_len: u64,
    /// The size in the first chunk's header: bytes after it, where the writer told it.
    riff_len: u32,
}

impl<'a> Chunks<'a> {
    fn new(file: File, path: &'a Path) -> Result<Self, AudioError> {
        let mut chunks = Self {
            path,
            file: BufReader::new(file),
            file_len: 0,
            riff_len: 0,
        };
        let metadata = chunks.file.get_ref().metadata();
        chunks.file_len = metadata.map_err(|e| chunks.io(e))?.len();
        let Some(start) = chunks.read_array::<12>()? else {
            return Err(chunks.damaged("it ends within the first 12 bytes".into()));
        };
        if &start[8..] != b"WAVE" {
            return Err(AudioError::NotAudio {
                path: path.to_path_buf(),
                what: format!("a RIFF file of type {}", shown(&start[8..])),
            });
        }
        chunks.riff_len = u32_at(&start, 4);
        Ok(chunks)
    }

    /// Moves to the first sample. Returns the format and the number of frames.
    fn find_sound(&mut self) -> Result<(Format, u64), AudioError> {
        let mut format = None;
        let mut wide_len = None;
        while let Some(header) = self.read_array::<8>()? {
            let (id, len) = (&header[..4], u32_at(&header, 4));
            match id {
                b"fmt " => format = Some(self.read_format(len)?),
                b"ds64" => wide_len = Some(self.read_wide_len(len)?),
                b"data" => {
                    let Some(format) = format else {
                        return Err(self.damaged("the sound comes before its format".into()));
                    };
                    let frames = self.count_frames(&format, len, wide_len)?;
                    return Ok((format, frames));
                }
                _ => self.skip_chunk(u64::from(len), len % 2 == 1)?,
            }
        }
        let missing = match format {
            None => "it has no format (\"fmt \") and no sound (\"data\") chunk",
            Some(_) => "it has no sound (\"data\") chunk",
        };
        Err(self.damaged(missing.into()))
    }

    /// Reads the `fmt ` chunk of `len` bytes.
    fn read_format(&mut self, len: u32) -> Result<Format, AudioError> {
        // Past these 40 bytes there is nothing that linear PCM needs.
        let mut body = [0; 40];
        let kept = (len as usize).min(body.len());
        let cut = |chunks: &Self| {
            chunks.damaged(format!(
                "its format chunk of {len} bytes is cut off; at least 16 are needed"
            ))
        };
        if kept < 16 {
            return Err(cut(self));
        }
        match self.file.read_exact(&mut body[..kept]) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(cut(self)),
            other => other.map_err(|e| self.io(e))?,
        }
        let format = self.check_format(&body, kept)?;
        self.skip_chunk(u64::from(len) - kept as u64, len % 2 == 1)?;
        Ok(format)
    }

    fn check_format(&self, body: &[u8; 40], kept: usize) -> Result<Format, AudioError> {
        let (codec, valid_bits) = self.find_codec(body, kept)?;
        let (channel_count, hz) = (usize::from(u16_at(body, 2)), u32_at(body, 4));
        let (frame_bytes, bits) = (usize::from(u16_at(body, 12)), u16_at(body, 14));
        if channel_count == 0 {
            return Err(self.damaged("it declares 0 channels; at least 1 is needed".into()));
        }
        let Some(sample_rate) = SampleRate::new(hz) else {
            return Err(self.damaged("it declares a sample rate of 0 Hz".into()));
        };
        if frame_bytes == 0 || frame_bytes % channel_count != 0 {
            return Err(self.damaged(format!(
                "it declares frames of {frame_bytes} bytes for {channel_count} channels"
            )));
        }
        let bytes = frame_bytes / channel_count;
        let Some((coding, told)) = Coding::find(codec, bytes, bits, valid_bits) else {
            let kind = if codec == CODEC_FLOAT {
                "float"
            } else {
                "integer"
            };
            return Err(
                self.unsupported(format!("{bits}-bit {kind} samples in {bytes} bytes each"))
            );
        };
        Ok(Format {
            sample_rate,
            channel_count,
            coding,
            told,
        })
    }

    /// The codec, integers or floats, and the bits of a sample that mean something.
    fn find_codec(&self, body: &[u8; 40], kept: usize) -> Result<(u16, u16), AudioError> {
        let (codec, valid_bits) = match u16_at(body, 0) {
            CODEC_EXTENSIBLE if kept < body.len() => {
                return Err(self.damaged(format!(
                    "its extensible format chunk has {kept} bytes; 40 are needed"
                )));
            }
            CODEC_EXTENSIBLE if body[26..] != REGISTERED_CODEC => {
                return Err(self.unsupported(format!("a private codec {}", hex(&body[24..]))));
            }
            CODEC_EXTENSIBLE => (u16_at(body, 24), u16_at(body, 18)),
            codec => (codec, u16_at(body, 14)),
        };
        match codec {
            CODEC_PCM | CODEC_FLOAT => Ok((codec, valid_bits)),
            other => Err(self.unsupported(codec_name(other))),
        }
    }

    /// Reads the true size of the sound from the `ds64` chunk of an RF64 file.
    fn read_wide_len(&mut self, len: u32) -> Result<u64, AudioError> {
        match self.read_array::<16>()? {
            Some(body) if len >= 16 => {
                self.skip_chunk(u64::from(len) - 16, len % 2 == 1)?;
                let mut word = [0; 8];
                word.copy_from_slice(&body[8..]);
                Ok(u64::from_le_bytes(word))
            }
            _ => Err(self.damaged(format!(
                "its \"ds64\" chunk of {len} bytes is cut off; at least 16 are needed"
            ))),
        }
    }

    /// The number of frames in the `data` chunk of declared size `len` that begins here.
    fn count_frames(
        &mut self,
        format: &Format,
        len: u32,
        wide_len: Option<u64>,
    ) -> Result<u64, AudioError> {
        let start = self.file.stream_position().map_err(|e| self.io(e))?;
        let there = self.file_len.saturating_sub(start);
        let promised = match (len, wide_len) {
            (u32::MAX, Some(wide)) => wide,
            (len, _) if OPEN_SIZES.contains(&len) => there,
            // Nothing promised though bytes follow that are no other chunk: a writer that never
            // came back to fill in this size (some fill in that of the whole).
            (0, _) if self.is_open_ended(start) || !self.at_chunk(there)? => there,
            (len, _) => u64::from(len),
        };
        // A last frame of too few bytes is dropped, as every reader does.
        let (promised, found) = (
            promised / format.frame_bytes(),
            there / format.frame_bytes(),
        );
        if found < promised {
            return Err(AudioError::Truncated {
                path: self.path.to_path_buf(),
                promised,
                found,
            });
        }
        Ok(promised)
    }

    /// Whether the size of the whole file was never filled in, given where its sound starts.
    fn is_open_ended(&self, sound_start: u64) -> bool {
        OPEN_SIZES.contains(&self.riff_len) || u64::from(self.riff_len) + 8 <= sound_start
    }

    /// Whether the `there` bytes that are left begin with a chunk that fits, or are too few for
    /// one. Where it stands in the file does not change.
    fn at_chunk(&mut self, there: u64) -> Result<bool, AudioError> {
        let Some(header) = self.read_array::<8>()? else {
            return Ok(true);
        };
        self.file.seek_relative(-8).map_err(|e| self.io(e))?;
        let named = header[..4].iter().all(|c| (b' '..=b'~').contains(c));
        Ok(named && u64::from(u32_at(&header, 4)) + 8 <= there)
    }

    /// Skips the rest of a chunk and the pad byte after an odd one. Writers that forget to
    /// pad are known by what follows: a pad byte is 0, the next chunk's name is not.
    fn skip_chunk(&mut self, rest: u64, odd: bool) -> Result<(), AudioError> {
        // Seeking past the end is no error; the next header is then missing.
        self.file
            .seek_relative(rest as i64)
            .map_err(|e| self.io(e))?;
        if odd && self.read_array::<1>()?.is_some_and(|pad| pad != [0]) {
            self.file.seek_relative(-1).map_err(|e| self.io(e))?;
        }
        Ok(())
    }

    /// The next `N` bytes, or `None` when fewer are left.
    fn read_array<const N: usize>(&mut self) -> Result<Option<[u8; N]>, AudioError> {
        let mut bytes = [0; N];
        match self.file.read_exact(&mut bytes) {
            Ok(()) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(e) => Err(self.io(e)),
        }
    }

    fn io(&self, source: io::Error) -> AudioError {
        AudioError::Io {
            path: self.path.to_path_buf(),
            source,
        }
    }

    fn damaged(&self, what: String) -> AudioError {
        AudioError::Damaged {
            path: self.path.to_path_buf(),
            what,
        }
    }

    fn unsupported(&self, codec: String) -> AudioError {
        AudioError::Unsupported {
            path: self.path.to_path_buf(),
            codec,
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A codec's name for its number in `mmreg.h`.
fn codec_name(tag: u16) -> String {
    let name = match tag {
        0x0002 => "Microsoft ADPCM",
        0x0006 => "A-law",
        0x0007 => "mu-law",
        0x0011 => "IMA ADPCM",
        0x0031 => "GSM 6.10",
        0x0050 => "MPEG layer 1 or 2 in WAV",
        0x0055 => "MP3 in WAV",
        0x00ff => "AAC in WAV",
        0x0161 => "Windows Media Audio",
        0x2000 => "AC-3 in WAV",
        _ => "an unknown codec",
    };
    format!("{name} (codec 0x{tag:04x})")
}
