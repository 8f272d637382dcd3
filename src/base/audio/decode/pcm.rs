//! The bytes of linear PCM samples, and what they are as numbers. Knows no file.

use crate::audio::SampleFormat;
use crate::audio::riff::CODEC_FLOAT;

/// How one sample is laid out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coding {
    float: bool,
    /// Bytes a sample occupies.
    pub(super) bytes: usize,
    /// Bits that decide the scale: `8 · bytes`, but 24 for 24 bits in the low end of 4 bytes.
    bits: u16,
}

impl Coding {
    /// The coding of samples of `bits` bits in `bytes` bytes, and what to call it; `None`
    /// for one that is not decoded here.
    pub(super) fn find(
        codec: u16,
        bytes: usize,
        bits: u16,
        valid_bits: u16,
    ) -> Option<(Self, SampleFormat)> {
        let float = codec == CODEC_FLOAT;
        let (bits, told) = match (float, bytes, bits) {
            (true, 4, 32) | (true, 8, 64) => (bits, SampleFormat::Float(bits)),
            // Fewer valid bits than the slot has sit at its upper end: same scale.
            (false, 1..=4, _) if usize::from(bits.div_ceil(8)) == bytes => {
                let told = 8 * valid_bits.clamp(1, bits).div_ceil(8);
                (8 * bytes as u16, SampleFormat::Int(told))
            }
            (false, 4, 24) => (24, SampleFormat::Int(24)),
            _ => return None,
        };
        Some((Self { float, bytes, bits }, told))
    }

    /// Whether a sample may be infinite or not a number.
    pub(super) fn is_float(self) -> bool {
        self.float
    }

    /// Decodes one channel of interleaved frames, number `channel` of `count`, into `out`, a sample for
    /// each of them.
    pub(super) fn decode(self, bytes: &[u8], (channel, count): (usize, usize), out: &mut [f32]) {
        let which = (channel, count);
        match (self.float, self.bytes, self.bits) {
            (true, 8, _) => fill(bytes, which, out, |b| f64::from_le_bytes(b) as f32),
            (true, ..) => fill(bytes, which, out, f32::from_le_bytes),
            // Unsigned, as WAV alone has it.
            (false, 1, _) => fill(bytes, which, out, |[a]| (f32::from(a) - 128.0) / 128.0),
            (false, 2, _) => fill(bytes, which, out, |b| {
                f32::from(i16::from_le_bytes(b)) / 32_768.0
            }),
            (false, 3, _) => fill(bytes, which, out, |[a, b, c]| {
                (i32::from_le_bytes([0, a, b, c]) >> 8) as f32 / 8_388_608.0
            }),
            (false, _, 24) => fill(bytes, which, out, |b| {
                ((i32::from_le_bytes(b) << 8) >> 8) as f32 / 8_388_608.0
            }),
            // Rounds to nearest; the division by a power of two adds nothing to that.
            (false, ..) => fill(bytes, which, out, |b| {
                i32::from_le_bytes(b) as f32 / 2_147_483_648.0
            }),
        }
    }
}

fn fill<const W: usize>(
    bytes: &[u8],
    (channel, count): (usize, usize),
    out: &mut [f32],
    decode: impl Fn([u8; W]) -> f32,
) {
    let samples = bytes.as_chunks::<W>().0;
    match count {
        1 => out
            .iter_mut()
            .zip(samples)
            .for_each(|(x, b)| *x = decode(*b)),
        _ => {
            let samples = samples.get(channel..).unwrap_or(&[]);
            let own = samples.iter().step_by(count);
            out.iter_mut().zip(own).for_each(|(x, b)| *x = decode(*b));
        }
    }
}
