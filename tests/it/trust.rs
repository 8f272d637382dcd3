//! What the program does with files that nobody vouches for: sound that is not finite, AIFF,
//! devices, text that would move the terminal, models under false names.

#[path = "../fuzz/aiff.rs"]
mod aiff;

use crate::support::{Place, Said, noise};
use effigy::audio::decode::{AudioReader, NotFinite, read, read_as};
use effigy::audio::{AudioError, SampleFormat, SampleRate};
use effigy::dsp::resample::{ResampleError, Resampler};
use effigy::formats;
use effigy::network::{Architecture, Layer};
use serde_json::{Value, json};

fn linear(weights: &[f32], rate: u32) -> String {
    json!({
        "version": "0.5.4", "architecture": "Linear", "weights": weights, "sample_rate": rate,
        "config": {"receptive_field": weights.len(), "bias": false},
    })
    .to_string()
}

fn refused(said: &Said, words: &[&str]) {
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(!said.stderr.contains("internal fault"), "{}", said.stderr);
    for word in words {
        assert!(said.stderr.contains(word), "no '{word}' in {}", said.stderr);
    }
}

/// Sound of one bad value at frame 1000, at the model's rate and at another.
#[test]
fn sound_that_is_not_finite_is_refused_by_its_place_or_made_silent() {
    let place = Place::new();
    place.write("id.nam", linear(&[1.0], 8000));
    for hz in [8000, 44_100] {
        for (bad, word) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
            let mut x = noise(2000, 1);
            x[1000] = bad;
            place.wav_at(
                "x.wav",
                vec![noise(2000, 2), x],
                hz,
                SampleFormat::Float(32),
            );
            let infer = ["-q", "infer", "-m", "id.nam", "x.wav", "-o", "y.wav"];
            refused(
                &place.effigy(&infer),
                &["x.wav", "frame 1000 of channel 2", word],
            );
            assert!(!place.path("y.wav").exists());
            let asked = [&infer[..], &["--silence-not-finite"]].concat();
            let said = place.effigy(&asked);
            assert_eq!(said.code, 0, "{}", said.stderr);
            assert!(
                said.stderr.contains("1 samples were infinite"),
                "{}",
                said.stderr
            );
            let wet = read(&place.path("y.wav")).unwrap().audio;
            assert_eq!(wet.len(), 2000);
            std::fs::remove_file(place.path("y.wav")).unwrap();
            if hz == 8000 {
                assert_eq!(wet.channels()[1][1000], 0.0);
            }
        }
    }
}

#[test]
fn a_model_that_overflows_writes_nothing_unless_asked() {
    let place = Place::new();
    place.write("big.nam", linear(&[3e38, 3e38, 3e38], 8000));
    for hz in [8000, 44_100] {
        place.wav_at("x.wav", vec![vec![1.5; 500]], hz, SampleFormat::Float(32));
        let infer = ["-q", "infer", "-m", "big.nam", "x.wav", "-o", "y.wav"];
        refused(&place.effigy(&infer), &["answers", "inf", "channel 1"]);
        assert!(!place.path("y.wav").exists());
        let asked = [&infer[..], &["--silence-not-finite"]].concat();
        assert_eq!(place.effigy(&asked).code, 0);
        read(&place.path("y.wav")).unwrap();
        std::fs::remove_file(place.path("y.wav")).unwrap();
    }
    let evaluate = [
        "-q",
        "evaluate",
        "-m",
        "big.nam",
        "--dry",
        "x.wav",
        "--wet",
        "w.wav",
        "--latency",
        "0",
    ];
    place.wav("x.wav", vec![noise(2000, 6)]);
    place.wav("w.wav", vec![noise(2000, 3)]);
    refused(
        &place.effigy(&evaluate),
        &["big", "inf", "cannot be scored"],
    );
}

#[test]
fn a_resampler_refuses_what_is_not_finite_by_its_place() {
    let rate = |hz| SampleRate::new(hz).unwrap();
    let mut resampler = Resampler::new(rate(44_100), rate(48_000), 1).unwrap();
    let mut out = [Vec::new()];
    resampler.process(&[[0.0f32; 10]], &mut out).unwrap();
    let error = resampler.process(&[[0.0, f32::NAN]], &mut out).unwrap_err();
    let wanted = matches!(
        error,
        ResampleError::NotFinite {
            frame: 11,
            channel: 0,
            ..
        }
    );
    assert!(wanted, "{error}");
}

fn aiff(compression: Option<&[u8; 4]>, channels: u16, bits: u16, data: &[u8]) -> Vec<u8> {
    let header = aiff::Header {
        compression,
        channels,
        bits,
        rate: 44_100,
        frames: (data.len() / usize::from(channels) / usize::from(bits.div_ceil(8))) as u32,
    };
    // An odd text in front, as programs write.
    let text = aiff::chunk(b"NAME", b"odd");
    aiff::file(&header, &[text], data)
}

#[test]
fn aiff_is_read_exactly() {
    let place = Place::new();
    let values = [-1.0f32, -0.5, 0.0, 0.25, 0.5, 0.125];
    let integers = |bytes: usize, big: bool| -> Vec<u8> {
        let scale = 2f64.powi(8 * bytes as i32 - 1);
        let one = |v: &f32| (f64::from(*v) * scale) as i32;
        let each = values.iter().flat_map(|v| {
            let all = one(v).to_be_bytes();
            let mut bytes = all[4 - bytes..].to_vec();
            if !big {
                bytes.reverse();
            }
            bytes
        });
        each.collect()
    };
    let floats: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
    let doubles: Vec<u8> = values
        .iter()
        .flat_map(|v| f64::from(*v).to_be_bytes())
        .collect();
    let (int, float) = (SampleFormat::Int, SampleFormat::Float);
    type Case = (Option<&'static [u8; 4]>, u16, Vec<u8>, SampleFormat);
    let cases: [Case; 9] = [
        (None, 8, integers(1, true), int(8)),
        (None, 16, integers(2, true), int(16)),
        (None, 24, integers(3, true), int(24)),
        (None, 32, integers(4, true), int(32)),
        (Some(b"NONE"), 16, integers(2, true), int(16)),
        (Some(b"sowt"), 16, integers(2, false), int(16)),
        (Some(b"in24"), 24, integers(3, true), int(24)),
        (Some(b"fl32"), 32, floats, float(32)),
        (Some(b"FL64"), 64, doubles, float(64)),
    ];
    for (compression, bits, data, format) in cases {
        for channels in [1u16, 2] {
            let path = place.write("x.aif", aiff(compression, channels, bits, &data));
            let found = read(&path).unwrap_or_else(|e| panic!("{compression:?} {bits}: {e}"));
            let name = format!("{compression:?} {bits} bits, {channels} channels");
            assert_eq!(found.format, format, "{name}");
            assert_eq!(found.audio.sample_rate().hz(), 44_100, "{name}");
            let step = usize::from(channels);
            for (number, channel) in found.audio.channels().iter().enumerate() {
                let wanted: Vec<f32> = values.iter().skip(number).step_by(step).copied().collect();
                assert_eq!(*channel, wanted, "{name}");
            }
            let frames = AudioReader::open(&path).unwrap().frames();
            assert_eq!(frames, Some(6 / u64::from(channels)), "{name}");
        }
    }
}

#[test]
fn aiff_cut_short_or_of_an_unknown_codec_is_refused() {
    let place = Place::new();
    let whole = aiff(None, 1, 16, &[7; 20_000]);
    let path = place.write("x.aiff", &whole[..whole.len() - 500]);
    let error = read(&path).unwrap_err();
    assert!(error.to_string().contains("ends before"), "{error}");
    let path = place.write("x.aifc", aiff(Some(b"ima4"), 1, 16, &[7; 100]));
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("compression"), "{error}");
}

/// A take recorded on a Mac goes through the verbs like any other.
#[test]
fn aiff_goes_where_wav_goes() {
    let place = Place::new();
    let samples = noise(2000, 4);
    let data: Vec<u8> = samples
        .iter()
        .flat_map(|x| ((x * 32_767.0) as i16).to_be_bytes())
        .collect();
    place.write("x.aif", aiff(None, 1, 16, &data));
    place.write("id.nam", linear(&[1.0], 44_100));
    let infer = ["-q", "infer", "-m", "id.nam", "x.aif", "-o", "y.wav"];
    let said = place.effigy(&[&infer[..], &["--format", "f32"]].concat());
    assert_eq!(said.code, 0, "{}", said.stderr);
    let sound = |name: &str| read(&place.path(name)).unwrap().audio;
    assert!(sound("x.aif") == sound("y.wav"));
    let told = place.effigy(&["-q", "infer", "-m", "id.nam", "x.aif", "-o", "y.wav"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert_eq!(
        read(&place.path("y.wav")).unwrap().format,
        SampleFormat::Int(16)
    );
}

#[test]
fn a_size_that_was_never_filled_in_means_up_to_the_end_and_no_sound_is_an_error() {
    let place = Place::new();
    place.wav_at("x.wav", vec![noise(500, 5)], 8000, SampleFormat::Int(16));
    let mut bytes = std::fs::read(place.path("x.wav")).unwrap();
    let sound = bytes.windows(4).position(|w| w == b"data").unwrap() + 8;
    bytes[sound - 4..sound].fill(0);
    let path = place.write("size.wav", &bytes);
    assert_eq!(read(&path).unwrap(), read(&place.path("x.wav")).unwrap());
    // The same zero before a chunk that is no sound.
    bytes.truncate(sound);
    bytes.extend(b"LIST\x04\0\0\0INFO");
    let path = place.write("empty.wav", &bytes);
    assert!(matches!(read(&path), Err(AudioError::Empty { .. })));
    place.write("id.nam", linear(&[1.0], 8000));
    let said = place.effigy(&["-q", "infer", "-m", "id.nam", "empty.wav", "-o", "y.wav"]);
    refused(&said, &["empty.wav", "holds no sound"]);
}

#[test]
fn more_channels_or_a_higher_rate_than_any_recording_are_refused() {
    let place = Place::new();
    place.wav_at(
        "x.wav",
        vec![vec![0.5; 2]; 257],
        8000,
        SampleFormat::Int(16),
    );
    let error = read(&place.path("x.wav")).unwrap_err().to_string();
    assert!(error.contains("257 channels"), "{error}");
    place.wav_at(
        "x.wav",
        vec![vec![0.5; 2]; 256],
        768_000,
        SampleFormat::Int(16),
    );
    read(&place.path("x.wav")).unwrap();
    place.wav_at("x.wav", vec![vec![0.5; 2]], 768_001, SampleFormat::Int(16));
    assert!(read(&place.path("x.wav")).is_err());
}

#[test]
fn a_caller_says_what_becomes_of_samples_that_are_not_finite() {
    let place = Place::new();
    place.wav("x.wav", vec![vec![0.5, f32::NAN, f32::NEG_INFINITY]]);
    let kept = read_as(&place.path("x.wav"), NotFinite::Keep)
        .unwrap()
        .audio;
    assert!(kept.channels()[0][1].is_nan());
    let silent = read_as(&place.path("x.wav"), NotFinite::Silence)
        .unwrap()
        .audio;
    assert_eq!(silent.channels(), [vec![0.5, 0.0, 0.0]]);
    let mut reader = AudioReader::open(&place.path("x.wav")).unwrap();
    reader = reader.not_finite(NotFinite::Silence);
    reader.read_block(&mut Vec::new(), 10).unwrap();
    assert_eq!(reader.silenced(), 2);
}

#[test]
fn what_is_no_model_is_called_what_it_is() {
    let place = Place::new();
    let model = linear(&[1.0], 8000);
    let cases: [(&str, Vec<u8>, &str); 8] = [
        (
            "page",
            b"\n\n<!DOCTYPE html><html></html>".to_vec(),
            "a web page",
        ),
        (
            "zip",
            [b"PK\x03\x04".to_vec(), vec![0; 60]].concat(),
            "a zip archive",
        ),
        (
            "NaN",
            model.replace("[1.0]", "[NaN]").into_bytes(),
            "NaN or Infinity",
        ),
        (
            "infinity",
            model.replace("[1.0]", "[-Infinity]").into_bytes(),
            "NaN or Infinity",
        ),
        ("sound", b"RIFF\0\0\0\0WAVE".to_vec(), "a WAV file"),
        ("nothing", b"".to_vec(), "an empty file"),
        ("UTF-16", b"\xff\xfe{\0}\0".to_vec(), "UTF-16"),
        ("words", b"this mentions NaN only".to_vec(), "not JSON"),
    ];
    for (name, bytes, word) in cases {
        place.write("x.nam", bytes);
        let said = place.effigy(&["inspect", "x.nam"]);
        refused(&said, &["x.nam: not a model file", word]);
        assert_eq!(
            said.stderr.matches(word).count(),
            1,
            "{name}: {}",
            said.stderr
        );
    }
    place.write("x.nam", [b"\xef\xbb\xbf", model.as_bytes()].concat());
    assert_eq!(
        place
            .effigy(&["-q", "inspect", "x.nam", "--no-measure"])
            .code,
        0
    );
}

#[test]
fn rtneural_without_bias_is_read_and_without_layers_refused() {
    let dense = |weights: Value, out: usize, activation: &str| json!({"type": "dense", "activation": activation, "shape": [null, null, out], "weights": weights});
    let file = |layers: Value| json!({"in_shape": [null, null, 1], "layers": layers}).to_string();
    let layers = json!([
        dense(json!([[[0.5, -0.3]], [0.1, 0.2]]), 2, "tanh"),
        dense(json!([[[1.0], [2.0]]]), 1, ""),
    ]);
    let model = formats::read_bytes(file(layers).as_bytes()).unwrap();
    let Architecture::Sequential(read) = &model.network.architecture else {
        panic!("{:?}", model.network);
    };
    let Some(Layer::Conv1d(last)) = read.layers.last() else {
        panic!("{read:?}");
    };
    assert_eq!(
        (last.weight.as_slice(), last.bias.as_slice()),
        (&[1.0, 2.0][..], &[0.0][..])
    );
    let error = formats::read_bytes(file(json!([])).as_bytes())
        .unwrap_err()
        .to_string();
    assert!(error.contains("layers: is empty"), "{error}");
}

#[cfg(unix)]
#[test]
fn only_regular_files_are_read() {
    let place = Place::new();
    for arguments in [
        &["train", "--config", "/dev/zero"][..],
        &["inspect", "/dev/zero"],
        &["convolve", "/dev/zero", "/dev/zero", "-o", "x.wav"],
    ] {
        refused(&place.effigy(arguments), &["/dev/zero"]);
    }
}

#[test]
fn overrides_are_no_deeper_than_configs() {
    let place = crate::support::place("kind = \"conv\"", "epochs = 1");
    let deep = format!("{}=1", vec!["a"; 60_000].join("."));
    let said = place.effigy(&["train", "-c", "t.toml", "--set", &deep]);
    refused(&said, &["60000 tables deep", "at most 16"]);
    assert!(said.stderr.len() < 500);
    let wide = [
        "train",
        "-c",
        "t.toml",
        "--set",
        "model.channels=4096",
        "--set",
        "model.kernel_size=65536",
    ];
    refused(&place.effigy(&wide), &["553648128 weights", "67108864"]);
}

#[test]
fn windows_paths_in_double_quotes_are_named() {
    let place = Place::new();
    for path in [
        "C:\\Users\\me\\dry.wav",
        "D:\\dry.wav",
        "D:\\takes\\nine.wav",
    ] {
        let text = format!(
            "name = \"x\"\n[model]\nkind = \"conv\"\n[[data.train]]\ndry = \"{path}\"\nwet = 'w.wav'\n"
        );
        place.write("t.toml", text);
        let said = place.effigy(&["train", "-c", "t.toml"]);
        refused(&said, &["single quotes", "forward slashes"]);
    }
}

#[test]
fn text_of_foreign_files_does_not_move_the_terminal() {
    let place = Place::new();
    let mut model: Value = serde_json::from_str(&linear(&[1.0], 8000)).unwrap();
    model["metadata"] = json!({"name": "a\u{1b}[2Jb\nerror: c", "gear\u{7}": "\u{9b}31mred"});
    place.write("x.nam", model.to_string());
    let said = place.effigy(&["inspect", "--no-measure", "x.nam"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let moves = |text: &str| text.contains(|c: char| c.is_control() && c != '\n');
    assert!(!moves(&said.stdout), "{:?}", said.stdout);
    assert!(
        said.stdout.contains("a\\u{1b}[2Jb\\u{a}error: c"),
        "{}",
        said.stdout
    );
    model["config"] = json!({"receptive_field": 1, "bias": false, "\u{1b}[2J": 1});
    place.write("x.nam", model.to_string());
    let said = place.effigy(&["inspect", "x.nam"]);
    refused(&said, &["\\u{1b}[2J"]);
    assert!(!moves(&said.stderr), "{:?}", said.stderr);
}
