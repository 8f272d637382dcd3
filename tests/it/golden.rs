//! What other programs say: the files of `tests/golden`, whose README tells how they were made.
//! A file that is missing fails the test that asks for it.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The path of a golden file.
pub fn file(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(path.is_file(), "{} is missing", path.display());
    path
}

/// A golden JSON file.
pub fn json(name: &str) -> Value {
    serde_json::from_slice(&fs::read(file(name)).unwrap()).unwrap()
}

/// A NumPy array; every supported number type fits a double exactly.
pub struct Array {
    /// Lengths along each axis.
    pub shape: Vec<usize>,
    /// Values, last axis fastest.
    pub values: Vec<f64>,
}

impl Array {
    /// Column `j` of a two-dimensional array.
    pub fn column(&self, j: usize) -> Vec<f64> {
        let column = self.values.iter().skip(j).step_by(self.shape[1]);
        column.copied().collect()
    }

    /// Everything below index `i` of the first axis.
    pub fn row(&self, i: usize) -> &[f64] {
        let len = self.values.len() / self.shape[0];
        &self.values[i * len..(i + 1) * len]
    }

    /// The values in single precision.
    pub fn singles(&self) -> Vec<f32> {
        self.values.iter().map(|x| *x as f32).collect()
    }
}

/// A golden `.npy` file: version 1.0, little-endian f4, f8 or i2, C order.
pub fn array(name: &str) -> Array {
    let bytes = fs::read(file(name)).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00", "{name}");
    let header_len = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + header_len]).unwrap();
    assert!(header.contains("'fortran_order': False"), "{header}");
    let between = |open: &str, close: &str| {
        let from = header.find(open).unwrap() + open.len();
        &header[from..from + header[from..].find(close).unwrap()]
    };
    let shape = between("'shape': (", ")").split(',');
    let shape = shape.filter_map(|n| n.trim().parse().ok()).collect();
    let data = &bytes[10 + header_len..];
    let values = match between("'descr': '", "'") {
        "<f4" => items(data, |b| f64::from(f32::from_le_bytes(b))),
        "<f8" => items(data, f64::from_le_bytes),
        "<i2" => items(data, |b| f64::from(i16::from_le_bytes(b))),
        other => panic!("{name}: type {other}"),
    };
    Array { shape, values }
}

fn items<const N: usize>(data: &[u8], item: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let chunks = data.chunks_exact(N);
    chunks.map(|c| item(c.try_into().unwrap())).collect()
}

/// Files below `folder` with one of these endings.
fn files(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, endings, found);
        } else if path
            .extension()
            .is_some_and(|e| endings.iter().any(|known| e == *known))
        {
            found.push(path);
        }
    }
}

/// By its name, with or without its ending, in the source of some test.
#[test]
fn every_golden_file_is_read_by_a_test() {
    let mut sources = Vec::new();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    files(&tests, &["rs"], &mut sources);
    let text: String = sources
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let mut data = Vec::new();
    files(&folder(), &["npy", "json", "nam"], &mut data);
    assert!(data.len() > 60, "only {} files", data.len());
    let unread: Vec<String> = data
        .iter()
        .map(|path| path.strip_prefix(folder()).unwrap())
        .filter(|path| {
            let names = [path.to_path_buf(), path.with_extension("")];
            !names
                .iter()
                .any(|name| text.contains(&format!("\"{}\"", name.display())))
        })
        .map(|path| path.display().to_string())
        .collect();
    assert!(unread.is_empty(), "no test reads {unread:?}");
}
