//! The bytes of a WAV file before its first sample. Knows sizes and formats, no samples.
//!
//! Sources as in `decode/wav.rs`. A file begins with a `JUNK` chunk that becomes the `ds64`
//! chunk of RF64 should the sound outgrow 32-bit sizes (EBU Tech 3306, "on the fly
//! conversion"), so the header's length never changes.

use std::path::Path;

use crate::audio::riff::{CODEC_EXTENSIBLE, CODEC_FLOAT, CODEC_PCM, REGISTERED_CODEC};
use crate::audio::{AudioError, SampleFormat, SampleRate};

/// Bytes in the body of the `ds64` chunk: three 64-bit sizes and an empty table's length.
const WIDE_SIZES_LEN: u32 = 28;

/// What the header states besides the length of the sound.
#[derive(Debug)]
pub(super) struct Header {
    hz: u32,
    channel_count: u16,
    format: SampleFormat,
}

impl Header {
    /// Checks that a WAV file can hold this.
    pub(super) fn new(
        path: &Path,
        sample_rate: SampleRate,
        channel_count: usize,
        format: SampleFormat,
    ) -> Result<Self, AudioError> {
        let bits = match format {
            SampleFormat::Int(bits @ (8 | 16 | 24 | 32)) => bits,
            SampleFormat::Float(bits @ (32 | 64)) => bits,
            _ => {
                return Err(AudioError::Unwritable {
                    path: path.to_path_buf(),
                    format,
                });
            }
        };
        // The size of a frame is a 16-bit field.
        let allowed = u16::MAX / (bits / 8);
        match u16::try_from(channel_count) {
            Ok(channel_count) if (1..=allowed).contains(&channel_count) => Ok(Self {
                hz: sample_rate.hz(),
                channel_count,
                format,
            }),
            _ => Err(AudioError::ChannelCount {
                path: path.to_path_buf(),
                given: channel_count,
                allowed: usize::from(allowed),
            }),
        }
    }

    pub(super) fn format(&self) -> SampleFormat {
        self.format
    }

    pub(super) fn channel_count(&self) -> usize {
        usize::from(self.channel_count)
    }

    pub(super) fn frame_bytes(&self) -> u64 {
        u64::from(self.channel_count * (self.bits() / 8))
    }

    fn bits(&self) -> u16 {
        match self.format {
            SampleFormat::Int(bits) | SampleFormat::Float(bits) => bits,
        }
    }

    /// The header of a file whose sound occupies `data_len` bytes. Its own length depends
    /// on the format only.
    pub(super) fn bytes(&self, data_len: u64) -> Vec<u8> {
        let format = self.format_chunk();
        // "WAVE", three chunk headers, two bodies, the sound and its pad byte.
        let riff_len = 4
            + 3 * 8
            + u64::from(WIDE_SIZES_LEN)
            + format.len() as u64
            + data_len.next_multiple_of(2);
        let narrow = u32::try_from(riff_len)
            .ok()
            .zip(u32::try_from(data_len).ok());
        let (riff, riff_narrow, spare, data_narrow) = match narrow {
            Some((riff_len, data_len)) => (b"RIFF", riff_len, b"JUNK", data_len),
            None => (b"RF64", u32::MAX, b"ds64", u32::MAX),
        };
        let mut wide_sizes = [0; WIDE_SIZES_LEN as usize];
        if narrow.is_none() {
            let frames = data_len / self.frame_bytes();
            for (field, value) in wide_sizes
                .chunks_exact_mut(8)
                .zip([riff_len, data_len, frames])
            {
                field.copy_from_slice(&value.to_le_bytes());
            }
        }
        let mut bytes = Vec::new();
        bytes.extend_from_slice(riff);
        bytes.extend_from_slice(&riff_narrow.to_le_bytes());
        bytes.extend_from_slice(b"WAVE");
        push_chunk(&mut bytes, spare, &wide_sizes);
        push_chunk(&mut bytes, b"fmt ", &format);
        bytes.extend_from_slice(b"data");
        bytes.extend_from_slice(&data_narrow.to_le_bytes());
        bytes
    }

    /// The body of the `fmt ` chunk: the 16 bytes every reader knows, and for more than two
    /// channels, as Microsoft asks, the extensible form (no speaker positions assigned).
    fn format_chunk(&self) -> Vec<u8> {
        let codec = match self.format {
            SampleFormat::Int(_) => CODEC_PCM,
            SampleFormat::Float(_) => CODEC_FLOAT,
        };
        let extensible = self.channel_count > 2;
        let frame_bytes = self.frame_bytes() as u16;
        // A 32-bit field that readers ignore; it saturates for absurd rates.
        let byte_rate = self.hz.saturating_mul(u32::from(frame_bytes));
        let mut body = Vec::with_capacity(40);
        let named = if extensible { CODEC_EXTENSIBLE } else { codec };
        body.extend_from_slice(&named.to_le_bytes());
        body.extend_from_slice(&self.channel_count.to_le_bytes());
        body.extend_from_slice(&self.hz.to_le_bytes());
        body.extend_from_slice(&byte_rate.to_le_bytes());
        body.extend_from_slice(&frame_bytes.to_le_bytes());
        body.extend_from_slice(&self.bits().to_le_bytes());
        if extensible {
            body.extend_from_slice(&22u16.to_le_bytes());
            body.extend_from_slice(&self.bits().to_le_bytes());
            body.extend_from_slice(&0u32.to_le_bytes());
            body.extend_from_slice(&codec.to_le_bytes());
            body.extend_from_slice(&REGISTERED_CODEC);
        }
        body
    }
}

fn push_chunk(bytes: &mut Vec<u8>, id: &[u8; 4], body: &[u8]) {
    bytes.extend_from_slice(id);
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stereo_16() -> Header {
        let rate = SampleRate::new(44_100).unwrap();
        Header::new(Path::new("x.wav"), rate, 2, SampleFormat::Int(16)).unwrap()
    }

    #[test]
    fn sizes_that_fit_32_bits_make_a_riff_file() {
        let bytes = stereo_16().bytes(4);
        assert_eq!(bytes.len(), 12 + 8 + 28 + 8 + 16 + 8);
        assert_eq!(&bytes[..4], b"RIFF");
        // All that follows the first 8 bytes, the 4 of sound included.
        assert_eq!(bytes[4..8], (bytes.len() as u32 + 4 - 8).to_le_bytes());
        assert_eq!(bytes[bytes.len() - 4..], 4u32.to_le_bytes());
    }

    #[test]
    fn sizes_beyond_32_bits_make_an_rf64_file_of_the_same_header_length() {
        let data_len = 5_000_000_000;
        let bytes = stereo_16().bytes(data_len);
        assert_eq!(bytes.len(), stereo_16().bytes(4).len());
        assert_eq!(&bytes[..8], b"RF64\xff\xff\xff\xff");
        assert_eq!(&bytes[12..20], b"ds64\x1c\0\0\0");
        assert_eq!(
            bytes[20..28],
            (bytes.len() as u64 + data_len - 8).to_le_bytes()
        );
        assert_eq!(bytes[28..36], data_len.to_le_bytes());
        assert_eq!(bytes[36..44], (data_len / 4).to_le_bytes());
        assert_eq!(&bytes[bytes.len() - 8..], b"data\xff\xff\xff\xff");
    }
}
