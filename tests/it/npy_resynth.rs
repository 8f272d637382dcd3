//! Reads the expected values of `shared/fixtures/classical`: NumPy arrays and the manifest.

use std::path::{Path, PathBuf};

/// The folder of shared test material, or a message on stderr and `None`.
pub fn shared(part: &str) -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let root = std::env::var_os("EFFIGY_SHARED").map_or(default, PathBuf::from);
    let path = root.join(part);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is absent", path.display());
    None
}

/// A NumPy array: its shape and its values in C order.
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// Reads a version 1.0 `.npy` file of little-endian f4, f8, i2 or i4.
pub fn read(path: &Path) -> Array {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00", "{}", path.display());
    let header_len = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + header_len]).unwrap();
    assert!(header.contains("'fortran_order': False"), "{header}");
    let between = |open: &str, close: &str| {
        let from = header.find(open).unwrap() + open.len();
        &header[from..from + header[from..].find(close).unwrap()]
    };
    let shape = between("'shape': (", ")");
    let shape = shape.split(',').filter(|s| !s.trim().is_empty());
    let data = &bytes[10 + header_len..];
    let values = match between("'descr': '", "'") {
        "<f4" => items(data, |b| f64::from(f32::from_le_bytes(b))),
        "<f8" => items(data, f64::from_le_bytes),
        "<i2" => items(data, |b| f64::from(i16::from_le_bytes(b))),
        "<i4" => items(data, |b| f64::from(i32::from_le_bytes(b))),
        other => panic!("{}: type {other}", path.display()),
    };
    Array {
        shape: shape.map(|s| s.trim().parse().unwrap()).collect(),
        values,
    }
}

fn items<const N: usize>(data: &[u8], item: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let chunks = data.chunks_exact(N);
    chunks.map(|c| item(c.try_into().unwrap())).collect()
}
