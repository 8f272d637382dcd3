//! `.namb` version 1, the binary form of a `.nam` file for players without a JSON parser, as the open
//! loader of TONE3000 (`nam-binary-loader`) defines it: a header of 32 bytes, 48 bytes of metadata,
//! the architecture, then the weights; little-endian, a CRC-32 over all but itself.
//!
//! Both ways go by the `.nam` form, so that what a network means is decided in one place. The loader
//! reads one network: a slimmable container has no form here, nor has WaveNet's post-stack head.

mod bytes;
mod numbers;
mod read;
mod write;

pub(super) use read::{from_bytes, looks_like};
pub(super) use write::model;

use super::carriers::cannot_carry;
use super::error::FormatError;
use super::format::Format;
use super::nam::Metadata;
use crate::network::Network;

/// The bytes of a `.namb` file.
///
/// # Errors
/// [`FormatError::CannotCarry`] for a network without a form here; a description that is not valid.
pub fn write(network: &Network, metadata: &Metadata) -> Result<Vec<u8>, FormatError> {
    network.validate()?;
    let file = model(network).map_err(|why| cannot_carry(Format::Namb, why, network))?;
    let bytes = write::file(&file, &metadata.to_map());
    bytes.map_err(|why| cannot_carry(Format::Namb, why, network))
}

#[cfg(test)]
mod tests {
    use super::numbers::CHECKSUM;
    use super::*;
    use crate::network::{Activation, Architecture, Conv1d, Layer, Lstm, Sequential};

    fn conv(sizes: [usize; 3], bias: bool) -> Conv1d {
        let [in_channels, out_channels, kernel_size] = sizes;
        let count = in_channels * out_channels * kernel_size;
        let weight = (0..count).map(|n| 0.1 + n as f32 / 7.0).collect();
        Conv1d {
            in_channels,
            out_channels,
            kernel_size,
            dilation: 1,
            groups: 1,
            weight,
            bias: vec![0.25; if bias { out_channels } else { 0 }],
        }
    }

    fn network(layers: Vec<Layer>) -> Network {
        let net = Sequential {
            input_channels: 1,
            layers,
        };
        Network::new(Architecture::Sequential(net), 44_100)
    }

    fn lstm() -> Network {
        let numbers = |count: usize| (0..count).map(|n| n as f32 / 31.0 - 0.4).collect();
        let lstm = Lstm {
            input_size: 1,
            hidden_size: 3,
            weight_input: numbers(12),
            weight_hidden: numbers(36),
            bias: numbers(12),
            initial_hidden: numbers(3),
            initial_cell: numbers(3),
        };
        network(vec![
            Layer::Lstm(lstm),
            Layer::Conv1d(conv([3, 1, 1], true)),
        ])
    }

    fn metadata() -> Metadata {
        let mut metadata = Metadata::default();
        metadata.capture.input_level_dbu = Some(12.5);
        metadata
    }

    #[test]
    fn what_is_written_is_read() {
        let slopes = Activation::PRelu {
            slopes: vec![0.1, 0.2],
        };
        let convnet = network(vec![
            Layer::Conv1d(conv([1, 2, 2], true)),
            Layer::Activation(slopes),
            Layer::Conv1d(conv([2, 1, 1], true)),
        ]);
        for network in [
            lstm(),
            convnet,
            network(vec![Layer::Conv1d(conv([1, 1, 9], true))]),
        ] {
            let bytes = write(&network, &metadata()).unwrap();
            assert_eq!(bytes[..8], [0x42, 0x4D, 0x41, 0x4E, 1, 0, 0, 0]);
            assert!(looks_like(&bytes));
            let read = from_bytes(&bytes).unwrap();
            assert_eq!(read.network, network);
            assert_eq!(read.metadata["input_level_dbu"], 12.5);
            assert!(!read.metadata.contains_key("loudness"));
        }
    }

    #[test]
    fn every_byte_counts() {
        let bytes = write(&lstm(), &metadata()).unwrap();
        for len in 0..bytes.len() {
            assert!(
                from_bytes(&bytes[..len]).is_err(),
                "{len} of {}",
                bytes.len()
            );
        }
        for at in 0..bytes.len() {
            for bit in [0, 3, 7] {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert!(from_bytes(&flipped).is_err(), "bit {bit} of byte {at}");
            }
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(from_bytes(&longer).is_err());
    }

    /// A file whose checksum is right, and nothing else.
    #[test]
    fn broken_files_with_right_checksums_are_refused_too() {
        let bytes = write(&lstm(), &metadata()).unwrap();
        for at in (4..bytes.len()).filter(|at| !CHECKSUM.contains(at)) {
            for value in [0, 1, 0x7f, 0xff] {
                let mut broken = bytes.clone();
                broken[at] = value;
                let sum = bytes::checksum(&broken).to_le_bytes();
                broken[CHECKSUM].copy_from_slice(&sum);
                // Whatever it is now: an answer, and no panic.
                let _ = from_bytes(&broken).map(|model| model.network.validate());
            }
        }
    }
}
