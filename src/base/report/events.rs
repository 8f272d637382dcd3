//! TensorBoard's event files: curves for those who already watch their runs there. Knows the bytes,
//! not the figures.
//!
//! A file is a row of records (length, its checksum, the bytes, their checksum); a record is an
//! `Event` of TensorFlow's `event.proto`, written by hand: eight fields of two messages.

use crate::protobuf::{bytes, double, float, number, text};

/// What a reader looks for in the first record.
const FILE_VERSION: &str = "brain.Event:2";

/// The first record of a file, written at `seconds` since 1970.
pub fn begin(seconds: f64) -> Vec<u8> {
    record(&[time(seconds), text(3, FILE_VERSION)].concat())
}

/// A record that says that what earlier files have from `step` on is no longer so: training went on
/// from there.
pub fn restart(seconds: f64, step: u64) -> Vec<u8> {
    // SessionLog { status: START }
    let start = number(1, 1);
    record(&[time(seconds), number(2, step), bytes(7, &start)].concat())
}

/// A record of figures by name, at a step.
pub fn scalars(seconds: f64, step: u64, figures: &[(&str, f64)]) -> Vec<u8> {
    let value =
        |(tag, figure): &(&str, f64)| bytes(1, &[text(1, tag), float(2, *figure as f32)].concat());
    let summary: Vec<u8> = figures.iter().flat_map(value).collect();
    record(&[time(seconds), number(2, step), bytes(5, &summary)].concat())
}

fn time(seconds: f64) -> Vec<u8> {
    double(1, seconds)
}

fn record(event: &[u8]) -> Vec<u8> {
    let len = (event.len() as u64).to_le_bytes();
    let sum = |of: &[u8]| masked(crc32c(of)).to_le_bytes();
    [&len[..], &sum(&len), event, &sum(event)].concat()
}

/// TFRecord's: rotated and moved, so that the checksum of a checksum is not a plain one.
fn masked(sum: u32) -> u32 {
    sum.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: an event has a hundred bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    let shifted = |sum: u32| (sum >> 1) ^ (0x82f6_3b78 * (sum & 1));
    let step = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), |sum, _| shifted(sum));
    !bytes.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_those_of_the_format() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        let first = begin(1.0);
        // 24 bytes: 9 of the time, 15 of the version.
        assert_eq!(first[..8], 24u64.to_le_bytes());
        assert_eq!(first.len(), 8 + 4 + 24 + 4);
        assert!(first.windows(13).any(|w| w == FILE_VERSION.as_bytes()));
        let figures = scalars(2.0, 300, &[("valid/esr", 0.25)]);
        let wanted = [
            &[0x0a, 9][..],
            b"valid/esr",
            &[0x15],
            &0.25f32.to_le_bytes(),
        ]
        .concat();
        assert!(figures.windows(wanted.len()).any(|w| w == wanted));
        assert!(figures.windows(3).any(|w| w == [0x10, 0xac, 0x02]));
        assert!(restart(2.0, 3).windows(4).any(|w| w == [0x3a, 2, 0x08, 1]));
    }
}
