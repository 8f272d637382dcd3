//! What one input may make the program hold: one budget, asked before every allocation that an
//! input can size, and which files are read at all.
//!
//! Knows no format. A reader that expands its input (text into a tree, packets into samples,
//! a header into tables) takes what it is about to hold from a [`Budget`] first; a size that a
//! file merely states is never trusted before its bytes are there.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What reading one file may add to the memory that its own bytes take: far above any honest
/// model, config or header, and what every machine has.
pub const MEMORY: usize = 320 << 20;

/// The most channels of a sound: the highest orders of ambisonics and the widest consoles have
/// fewer. Every channel costs a player, a resampler and a place in each block.
pub const MAX_CHANNELS: usize = 256;

/// The highest sample rate of a sound or a network, in hertz.
pub const MAX_SAMPLE_RATE: u32 = 768_000;

/// Bytes of decoded samples that a byte of a sound file may become beyond [`MEMORY`]. 24 kHz
/// speech at the lowest rate of MP3, 8 kbit/s, makes 96; silence coded in some bytes per packet
/// makes thousands.
const SOUND_PER_BYTE: usize = 1024;

/// An input that would need more than it may have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "would need more than {} MB of memory, far more than an honest file of its size",
    allowed >> 20
)]
pub struct OverBudget {
    /// Bytes that were allowed.
    pub allowed: usize,
}

/// Memory that reading one input may still take.
#[derive(Debug)]
pub struct Budget {
    allowed: usize,
    left: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(MEMORY)
    }
}

impl Budget {
    /// So many bytes.
    pub fn new(allowed: usize) -> Self {
        let left = allowed;
        Self { allowed, left }
    }

    /// For the samples of a sound file of so many bytes.
    pub fn of_sound(file_len: u64) -> Self {
        let file_len = usize::try_from(file_len).unwrap_or(usize::MAX);
        Self::new(file_len.saturating_mul(SOUND_PER_BYTE).max(MEMORY))
    }

    /// Takes what is about to be held.
    ///
    /// # Errors
    /// [`OverBudget`] where less is left.
    pub fn take(&mut self, bytes: usize) -> Result<(), OverBudget> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or(OverBudget {
            allowed: self.allowed,
        })?;
        Ok(())
    }
}

/// Opens a regular file, links followed. Devices and pipes have no end or none yet, so they are
/// refused before they are opened: opening alone can wait for ever.
///
/// # Errors
/// The system's, or that it is something else.
pub fn open(path: &Path) -> io::Result<File> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_file() {
        return File::open(path);
    }
    Err(io::Error::other(match kind.is_dir() {
        true => "is a folder; a file is needed",
        false => "is a device or pipe, not a regular file; copy it into a file first",
    }))
}

/// The bytes of a regular file of at most `most` bytes.
///
/// # Errors
/// As [`open`], or that the file is longer.
pub fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    // A file can grow while it is read, so its length alone bounds nothing.
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() <= most {
        true => Ok(bytes),
        false => Err(io::Error::other(format!(
            "has more than {most} bytes, the most that such a file may have"
        ))),
    }
}

/// The text of a regular file of at most `most` bytes.
///
/// # Errors
/// As [`read`], or that it is not UTF-8.
pub fn read_text(path: &Path, most: usize) -> io::Result<String> {
    let bytes = read(path, most)?;
    String::from_utf8(bytes).map_err(|_| io::Error::other("is not text in UTF-8"))
}

/// Text in UTF-8 without the byte order mark that Windows' Notepad puts in front of it.
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends() {
        let mut budget = Budget::new(10);
        assert_eq!(budget.take(4), Ok(()));
        assert_eq!(budget.take(7), Err(OverBudget { allowed: 10 }));
        assert_eq!(budget.take(6), Ok(()));
        assert_eq!(budget.take(usize::MAX), Err(OverBudget { allowed: 10 }));
        assert_eq!(Budget::of_sound(0).left, MEMORY);
        assert_eq!(Budget::of_sound(u64::MAX).left, usize::MAX);
    }

    #[test]
    fn only_regular_files_of_bounded_length_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(read(&path, 3).unwrap(), b"abc");
        assert_eq!(read_text(&path, 3).unwrap(), "abc");
        let said = |result: io::Result<Vec<u8>>| result.unwrap_err().to_string();
        assert!(said(read(&path, 2)).contains("more than 2 bytes"));
        assert!(said(read(dir.path(), 2)).contains("is a folder"));
        if cfg!(unix) {
            assert!(said(read(Path::new("/dev/zero"), 2)).contains("device"));
        }
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(read_text(&path, 3).is_err());
    }
}
