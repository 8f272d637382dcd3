//! A sound that stays in its file: whatever is asked for is read again, so that its length does not
//! matter. Of the formats only WAV can be read from anywhere; a sound of another is decoded once and held.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::wav::WavSound;
use super::{AudioReader, NotFinite, Source};
use crate::audio::track::{Samples, Track, Tracks};
use crate::audio::{Audio, AudioError, SampleRate};

/// A sound in its file, samples that are no finite numbers as they are.
pub struct Stored {
    path: PathBuf,
    sample_rate: SampleRate,
    kept: Kept,
}

enum Kept {
    File(Vec<Channel>),
    Held(Audio),
}

impl Stored {
    /// Opens a sound file.
    ///
    /// # Errors
    /// Those of [`super::read`].
    pub fn open(path: &Path) -> Result<Self, AudioError> {
        let reader = AudioReader::open(path)?;
        let (sample_rate, channels) = (reader.sample_rate(), reader.channel_count());
        let kept = match reader.source {
            Source::Wav(source) => {
                let wav = Arc::new(source.stored(channels)?);
                let channel = |number| Channel {
                    wav: wav.clone(),
                    number,
                };
                Kept::File((0..channels).map(channel).collect())
            }
            Source::Compressed(_) => Kept::Held(super::read_as(path, NotFinite::Keep)?.audio),
        };
        Ok(Self {
            path: path.to_path_buf(),
            sample_rate,
            kept,
        })
    }

    /// All channels. What cannot be read any more is silence, and [`check`](Self::check) says so.
    pub fn tracks(&self) -> Tracks<'_> {
        match &self.kept {
            Kept::Held(audio) => audio.tracks(),
            Kept::File(channels) => {
                let tracks = channels.iter().map(|channel| Track::of(channel));
                Tracks::new(self.sample_rate, tracks.collect())
            }
        }
    }

    /// To be asked when all was looked at: whether what was asked for could be read.
    ///
    /// # Errors
    /// The first stretch that could not: the file was cut off meanwhile, a disk is gone.
    pub fn check(&self) -> Result<(), AudioError> {
        let failed = match &self.kept {
            Kept::File(channels) => channels.iter().find_map(|c| c.wav.failed()),
            Kept::Held(_) => None,
        };
        failed.map_or(Ok(()), |source| {
            Err(AudioError::Io {
                path: self.path.clone(),
                source,
            })
        })
    }
}

struct Channel {
    wav: Arc<WavSound>,
    number: usize,
}

impl Samples for Channel {
    fn count(&self) -> usize {
        self.wav.frames()
    }

    fn read(&self, from: usize, out: &mut [f32]) {
        self.wav.read(self.number, from, out);
    }

    fn are_finite(&self) -> bool {
        self.wav.is_finite()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::decode;
    use std::fs::File;

    /// A WAV file of two channels, samples of `bytes` bytes in format `codec`.
    fn write(path: &Path, codec: u16, bytes: u16, sound: &[u8]) {
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        let frame = 2 * bytes;
        file.extend([codec.to_le_bytes(), 2u16.to_le_bytes()].concat());
        file.extend(
            [
                8000u32.to_le_bytes(),
                (8000 * u32::from(frame)).to_le_bytes(),
            ]
            .concat(),
        );
        file.extend([frame.to_le_bytes(), (8 * bytes).to_le_bytes()].concat());
        file.extend(b"data");
        file.extend((sound.len() as u32).to_le_bytes());
        file.extend(sound);
        std::fs::write(path, file).unwrap();
    }

    #[test]
    fn any_stretch_is_what_decoding_the_whole_gives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wav");
        let sound: Vec<u8> = (0..48_000u32).map(|n| (n * n % 251) as u8).collect();
        for (codec, bytes) in [(1, 1), (1, 2), (1, 3), (1, 4), (3, 4), (3, 8)] {
            write(&path, codec, bytes, &sound);
            let stored = Stored::open(&path).unwrap();
            let whole = decode::read_as(&path, NotFinite::Keep).unwrap().audio;
            let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            for (track, channel) in stored.tracks().channels().iter().zip(whole.channels()) {
                assert_eq!(bits(&track.whole()), bits(channel), "{codec} {bytes}");
                let some = 777..1234;
                assert_eq!(bits(&track.read(some.clone())), bits(&channel[some]));
            }
            stored.check().unwrap();
        }
    }

    #[test]
    fn a_file_that_is_cut_off_meanwhile_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wav");
        write(&path, 1, 2, &[7; 4000]);
        let stored = Stored::open(&path).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(1000)
            .unwrap();
        let tracks = stored.tracks();
        assert_ne!(tracks.channels()[0].read(0..10)[9], 0.0);
        stored.check().unwrap();
        assert_eq!(tracks.channels()[1].read(900..1000)[99], 0.0);
        let error = stored.check().unwrap_err().to_string();
        assert!(error.contains("x.wav"), "{error}");
    }
}
