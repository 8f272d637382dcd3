//! FLAC, MP3, OGG Vorbis and AIFF, through symphonia.
//!
//! Every fault in the stream is an error: a dropped packet would shift all that follows, and
//! a wet recording shifted against its dry one teaches a network nothing. MP3's and Vorbis'
//! encoder delay and padding are removed where the file tells them. symphonia asserts on some
//! contradictory headers (0.6.1 on Vorbis codebooks, for one); such a panic is caught here
//! and becomes an error like any other.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use symphonia::core::codecs::audio::well_known::{CODEC_ID_PCM_F32BE, CODEC_ID_PCM_F64BE};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use super::properties::Properties;
use crate::audio::{AudioError, SampleFormat, SampleRate};

/// The samples of an open compressed file.
pub(super) struct CompressedSource {
    path: PathBuf,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track_id: u32,
    /// Frames the header promises, where that is exact.
    promised: Option<u64>,
    /// Frames decoded so far.
    decoded: u64,
    /// The rate and channel count of the first packet, which all others must share.
    layout: Option<(u32, usize)>,
    /// The last decoded packet, one vector per channel.
    packet: Vec<Vec<f32>>,
    /// How many frames of `packet` have been handed out.
    taken: usize,
}

impl CompressedSource {
    /// Reads the header and the first packet.
    pub(super) fn open(file: File, path: &Path) -> Result<(Properties, Self), AudioError> {
        guarded(path, || Self::open_unguarded(file, path))
    }

    fn open_unguarded(file: File, path: &Path) -> Result<(Properties, Self), AudioError> {
        let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
        let format = symphonia::default::get_probe()
            .probe(
                &Hint::new(),
                stream,
                FormatOptions::default(),
                MetadataOptions::default(),
            )
            .map_err(|e| unreadable(e, path))?;
        let (track_id, promised, params) = sound_track(format.as_ref(), path)?;
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(&params, &AudioDecoderOptions::default())
            .map_err(|e| unreadable(e, path))?;
        let mut source = Self {
            path: path.to_path_buf(),
            format,
            decoder,
            track_id,
            promised,
            decoded: 0,
            layout: None,
            packet: Vec::new(),
            taken: 0,
        };
        source.next_packet()?;
        let Some((hz, channel_count)) = source.layout else {
            return Err(AudioError::Empty {
                path: path.to_path_buf(),
                what: "0 frames",
            });
        };
        let sample_rate = match SampleRate::new(hz) {
            Some(rate) if channel_count > 0 => rate,
            _ => {
                return Err(
                    source.damaged(format!("it declares {channel_count} channels at {hz} Hz"))
                );
            }
        };
        let format = match params.bits_per_sample {
            // Only lossless coding of integers states the bits of its samples.
            Some(bits @ 1..=32) => SampleFormat::Int(8 * bits.div_ceil(8) as u16),
            _ if params.codec == CODEC_ID_PCM_F64BE => SampleFormat::Float(64),
            _ => SampleFormat::Float(32),
        };
        let properties = Properties {
            sample_rate,
            channel_count,
            format,
            frames: promised,
        };
        Ok((properties, source))
    }

    /// Appends up to `max_frames` frames to the channels of `block`.
    pub(super) fn read_block(
        &mut self,
        block: &mut [Vec<f32>],
        max_frames: usize,
    ) -> Result<usize, AudioError> {
        let mut frames = 0;
        while frames < max_frames {
            if self.taken == self.packet_len() {
                let path = self.path.clone();
                if !guarded(&path, || self.next_packet())? {
                    break;
                }
            }
            let count = (max_frames - frames).min(self.packet_len() - self.taken);
            for (channel, decoded) in block.iter_mut().zip(&self.packet) {
                channel.extend_from_slice(&decoded[self.taken..self.taken + count]);
            }
            self.taken += count;
            frames += count;
        }
        Ok(frames)
    }

    fn packet_len(&self) -> usize {
        self.packet.first().map_or(0, Vec::len)
    }

    /// Decodes the next packet that holds sound; `false` at the end of the file.
    fn next_packet(&mut self) -> Result<bool, AudioError> {
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track_id => packet,
                Ok(Some(_)) => continue,
                Ok(None) => return self.check_end(),
                Err(Error::IoError(e)) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    return self.check_end();
                }
                Err(e) => return Err(unreadable(e, &self.path)),
            };
            let decoded = self
                .decoder
                .decode(&packet)
                .map_err(|e| unreadable(e, &self.path))?;
            let layout = (decoded.spec().rate(), decoded.spec().channels().count());
            if *self.layout.get_or_insert(layout) != layout {
                return Err(self.damaged("its rate or channels change midway".into()));
            }
            decoded.copy_to_vecs_planar(&mut self.packet);
            self.taken = 0;
            self.decoded += self.packet_len() as u64;
            if self.packet_len() > 0 {
                return Ok(true);
            }
        }
    }

    /// Nothing is left: is that where the header says?
    fn check_end(&mut self) -> Result<bool, AudioError> {
        match self.promised {
            Some(promised) if self.decoded < promised => Err(AudioError::Truncated {
                path: self.path.clone(),
                promised,
                found: self.decoded,
            }),
            _ => Ok(false),
        }
    }

    fn damaged(&self, what: String) -> AudioError {
        AudioError::Damaged {
            path: self.path.clone(),
            what,
        }
    }
}

/// Turns a panic of the decoder into an error. What it left half done is not used again:
/// callers drop a reader that failed.
fn guarded<T>(
    path: &Path,
    decode: impl FnOnce() -> Result<T, AudioError>,
) -> Result<T, AudioError> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| {
        Err(AudioError::Damaged {
            path: path.to_path_buf(),
            what: "its headers contradict each other".into(),
        })
    })
}

/// The track to decode, its exact number of frames where known, and its codec.
fn sound_track(
    format: &dyn FormatReader,
    path: &Path,
) -> Result<(u32, Option<u64>, AudioCodecParameters), AudioError> {
    let track = format.default_track(TrackType::Audio);
    let params = track.and_then(|t| t.codec_params.as_ref()?.audio());
    match (track, params) {
        (Some(track), Some(params)) => Ok((track.id, exact_frames(track, params), params.clone())),
        _ => Err(AudioError::Unsupported {
            path: path.to_path_buf(),
            codec: "a container without a sound track known here".into(),
        }),
    }
}

/// Frames after trimming, unless the number is an estimate.
fn exact_frames(track: &Track, params: &AudioCodecParameters) -> Option<u64> {
    // MP3 tells its length only in an encoder's tag, which also tells the delay; without
    // one, symphonia estimates it from the bit rate.
    let floats = [CODEC_ID_PCM_F32BE, CODEC_ID_PCM_F64BE];
    let lossless = params.bits_per_sample.is_some() || floats.contains(&params.codec);
    track
        .num_frames
        .filter(|&frames| frames > 0 && (lossless || track.delay.is_some()))
}

fn unreadable(error: Error, path: &Path) -> AudioError {
    let path = path.to_path_buf();
    match error {
        Error::IoError(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
            AudioError::Damaged {
                path,
                what: "it ends before its header says".into(),
            }
        }
        Error::IoError(source) => AudioError::Io { path, source },
        Error::Unsupported(feature) => AudioError::Unsupported {
            path,
            codec: format!("a codec or container unknown here ({feature})"),
        },
        other => AudioError::Damaged {
            path,
            what: other.to_string(),
        },
    }
}
