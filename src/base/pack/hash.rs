//! Hashes of contents: what a recording holds, what decides a job. Knows no pack.

use crate::limits;
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::path::Path;

/// SHA-256 of some bytes, in hexadecimal.
pub fn of(bytes: &[u8]) -> String {
    hexadecimal(Sha256::digest(bytes).as_slice())
}

/// SHA-256 of a whole file, in hexadecimal.
///
/// # Errors
/// It cannot be read, or is no regular file.
pub fn of_file(path: &Path) -> io::Result<String> {
    let mut file = limits::open(path)?;
    let mut block = vec![0; 1 << 16];
    let mut hasher = Sha256::new();
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hexadecimal(hasher.finalize().as_slice())),
            read => hasher.update(&block[..read]),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_standard() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of(b"abc"), abc);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(of_file(&path).unwrap(), abc);
    }
}
