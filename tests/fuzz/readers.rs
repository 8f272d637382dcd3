//! Every reader of the base half, as a function of a file.

use effigy_base::audio::decode::{AudioReader, NotFinite, read_as};
use effigy_base::config;
use effigy_base::engine::Engine;
use effigy_base::formats;
use effigy_base::network::Network;
use effigy_base::regress::baseline::{Player, SavedBaseline, StereoPlayer};
use std::path::Path;

/// A reader.
pub struct Reader {
    /// What inputs are sorted by.
    pub name: &'static str,
    /// The name of the file it reads.
    pub file: &'static str,
    /// Whether its inputs are text.
    pub is_text: bool,
    /// Whether the file, whose contents come with it, was taken for valid.
    pub read: fn(&Path, &[u8]) -> bool,
}

/// All of them.
pub const READERS: [Reader; 8] = [
    Reader {
        name: "wav",
        file: "x.wav",
        is_text: false,
        read: sound,
    },
    Reader {
        name: "aiff",
        file: "x.aiff",
        is_text: false,
        read: sound,
    },
    Reader {
        name: "compressed",
        file: "x.ogg",
        is_text: false,
        read: sound,
    },
    Reader {
        name: "json-model",
        file: "x.nam",
        is_text: true,
        read: model,
    },
    Reader {
        name: "binary-model",
        file: "x.namb",
        is_text: false,
        read: binary_model,
    },
    Reader {
        name: "safetensors",
        file: "x.safetensors",
        is_text: true,
        read: safetensors,
    },
    Reader {
        name: "config",
        file: "x.toml",
        is_text: true,
        read: toml,
    },
    Reader {
        name: "baseline",
        file: "x.json",
        is_text: true,
        read: baseline,
    },
];

/// As a whole, and block by block as playing does.
fn sound(path: &Path, _: &[u8]) -> bool {
    let whole = read_as(path, NotFinite::Silence);
    if let Ok(mut reader) = AudioReader::open(path) {
        let mut block = Vec::new();
        for _ in 0..100 {
            if reader.read_block(&mut block, 777).is_ok_and(|n| n > 0) {
                continue;
            }
            break;
        }
    }
    whole.is_ok()
}

/// Read, planned, and played where that is no matter of seconds.
fn model(path: &Path, _: &[u8]) -> bool {
    let Ok(model) = formats::read(path) else {
        return false;
    };
    played(&model.network);
    formats::carriers(&model.network);
    true
}

/// As it is, then with its length and its checksum (CRC-32 of all bytes but its own) made right:
/// a mutation would else be refused before anything is read.
fn binary_model(path: &Path, bytes: &[u8]) -> bool {
    let read = model(path, bytes);
    let mut sealed = bytes.to_vec();
    if read || sealed.len() < 28 {
        return read;
    }
    let len = sealed.len() as u32;
    sealed[8..12].copy_from_slice(&len.to_le_bytes());
    let mut sum = crc32fast::Hasher::new();
    sum.update(&sealed[..24]);
    sum.update(&sealed[28..]);
    let sum = sum.finalize().to_le_bytes();
    sealed[24..28].copy_from_slice(&sum);
    std::fs::write(path, &sealed).unwrap();
    model(path, &sealed)
}

/// `header` with its length before it and numbers behind it.
fn safetensors(path: &Path, header: &[u8]) -> bool {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    // As many as the seeds and finds speak of.
    bytes.resize(bytes.len() + (64 * header.len()).min(6_000_000), 0);
    std::fs::write(path, &bytes).unwrap();
    model(path, &bytes)
}

fn played(network: &Network) {
    network.receptive_field();
    network.latency_samples();
    let cheap = network.macs_per_sample() < 1_000_000;
    if !cheap {
        return;
    }
    if let Ok(mut engine) = Engine::new(network) {
        let channels = network.audio_channels;
        let input = vec![&[0.1f32; 200][..]; channels.dry];
        let mut output = vec![[0.0f32; 200]; channels.wet];
        let mut output: Vec<&mut [f32]> = output.iter_mut().map(|o| &mut o[..]).collect();
        engine.process_channels(&input, &mut output);
    }
}

/// The whole text as a config, its lines as overrides of one that is valid.
fn toml(path: &Path, text: &[u8]) -> bool {
    let read = config::load(path, &[]);
    let text = String::from_utf8_lossy(text);
    let overrides: Vec<String> = text.lines().take(20).map(str::to_string).collect();
    for given in overrides {
        let valid = include_str!("../../configs/conv.toml");
        if let Ok(config) = config::parse(valid, path, &[given]) {
            drop(config.check());
        }
    }
    read.is_ok()
}

fn baseline(path: &Path, _: &[u8]) -> bool {
    SavedBaseline::recognises(path);
    let Ok(saved) = SavedBaseline::load(path) else {
        return false;
    };
    let channels = saved.baseline.audio_channels();
    let mut wet = vec![Vec::new(); channels.wet];
    if channels.is_mono() {
        let mut player = Player::new(&saved.baseline);
        player.push(&[0.1; 200], &mut wet[0]);
        player.finish(&mut wet[0]);
    } else {
        let mut player = StereoPlayer::new(&saved.baseline);
        player.push(&vec![vec![0.1; 200]; channels.dry], &mut wet);
        player.finish(&mut wet);
    }
    assert!(wet.iter().all(|side| side.len() == 200));
    true
}
