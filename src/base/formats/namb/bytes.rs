//! Numbers to bytes and back, and the checksum. Knows no field.

use super::numbers::CHECKSUM;
use crate::files::checksums;

/// CRC-32 of a file's bytes but for the checksum's own.
pub(super) fn checksum(file: &[u8]) -> u32 {
    let before = checksums::of(file.get(..CHECKSUM.start).unwrap_or_default());
    checksums::continued(before, file.get(CHECKSUM.end..).unwrap_or_default())
}

/// Takes numbers from the front.
pub(super) struct Bytes<'a> {
    left: &'a [u8],
}

/// The file ends before what it announces.
pub(super) struct Ended;

impl<'a> Bytes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Ended> {
        let (taken, left) = self.left.split_first_chunk().ok_or(Ended)?;
        self.left = left;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Ended> {
        self.take().map(u8::from_le_bytes)
    }

    pub(super) fn flag(&mut self) -> Result<bool, Ended> {
        Ok(self.u8()? != 0)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Ended> {
        self.take().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Ended> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Ended> {
        self.take().map(i32::from_le_bytes)
    }

    pub(super) fn f32(&mut self) -> Result<f32, Ended> {
        self.take().map(f32::from_le_bytes)
    }

    pub(super) fn f64(&mut self) -> Result<f64, Ended> {
        self.take().map(f64::from_le_bytes)
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<(), Ended> {
        self.left = self.left.get(count..).ok_or(Ended)?;
        Ok(())
    }
}
