//! Sound files: everything read is what was written, every bad file is refused with a line
//! that helps, and nothing a file contains can make the reader panic.

use std::f64::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};

use effigy::audio::decode::{AudioReader, NotFinite, read, read_as};
use effigy::audio::encode::{AudioWriter, Dither, write};
use effigy::audio::{Audio, AudioError, SampleFormat, SampleRate};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::{TempDir, tempdir};

const PCM: u16 = 1;
const FLOAT: u16 = 3;

fn rate(hz: u32) -> SampleRate {
    SampleRate::new(hz).unwrap()
}

/// The body of a plain format chunk.
fn format_chunk(codec: u16, channels: u16, hz: u32, bits: u16) -> Vec<u8> {
    let frame_bytes = channels * bits.div_ceil(8);
    let mut body = Vec::new();
    for field in [codec, channels] {
        body.extend(field.to_le_bytes());
    }
    for field in [hz, hz.wrapping_mul(u32::from(frame_bytes))] {
        body.extend(field.to_le_bytes());
    }
    for field in [frame_bytes, bits] {
        body.extend(field.to_le_bytes());
    }
    body
}

fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_vec();
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(body);
    bytes.extend(vec![0; body.len() % 2]);
    bytes
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((body.len() as u32 + 4).to_le_bytes());
    bytes.extend(b"WAVE");
    bytes.extend(body);
    bytes
}

/// A plain mono 16-bit file at 8 kHz.
fn mono_16(samples: &[i16]) -> Vec<u8> {
    riff(&[
        chunk(b"fmt ", &format_chunk(PCM, 1, 8000, 16)),
        chunk(b"data", &le_16(samples)),
    ])
}

fn le_16(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|s| s.to_le_bytes()).collect()
}

/// A folder with one file in it.
fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn read_bytes(bytes: &[u8]) -> Result<Vec<Vec<f32>>, AudioError> {
    let (_dir, path) = file("x.wav", bytes);
    read(&path).map(|recording| recording.audio.into_channels())
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/audio")
        .join(name)
}

fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
}

#[test]
fn every_linear_coding_decodes_to_exact_fractions() {
    let cases: [(u16, u16, Vec<u8>, [f32; 3]); 6] = [
        (PCM, 8, vec![0, 128, 255], [-1.0, 0.0, 127.0 / 128.0]),
        (
            PCM,
            16,
            le_16(&[-32768, 1, 32767]),
            [-1.0, 1.0 / 32768.0, 32767.0 / 32768.0],
        ),
        (
            PCM,
            24,
            vec![0, 0, 0x80, 1, 0, 0, 0xff, 0xff, 0x7f],
            [-1.0, 1.0 / 8_388_608.0, 8_388_607.0 / 8_388_608.0],
        ),
        (
            PCM,
            32,
            [i32::MIN, 1 << 20, i32::MAX]
                .iter()
                .flat_map(|s| s.to_le_bytes())
                .collect(),
            // The last has 31 bits, an f32 keeps 24: rounded to nearest, which is 1.
            [-1.0, 1.0 / 2048.0, 1.0],
        ),
        (
            FLOAT,
            32,
            [-1.5f32, 1e-40, f32::INFINITY]
                .iter()
                .flat_map(|s| s.to_le_bytes())
                .collect(),
            [-1.5, 1e-40, f32::INFINITY],
        ),
        (
            FLOAT,
            64,
            [-0.25f64, 0.1, f64::NEG_INFINITY]
                .iter()
                .flat_map(|s| s.to_le_bytes())
                .collect(),
            [-0.25, 0.1, f32::NEG_INFINITY],
        ),
    ];
    for (codec, bits, data, expected) in cases {
        let bytes = riff(&[
            chunk(b"fmt ", &format_chunk(codec, 1, 96_000, bits)),
            chunk(b"data", &data),
        ]);
        let (_dir, path) = file("x.wav", &bytes);
        let recording = read_as(&path, NotFinite::Keep).unwrap();
        let format = if codec == PCM {
            SampleFormat::Int(bits)
        } else {
            SampleFormat::Float(bits)
        };
        assert_eq!(recording.format, format);
        assert_eq!(recording.audio.sample_rate(), rate(96_000));
        assert_eq!(recording.audio.channels(), [expected.to_vec()], "{format}");
    }
}

#[test]
fn an_extensible_header_is_read_by_its_inner_codec_and_valid_bits() {
    let extensible = |codec: u16, bits: u16, valid: u16| {
        let mut body = format_chunk(0xfffe, 3, 48_000, bits);
        body.extend([22, 0]);
        body.extend(valid.to_le_bytes());
        body.extend([0; 4]);
        body.extend(codec.to_le_bytes());
        body.extend(b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71");
        chunk(b"fmt ", &body)
    };
    let samples = [0.5f32, -0.25, 0.125];
    let floats: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let integers: Vec<u8> = samples
        .iter()
        .flat_map(|s| ((s * 2f32.powi(31)) as i32).to_le_bytes())
        .collect();
    for (header, data, format) in [
        (extensible(FLOAT, 32, 32), &floats, SampleFormat::Float(32)),
        (extensible(PCM, 32, 32), &integers, SampleFormat::Int(32)),
        (extensible(PCM, 32, 24), &integers, SampleFormat::Int(24)),
    ] {
        let (_dir, path) = file("x.wav", &riff(&[header, chunk(b"data", data)]));
        let recording = read(&path).unwrap();
        assert_eq!(recording.format, format);
        assert_eq!(recording.audio.channels(), samples.map(|s| vec![s]));
    }
}

/// hound is the oracle: an independent writer and reader of the formats it knows.
#[test]
fn what_hound_writes_is_read_and_what_is_written_hound_reads() {
    let dir = tempdir().unwrap();
    let (theirs, ours) = (dir.path().join("theirs.wav"), dir.path().join("ours.wav"));
    for bits in [8u16, 16, 24, 32] {
        for channels in [1u16, 2, 5] {
            let full = 2f64.powi(i32::from(bits) - 1);
            let integers: Vec<i32> = noise(40 * usize::from(channels), 1)
                .iter()
                .map(|&s| (f64::from(s) * full) as i32)
                .collect();
            let spec = hound::WavSpec {
                channels,
                sample_rate: 44_100,
                bits_per_sample: bits,
                sample_format: hound::SampleFormat::Int,
            };
            let mut writer = hound::WavWriter::create(&theirs, spec).unwrap();
            for &integer in &integers {
                writer.write_sample(integer).unwrap();
            }
            writer.finalize().unwrap();

            let recording = read(&theirs).unwrap();
            assert_eq!(recording.format, SampleFormat::Int(bits));
            for (number, channel) in recording.audio.channels().iter().enumerate() {
                let expected: Vec<f32> = integers[number..]
                    .iter()
                    .step_by(usize::from(channels))
                    .map(|&i| (f64::from(i) / full) as f32)
                    .collect();
                assert_eq!(channel, &expected, "{bits} bits, channel {number}");
            }

            let mut writer =
                AudioWriter::create(&ours, rate(44_100), channels.into(), recording.format)
                    .unwrap()
                    .with_dither(Dither::None);
            writer.write_block(recording.audio.channels()).unwrap();
            assert_eq!(writer.finish().unwrap().frames, 40);
            let mut reader = hound::WavReader::open(&ours).unwrap();
            assert_eq!(reader.spec(), spec);
            let read_back: Vec<i32> = reader.samples().map(Result::unwrap).collect();
            if bits < 32 {
                assert_eq!(read_back, integers);
            } else {
                assert_eq!(read(&ours).unwrap(), recording);
            }
        }
    }
}

#[test]
fn float_files_keep_every_bit() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("deep/er/x.wav");
    let samples = vec![0.1, -3.5, f32::MIN_POSITIVE / 2.0, f32::NAN, f32::INFINITY];
    for bits in [32, 64] {
        let audio = Audio::mono(rate(50_000), samples.clone());
        write(&path, &audio, SampleFormat::Float(bits)).unwrap();
        let recording = read_as(&path, NotFinite::Keep).unwrap();
        assert_eq!(recording.format, SampleFormat::Float(bits));
        let bits_of = |s: &[f32]| s.iter().map(|s| s.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits_of(&recording.audio.channels()[0]), bits_of(&samples));
    }
    let mut hound = hound::WavReader::open({
        write(
            &path,
            &Audio::mono(rate(8000), vec![0.5, -2.0]),
            SampleFormat::Float(32),
        )
        .unwrap();
        &path
    })
    .unwrap();
    let read_back: Vec<f32> = hound.samples().map(Result::unwrap).collect();
    assert_eq!(read_back, [0.5, -2.0]);
}

#[test]
fn chunks_before_and_after_the_sound_do_not_disturb_it() {
    let samples = [1i16, -2, 3];
    let expected = [1.0f32, -2.0, 3.0].map(|s| s / 32768.0).to_vec();
    let format = chunk(b"fmt ", &format_chunk(PCM, 1, 8000, 16));
    let data = chunk(b"data", &le_16(&samples));
    let odd_unpadded = b"id3 \x03\0\0\0abc".to_vec();
    let long_format = {
        let mut body = format_chunk(PCM, 1, 8000, 16);
        body.extend([0; 31]);
        chunk(b"fmt ", &body)
    };
    let list = chunk(b"LIST", b"INFOISFT\x05\0\0\0abcd");
    for (what, bytes) in [
        (
            "junk first, odd chunks between",
            riff(&[
                chunk(b"JUNK", &[0; 28]),
                chunk(b"CDif", &[7; 13]),
                format.clone(),
                list.clone(),
                data.clone(),
            ]),
        ),
        (
            "odd chunk without its pad byte",
            riff(&[odd_unpadded, format.clone(), data.clone()]),
        ),
        (
            "a format chunk of odd length with extra bytes",
            riff(&[long_format, data.clone()]),
        ),
        (
            "tags and garbage after the sound",
            [
                riff(&[format.clone(), data.clone(), list]),
                b"TAG garbage".to_vec(),
            ]
            .concat(),
        ),
    ] {
        let channels = read_bytes(&bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(channels.len(), 1, "{what}");
        assert_eq!(channels[0], expected, "{what}");
    }
}

#[test]
fn sizes_left_open_by_pipes_and_killed_writers_mean_up_to_the_end() {
    let plain = mono_16(&[1, 2, 3]);
    let with_sizes = |riff_len: u32, data_len: u32| {
        let mut bytes = plain.clone();
        bytes[4..8].copy_from_slice(&riff_len.to_le_bytes());
        bytes[40..44].copy_from_slice(&data_len.to_le_bytes());
        bytes
    };
    for (riff_len, data_len) in [
        (u32::MAX, u32::MAX),
        (0, 0),
        (36, 0),
        (0x7fff_f024, 0x7fff_f000),
        (0x8000_0024, 0x8000_0000),
    ] {
        let channels = read_bytes(&with_sizes(riff_len, data_len)).unwrap();
        assert_eq!(channels[0].len(), 3, "{riff_len:#x} {data_len:#x}");
    }
    // The same zero where the size of the whole says that there is more: no sound is meant.
    let error = read_bytes(&with_sizes(plain.len() as u32 - 8, 0)).unwrap_err();
    assert!(matches!(error, AudioError::Empty { .. }), "{error}");
}

#[test]
fn rf64_takes_its_size_from_ds64() {
    let mut sizes = [0u8; 28];
    sizes[8..16].copy_from_slice(&4u64.to_le_bytes());
    let mut bytes = riff(&[
        chunk(b"ds64", &sizes),
        chunk(b"fmt ", &format_chunk(PCM, 1, 8000, 16)),
        chunk(b"data", &le_16(&[5, 6])),
        chunk(b"LIST", b"INFO"),
    ]);
    bytes[..8].copy_from_slice(b"RF64\xff\xff\xff\xff");
    let at = bytes.windows(4).position(|w| w == b"data").unwrap();
    bytes[at + 4..at + 8].copy_from_slice(&[0xff; 4]);
    assert_eq!(read_bytes(&bytes).unwrap()[0].len(), 2);
}

#[test]
fn every_bad_file_is_refused_with_a_line_that_names_the_file_and_the_reason() {
    let plain = mono_16(&[1, 2, 3]);
    let with_format =
        |body: Vec<u8>| riff(&[chunk(b"fmt ", &body), chunk(b"data", &le_16(&[1, 2]))]);
    let cases: [(&str, Vec<u8>, &str); 22] = [
        ("nothing", vec![], "holds no sound (0 bytes)"),
        (
            "text",
            b"Hello, world".to_vec(),
            "it begins with \"Hello, world\"",
        ),
        (
            "AVI",
            b"RIFF\x04\0\0\0AVI ".to_vec(),
            "a RIFF file of type \"AVI \"",
        ),
        ("AIFF", b"FORM\0\0\0\0AIFF".to_vec(), "aiff"),
        ("IFF", b"FORM\0\0\0\08SVX".to_vec(), "no AIFF"),
        ("MP4", b"\0\0\0\x20ftypM4A ".to_vec(), "MP4"),
        ("8 bytes", plain[..8].to_vec(), "within the first 12 bytes"),
        (
            "12 bytes",
            plain[..12].to_vec(),
            "no format (\"fmt \") and no sound",
        ),
        (
            "cut in the format",
            plain[..30].to_vec(),
            "at least 16 are needed",
        ),
        (
            "cut before the sound",
            plain[..40].to_vec(),
            "no sound (\"data\")",
        ),
        (
            "cut in the sound",
            plain[..47].to_vec(),
            "promises 3 frames but ends after 1",
        ),
        (
            "no format",
            riff(&[chunk(b"data", &[0; 4])]),
            "before its format",
        ),
        ("0 frames", mono_16(&[]), "holds no sound (0 frames)"),
        (
            "0 channels",
            with_format(format_chunk(PCM, 0, 8000, 16)),
            "0 channels",
        ),
        ("0 Hz", with_format(format_chunk(PCM, 1, 0, 16)), "0 Hz"),
        (
            "0 bits",
            with_format(format_chunk(PCM, 1, 8000, 0)),
            "frames of 0 bytes",
        ),
        (
            "40 bits",
            with_format(format_chunk(PCM, 1, 8000, 40)),
            "40-bit integer",
        ),
        (
            "half floats",
            with_format(format_chunk(FLOAT, 1, 8000, 16)),
            "16-bit float",
        ),
        (
            "ADPCM",
            with_format(format_chunk(2, 1, 8000, 4)),
            "Microsoft ADPCM (codec 0x0002)",
        ),
        (
            "A-law",
            with_format(format_chunk(6, 1, 8000, 8)),
            "A-law (codec 0x0006)",
        ),
        (
            "unknown codec",
            with_format(format_chunk(0x1234, 1, 8000, 8)),
            "codec 0x1234",
        ),
        (
            "extensible, short",
            with_format(format_chunk(0xfffe, 1, 8000, 16)),
            "40 are needed",
        ),
    ];
    for (what, bytes, reason) in cases {
        let message = read_bytes(&bytes).expect_err(what).to_string();
        assert!(message.contains("x.wav: "), "{what}: {message}");
        assert!(message.contains(reason), "{what}: {message}");
        assert_eq!(message.lines().count(), 1, "{what}: {message}");
    }
    let dir = tempdir().unwrap();
    let message = read(dir.path()).unwrap_err().to_string();
    assert!(message.contains("is a folder"), "{message}");
    // The chain as the command line prints it: the reason once.
    let missing = anyhow::Error::new(read(&dir.path().join("no.wav")).unwrap_err());
    let message = format!("{missing:#}");
    assert!(message.contains("no.wav: No such file"), "{message}");
    assert_eq!(message.matches("No such file").count(), 1, "{message}");
}

/// `tests/fixtures/audio/make.py`'s sound.
fn tone(frequency: f64, level: f64, len: usize) -> Vec<f64> {
    (0..len)
        .map(|n| level * (TAU * frequency * n as f64 / 44_100.0).sin())
        .collect()
}

/// Error power over signal power, leaving `edge` samples out at both ends.
fn relative_error(samples: &[f32], expected: &[f64], edge: usize) -> f64 {
    let inner = edge..expected.len() - edge;
    let error: f64 = inner
        .clone()
        .map(|n| (f64::from(samples[n]) - expected[n]).powi(2))
        .sum();
    error / expected[inner].iter().map(|e| e * e).sum::<f64>()
}

#[test]
fn compressed_files_give_the_sound_in_its_place() {
    // FLAC is exact up to the rounding of its maker: half a step on tones of at least 0.25.
    // MP3 and Vorbis change the sound, but one sample of shift would by itself be an error
    // of (TAU 441/44100)² = 4e-3 on the left; on the right, four times that.
    for (name, format, tolerance) in [
        ("tone.flac", SampleFormat::Int(16), 1e-8),
        ("tone-24.flac", SampleFormat::Int(24), 2e-13),
        ("tone.ogg", SampleFormat::Float(32), 1e-3),
        ("tone.mp3", SampleFormat::Float(32), 1e-3),
    ] {
        let recording = read(&fixture(name)).unwrap();
        let audio = &recording.audio;
        assert_eq!(recording.format, format, "{name}");
        assert_eq!(audio.sample_rate(), rate(44_100), "{name}");
        assert_eq!(audio.len(), 11_025, "{name}");
        assert_eq!(audio.channels().len(), 2, "{name}");
        for (channel, (frequency, level)) in
            audio.channels().iter().zip([(441., 0.5), (882., 0.25)])
        {
            let error = relative_error(channel, &tone(frequency, level, audio.len()), 1152);
            eprintln!("{name}: error {error:.2e}");
            assert!(error < tolerance, "{name}: error {error:.2e}");
        }
    }
}

#[test]
fn flac_samples_are_the_integers_that_were_stored() {
    let recording = read(&fixture("tone.flac")).unwrap();
    for (channel, (frequency, level)) in recording
        .audio
        .channels()
        .iter()
        .zip([(441., 0.5), (882., 0.25)])
    {
        let expected: Vec<f32> = tone(frequency, level, 11_025)
            .iter()
            .map(|s| ((s * 32768.0).round_ties_even() / 32768.0) as f32)
            .collect();
        assert_eq!(channel, &expected);
    }
}

#[test]
fn a_flac_cut_short_and_an_opus_file_are_refused() {
    let bytes = fs::read(fixture("tone.flac")).unwrap();
    let (_dir, path) = file("cut.flac", &bytes[..bytes.len() * 2 / 3]);
    let error = read(&path).unwrap_err();
    assert!(
        matches!(
            error,
            AudioError::Truncated {
                promised: 11_025,
                ..
            }
        ),
        "{error}"
    );
    let error = read(&fixture("opus.ogg")).unwrap_err().to_string();
    assert!(error.contains("stored as Opus"), "{error}");
}

#[test]
fn reading_in_blocks_of_any_length_is_reading_the_whole() {
    let dir = tempdir().unwrap();
    let wav = dir.path().join("x.wav");
    let audio = Audio::new(rate(44_100), vec![noise(1000, 1), noise(1000, 2)]).unwrap();
    write(&wav, &audio, SampleFormat::Int(24)).unwrap();
    for path in [
        wav,
        fixture("tone.flac"),
        fixture("tone.ogg"),
        fixture("tone.mp3"),
    ] {
        let whole = read(&path).unwrap().audio;
        for max_frames in [1, 7, 333, 1 << 20] {
            let mut reader = AudioReader::open(&path).unwrap();
            assert_eq!(reader.frames(), Some(whole.len() as u64), "{path:?}");
            let mut channels = vec![Vec::new(); reader.channel_count()];
            let mut block = vec![vec![9.0; 5]; 7];
            loop {
                let frames = reader.read_block(&mut block, max_frames).unwrap();
                assert_eq!(block.len(), channels.len());
                for (channel, part) in channels.iter_mut().zip(&block) {
                    assert_eq!(part.len(), frames);
                    channel.extend_from_slice(part);
                }
                if frames < max_frames {
                    break;
                }
            }
            assert_eq!(reader.read_block(&mut block, max_frames).unwrap(), 0);
            assert_eq!(channels, whole.channels(), "{path:?} by {max_frames}");
        }
    }
}

#[test]
fn the_file_does_not_depend_on_the_blocks_it_was_written_in() {
    let dir = tempdir().unwrap();
    let channels = [noise(500, 3), noise(500, 4)];
    let written_by = |block_len: usize| {
        let path = dir.path().join("x.wav");
        let mut writer =
            AudioWriter::create(&path, rate(44_100), 2, SampleFormat::Int(16)).unwrap();
        for at in (0..500).step_by(block_len) {
            let end = (at + block_len).min(500);
            let block = channels.each_ref().map(|c| &c[at..end]);
            writer.write_block(&block).unwrap();
        }
        writer.finish().unwrap();
        fs::read(&path).unwrap()
    };
    let whole = written_by(500);
    for block_len in [1, 7, 64] {
        assert!(written_by(block_len) == whole, "blocks of {block_len}");
    }
}

#[test]
fn a_writer_tells_what_it_clipped_refuses_what_it_cannot_store_and_leaves_nothing() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("x.wav");
    let create = |format| AudioWriter::create(&path, rate(8000), 1, format);

    let mut writer = create(SampleFormat::Int(16)).unwrap();
    writer.write_block(&[[0.5, 1.0, 1.01, -7.0]]).unwrap();
    let written = writer.finish().unwrap();
    assert_eq!((written.frames, written.clipped), (4, 2));
    let clipped = read(&path).unwrap().audio.into_channels().remove(0);
    assert_eq!(clipped[2..], [32767.0 / 32768.0, -1.0]);
    fs::remove_file(&path).unwrap();

    let mut writer = create(SampleFormat::Int(24)).unwrap();
    writer.write_block(&[[0.0; 10]]).unwrap();
    let error = writer
        .write_block(&[[0.0, f32::NAN]])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("frame 11 of channel 0 is not a number"),
        "{error}"
    );
    let error = writer.write_block(&[[0.0], [0.0]]).unwrap_err().to_string();
    assert!(
        error.contains("1 channels and got a block with 2"),
        "{error}"
    );
    drop(writer);
    let error = create(SampleFormat::Float(16)).err().unwrap().to_string();
    assert!(
        error.contains("cannot be written as 16-bit float"),
        "{error}"
    );
    let error = AudioWriter::create(&path, rate(8000), 0, SampleFormat::Int(8));
    let error = error.err().unwrap().to_string();
    assert!(
        error.contains("cannot be written with 0 channels"),
        "{error}"
    );
    let error = AudioWriter::create(dir.path(), rate(8000), 1, SampleFormat::Int(8));
    let error = format!("{:#}", anyhow::Error::from(error.err().unwrap()));
    assert!(error.contains("is a folder"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// Ogg's checksum: CRC-32 with polynomial 0x04c11db7, unreflected, from 0.
fn ogg_checksum(page: &[u8]) -> u32 {
    page.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc: u32, _| {
            (crc << 1) ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

/// Makes the checksums of an Ogg file's pages right again, so that changes reach the decoder.
fn mend_ogg(bytes: &mut [u8]) {
    let mut start = 0;
    while bytes.len() > start + 27 && &bytes[start..start + 4] == b"OggS" {
        let body = start + 27 + usize::from(bytes[start + 26]);
        let lengths = bytes.get(start + 27..body).unwrap_or_default();
        let end = body + lengths.iter().map(|l| usize::from(*l)).sum::<usize>();
        let Some(page) = bytes.get_mut(start..end) else {
            return;
        };
        page[22..26].fill(0);
        let checksum = ogg_checksum(page);
        page[22..26].copy_from_slice(&checksum.to_le_bytes());
        start = end;
    }
}

/// Changes of valid small files, half of them in the header, must give a sound or an error.
#[test]
fn no_change_of_a_file_makes_the_reader_panic() {
    let float = riff(&[
        chunk(b"fmt ", &format_chunk(FLOAT, 2, 44_100, 64)),
        chunk(b"data", &[0x3f; 64]),
    ]);
    let start = |name: &str, len: usize| {
        let bytes = fs::read(fixture(name)).unwrap();
        bytes[..len.min(bytes.len())].to_vec()
    };
    let seeds = [
        (mono_16(&[1, 2, 3, 4]), 64, 2000),
        (float, 64, 1000),
        (start("tone.flac", 1200), 64, 1000),
        (start("tone.ogg", 6000), 4500, 1500),
        (start("tone.mp3", 1500), 64, 1000),
    ];
    let dir = tempdir().unwrap();
    let path = dir.path().join("x");
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    for (seed, header, rounds) in &seeds {
        for _ in 0..*rounds {
            let mut bytes = seed.clone();
            for _ in 0..rng.random_range(1..6) {
                // Half of all changes hit the header.
                let reach = if rng.random() { *header } else { bytes.len() };
                let at = rng.random_range(0..bytes.len().min(reach));
                bytes[at] = *[0, 1, 0x7f, 0x80, 0xff, rng.random()]
                    .get(rng.random_range(0..6))
                    .unwrap();
            }
            mend_ogg(&mut bytes);
            if rng.random_range(0..4) == 0 {
                bytes.truncate(rng.random_range(0..bytes.len()));
            }
            fs::write(&path, &bytes).unwrap();
            let _ = read(&path);
            // Overwriting instead makes ext4 flush to disk each time.
            fs::remove_file(&path).unwrap();
        }
    }
}
