//! Valid files to mutate: small, of every kind that a reader knows, made here or kept with the
//! other tests.

use crate::aiff;
use effigy_base::audio::{Audio, AudioChannels, SampleFormat, SampleRate, encode};
use effigy_base::formats;
use effigy_base::network::{Architecture, Conv1d, Layer, Network, Sequential};
use effigy_base::regress::baseline::{Baseline, SavedBaseline};
use serde_json::Map;
use std::path::{Path, PathBuf};

/// The seeds of a reader.
pub fn of(reader: &str) -> Vec<Vec<u8>> {
    match reader {
        "wav" => wav(),
        "aiff" => aiffs(),
        "compressed" => ["tone.flac", "tone-24.flac", "tone.mp3", "tone.ogg"]
            .map(|name| kept(&format!("tests/fixtures/audio/{name}")))
            .to_vec(),
        "json-model" => json_models(),
        "binary-model" => json_models().iter().filter_map(|m| binary(m)).collect(),
        "safetensors" => {
            let mono = json_models().into_iter().filter_map(|m| header(&m));
            mono.chain([header_of(&stereo())].into_iter().flatten())
                .collect()
        }
        "config" => configs(),
        "baseline" => baselines(),
        other => panic!("no seeds for {other}"),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn kept(name: &str) -> Vec<u8> {
    std::fs::read(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn samples(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i as f32 * 0.37).sin() * 0.5).collect()
}

/// What a writer leaves in a file of its own.
fn written(name: &str, write: impl FnOnce(&Path)) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    write(&path);
    std::fs::read(path).unwrap()
}

fn wav() -> Vec<Vec<u8>> {
    let rate = SampleRate::new(44_100).unwrap();
    let formats = [8, 16, 24, 32].map(SampleFormat::Int);
    let formats = formats.into_iter().chain([32, 64].map(SampleFormat::Float));
    let mut seeds: Vec<Vec<u8>> = formats
        .map(|format| {
            let audio = Audio::new(rate, vec![samples(40); 2]).unwrap();
            written("x.wav", |path| encode::write(path, &audio, format).unwrap())
        })
        .collect();
    // The first 16-bit one again with its size in a ds64 chunk, and behind an odd chunk.
    let plain = seeds[1].clone();
    let mut wide = b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0".to_vec();
    let mut sizes = [0u8; 28];
    sizes[8..16].copy_from_slice(&160u64.to_le_bytes());
    wide.extend(sizes);
    wide.extend(&plain[12..]);
    seeds.push(wide);
    let mut odd = plain[..12].to_vec();
    odd.extend(b"LIST\x03\0\0\0abc\0");
    odd.extend(&plain[12..]);
    seeds.push(odd);
    seeds
}

fn aiffs() -> Vec<Vec<u8>> {
    let kinds: [(Option<&[u8; 4]>, u16); 8] = [
        (None, 8),
        (None, 16),
        (None, 24),
        (None, 32),
        (Some(b"sowt"), 16),
        (Some(b"fl32"), 32),
        (Some(b"fl64"), 64),
        (Some(b"alaw"), 16),
    ];
    let seeds = kinds.map(|(compression, bits)| {
        let data: Vec<u8> = (0..320u32).map(|i| (i * 7) as u8).collect();
        let bytes = match compression {
            Some(b"alaw") => 1,
            _ => u32::from(bits) / 8,
        };
        let header = aiff::Header {
            compression,
            channels: 2,
            bits,
            rate: 44_100,
            frames: 320 / bytes / 2,
        };
        let text = aiff::chunk(b"NAME", b"a name");
        aiff::file(&header, &[text], &data)
    });
    seeds.to_vec()
}

fn json_models() -> Vec<Vec<u8>> {
    let captures = [
        "convnet",
        "convnet_batchnorm",
        "film",
        "gated",
        "grouped",
        "head",
        "identity_linear",
        "identity_wavenet",
        "linear",
        "lstm",
        "slimmable",
    ];
    let sequences = [
        "aidax_knob",
        "gru",
        "lstm",
        "proteus_gru",
        "proteus_lstm",
        "stack",
    ];
    let captures = captures.map(|name| format!("tests/golden/captures/{name}.nam"));
    let sequences = sequences.map(|name| format!("tests/golden/sequences/{name}.json"));
    let all = captures.into_iter().chain(sequences);
    all.map(|name| kept(&name)).collect()
}

/// A model as `.namb`, where that can carry it.
fn binary(model: &[u8]) -> Option<Vec<u8>> {
    let network = formats::read_bytes(model).unwrap().network;
    formats::namb::write(&network, &formats::nam::Metadata::default()).ok()
}

/// The header of a model as safetensors; the reader puts its numbers, which are as many zeros
/// as it says, back.
fn header(model: &[u8]) -> Option<Vec<u8>> {
    header_of(&formats::read_bytes(model).unwrap().network)
}

fn header_of(network: &Network) -> Option<Vec<u8>> {
    let file = formats::safetensors::write(network, &[], &Map::new()).ok()?;
    let len = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    Some(file[8..8 + len].to_vec())
}

/// A filter from each of two dry channels to both sides.
fn stereo() -> Network {
    let conv = Conv1d {
        in_channels: 2,
        out_channels: 2,
        kernel_size: 3,
        dilation: 1,
        groups: 1,
        weight: samples(12),
        bias: Vec::new(),
    };
    let layers = vec![Layer::Conv1d(conv)];
    let net = Sequential {
        input_channels: 2,
        layers,
    };
    Network {
        audio_channels: AudioChannels::stereo(2),
        ..Network::new(Architecture::Sequential(net), 44_100)
    }
}

fn configs() -> Vec<Vec<u8>> {
    let folder = root().join("configs");
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let configs = files
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "toml"));
    configs.map(|path| std::fs::read(path).unwrap()).collect()
}

fn baselines() -> Vec<Vec<u8>> {
    let taps = vec![0.5, 0.25, -0.125];
    let ridge = 1e-6;
    let all = [
        Baseline::Gain { gain: 0.5 },
        Baseline::Fir {
            taps: taps.clone(),
            ridge,
        },
        Baseline::FirTanh {
            gains: vec![1.0, 4.0],
            banks: vec![taps.clone(); 3],
            ridge,
        },
        Baseline::Volterra {
            order: 2,
            memory: 2,
            banks: vec![taps.clone(); 3],
            ridge,
        },
        Baseline::Stereo {
            filters: vec![vec![taps; 2]; 2],
            ridge,
        },
    ];
    let saved = all.map(|baseline| {
        let saved = SavedBaseline {
            sample_rate_hz: 44_100,
            baseline,
        };
        written("x.json", |path| saved.save(path).unwrap())
    });
    saved.to_vec()
}
