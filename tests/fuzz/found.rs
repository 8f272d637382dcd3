//! Inputs that once brought a reader down, each with what it did. Large ones are made here,
//! small ones kept in `corpus/READER-what-it-did`.

use crate::aiff;
use serde_json::json;
use std::path::Path;

/// An input.
pub struct Found {
    /// Whose.
    pub reader: &'static str,
    /// What it did.
    pub name: String,
    /// It.
    pub bytes: Vec<u8>,
}

/// All of them.
pub fn all() -> Vec<Found> {
    let mut all = made();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus");
    for entry in std::fs::read_dir(corpus).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let readers = crate::READERS.iter().map(|r| r.name);
        let reader = readers.filter(|reader| name.starts_with(reader)).max();
        all.push(Found {
            reader: reader.unwrap_or_else(|| panic!("{name} names no reader")),
            bytes: std::fs::read(&path).unwrap(),
            name,
        });
    }
    all
}

fn made() -> Vec<Found> {
    let found = |reader, name: &str, bytes: Vec<u8>| Found {
        reader,
        name: name.to_string(),
        bytes,
    };
    let text = |value: serde_json::Value| value.to_string().into_bytes();
    vec![
        found(
            "json-model",
            "layers without weights, without end",
            text(json!({
                "version": "0.5.4", "architecture": "LSTM", "weights": [0.0],
                "config": {"input_size": 1, "hidden_size": 0, "num_layers": 1_000_000_000_000u64},
            })),
        ),
        found(
            "json-model",
            "many slopes for each of many layers of no channels: 8 GB",
            text(json!({
                "version": "0.5.4", "architecture": "ConvNet", "weights": [0.0],
                "config": {
                    "channels": 0, "dilations": vec![1; 20_000], "batchnorm": false,
                    "activation": {"type": "PReLU", "negative_slopes": vec![0.1; 100_000]},
                },
            })),
        ),
        found(
            "json-model",
            "small objects, each of which takes a hundred times its text: 1.7 GB",
            [b"[", "{\"\":0},".repeat(2 << 20).as_bytes(), b"0]"].concat(),
        ),
        found(
            "json-model",
            "a rate whose two seconds of test signal take 32 GB",
            text(json!({
                "version": "0.5.4", "architecture": "Linear", "weights": [1.0],
                "config": {"receptive_field": 1, "bias": false}, "sample_rate": 4_000_000_000u32,
            })),
        ),
        found(
            "json-model",
            "a hundred thousand brackets",
            [b"[".repeat(100_000), b"]".repeat(100_000)].concat(),
        ),
        found(
            "safetensors",
            "a thousand tensors over the same 4 MB: 4 GB",
            overlapping(),
        ),
        found(
            "wav",
            "32,767 channels of one frame: 4.9 GB",
            wav(32_767, 8, 44_100, &[128; 32_767]),
        ),
        found(
            "wav",
            "one sample a second, resampled 48,000 times",
            wav(1, 8, 1, &[128; 64]),
        ),
        found(
            "config",
            "a key in 60,000 tables",
            [b"a.".repeat(60_000), b"a = 1".to_vec()].concat(),
        ),
        found(
            "config",
            "60,000 lists in lists",
            [b"a = ".to_vec(), b"[".repeat(60_000)].concat(),
        ),
        found(
            "config",
            "tables of which none ends: the parser's own stack",
            b"[d]\nx = { a = 1\n".repeat(30_000),
        ),
        found(
            "config",
            "tables that end in comments only: the same",
            b"[[d]]\nx = { a b # }\n".repeat(30_000),
        ),
        found(
            "config",
            "2 GB of filters",
            include_str!("../../configs/conv.toml")
                .replace("channels = 50", "channels = 4096")
                .replace("kernel_size = 50", "kernel_size = 65536")
                .into_bytes(),
        ),
        found(
            "aiff",
            "a text that says it is 4 GB long",
            aiff_with(b"NAME\xff\xff\xff\xf0abc".to_vec()),
        ),
        found(
            "aiff",
            "application data that says it is 4 GB long",
            aiff_with(b"APPL\xff\xff\xff\xf0abcd".to_vec()),
        ),
    ]
}

fn aiff_with(chunk: Vec<u8>) -> Vec<u8> {
    let header = aiff::Header {
        compression: None,
        channels: 1,
        bits: 16,
        rate: 8000,
        frames: 4,
    };
    aiff::file(&header, &[chunk], &[0; 8])
}

fn wav(channels: u16, bits: u16, rate: u32, data: &[u8]) -> Vec<u8> {
    let frame = channels * (bits / 8);
    let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0".to_vec();
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate.wrapping_mul(u32::from(frame))).to_le_bytes());
    bytes.extend(frame.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

/// The header alone: the reader adds the 4 MB that it speaks of.
fn overlapping() -> Vec<u8> {
    let tensor = json!({"dtype": "F32", "shape": [1_000_000], "data_offsets": [0, 4_000_000]});
    let tensors = (0..1000).map(|i| (format!("t{i}"), tensor.clone()));
    let mut entries: serde_json::Map<_, _> = tensors.collect();
    let about = json!({"format": "effigy", "version": "1", "description": "{}"});
    entries.insert("__metadata__".to_string(), about);
    serde_json::to_vec(&entries).unwrap()
}
