//! Checksums of files in a folder, written beside them: a bit that flipped on the disk is noticed
//! and its file named.
//!
//! Lines of CRC-32 and name, as `crc32` and archive tools print them. A name may stand in
//! several lines: then any of these contents is sound.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The file that holds them, in the folder that they are of.
pub const FILE: &str = "checksums.txt";

/// CRC-32 (IEEE) of some bytes.
pub fn of(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// The checksum of some bytes with more bytes after them.
pub fn continued(before: u32, more: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(more);
    hasher.finalize()
}

/// The checksum of a whole file, however long.
///
/// # Errors
/// It cannot be read.
pub fn of_file(path: &Path) -> io::Result<u32> {
    let mut file = File::open(path)?;
    let mut block = vec![0; 1 << 16];
    let mut sum = 0;
    loop {
        match file.read(&mut block)? {
            0 => return Ok(sum),
            read => sum = continued(sum, &block[..read]),
        }
    }
}

/// What the files of a folder are to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checksums(BTreeMap<String, Vec<u32>>);

/// What is wrong with a file that was to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Its contents.
    #[error("differs from its checksum: it was damaged after it was written")]
    Differs,
    /// It has no line.
    #[error("has no checksum in {FILE}, which is damaged")]
    Unlisted,
}

impl Checksums {
    /// The same, and these contents of this file.
    #[must_use]
    pub fn with(self, name: &str, contents: &[u8]) -> Self {
        self.with_sum(name, of(contents))
    }

    /// The same, and this checksum of this file.
    #[must_use]
    pub fn with_sum(mut self, name: &str, sum: u32) -> Self {
        self.0.entry(name.to_string()).or_default().push(sum);
        self
    }

    /// Those of one file.
    pub fn sums(&self, name: &str) -> &[u32] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether a file is one that was written.
    ///
    /// # Errors
    /// It is not.
    pub fn check(&self, name: &str, contents: &[u8]) -> Result<(), Mismatch> {
        match self.sums(name) {
            [] => Err(Mismatch::Unlisted),
            sums if sums.contains(&of(contents)) => Ok(()),
            _ => Err(Mismatch::Differs),
        }
    }

    /// The first file that both list, with other contents.
    pub fn differing_from(&self, other: &Self) -> Option<&str> {
        let differs = |(name, sums): &(&String, &Vec<u32>)| {
            let others = other.sums(name);
            !others.is_empty() && others != sums.as_slice()
        };
        let found = self.0.iter().find(differs);
        found.map(|(name, _)| name.as_str())
    }

    /// Reads the lines; what is no line is left out, and so is missed when its file is checked.
    pub fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (sum, name) = line.split_once("  ")?;
            Some((name.to_string(), u32::from_str_radix(sum, 16).ok()?))
        };
        text.lines()
            .filter_map(line)
            .fold(Self::default(), |all, (name, sum)| all.with_sum(&name, sum))
    }
}

impl fmt::Display for Checksums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, sums) in &self.0 {
            for sum in sums {
                writeln!(f, "{sum:08x}  {name}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed_in_the_file_and_in_its_checksum() {
        let contents = b"weights".to_vec();
        let sums = Checksums::default().with("a", &contents);
        // The check value of CRC-32.
        assert_eq!(of(b"123456789"), 0xcbf4_3926);
        assert_eq!(continued(of(b"12345"), b"6789"), of(b"123456789"));
        assert_eq!(Checksums::parse(&sums.to_string()), sums);
        assert_eq!(sums.check("a", &contents), Ok(()));
        for bit in 0..8 * contents.len() {
            let mut flipped = contents.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(sums.check("a", &flipped), Err(Mismatch::Differs));
        }
        let text = sums.to_string().into_bytes();
        for bit in 0..8 * (text.len() - 1) {
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let read = Checksums::parse(&String::from_utf8_lossy(&flipped));
            // A letter's case says nothing.
            assert!(read == sums || read.check("a", &contents).is_err());
        }
        let either = sums.with("a", b"older");
        assert_eq!(either.check("a", b"older"), Ok(()));
        assert_eq!(either.check("b", b"older"), Err(Mismatch::Unlisted));
    }
}
