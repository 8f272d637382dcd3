//! A reader for the `.npy` files of the shared fixtures: version 1, little-endian, C order.

use std::path::Path;

/// A decoded array; every supported number type fits a double exactly.
pub struct Array {
    /// Lengths along each axis.
    pub shape: Vec<usize>,
    /// Values, last axis fastest.
    pub values: Vec<f64>,
}

impl Array {
    /// Column `j` of a two-dimensional array.
    pub fn column(&self, j: usize) -> Vec<f64> {
        self.values
            .iter()
            .skip(j)
            .step_by(self.shape[1])
            .copied()
            .collect()
    }
}

/// Reads `<f8`, `<f4`, `<i2` and `<i4` arrays.
pub fn read(path: &Path) -> Array {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00", "{}", path.display());
    let header_len = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + header_len]).unwrap();
    assert!(header.contains("'fortran_order': False"), "{header}");
    let between = |open: &str, close: &str| {
        let start = header.find(open).unwrap() + open.len();
        &header[start..start + header[start..].find(close).unwrap()]
    };
    let shape = between("'shape': (", ")")
        .split(',')
        .filter_map(|n| n.trim().parse().ok())
        .collect();
    let data = &bytes[10 + header_len..];
    let values = match between("'descr': '", "'") {
        "<f8" => data
            .chunks_exact(8)
            .map(|b| f64::from_le_bytes(b.try_into().unwrap()))
            .collect(),
        "<f4" => data
            .chunks_exact(4)
            .map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())))
            .collect(),
        "<i2" => data
            .chunks_exact(2)
            .map(|b| f64::from(i16::from_le_bytes(b.try_into().unwrap())))
            .collect(),
        "<i4" => data
            .chunks_exact(4)
            .map(|b| f64::from(i32::from_le_bytes(b.try_into().unwrap())))
            .collect(),
        other => panic!("{}: type {other}", path.display()),
    };
    Array { shape, values }
}
