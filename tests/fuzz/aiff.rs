//! AIFF and AIFF-C files, byte by byte (Apple, *Audio Interchange File Format*, 1989 and 1991).

/// What the header of a file says.
pub struct Header<'a> {
    /// `None` for AIFF, the compression's name for AIFF-C.
    pub compression: Option<&'a [u8; 4]>,
    /// Channels.
    pub channels: u16,
    /// Bits per sample.
    pub bits: u16,
    /// Hertz.
    pub rate: u32,
    /// Frames.
    pub frames: u32,
}

/// A file with these chunks in this order: whatever stands before, format, sound.
pub fn file(header: &Header, before: &[Vec<u8>], data: &[u8]) -> Vec<u8> {
    let mut body = match header.compression {
        None => b"AIFF".to_vec(),
        Some(_) => b"AIFC".to_vec(),
    };
    body.extend(before.concat());
    body.extend(chunk(b"COMM", &common(header)));
    body.extend(chunk(b"SSND", &[&[0; 8], data].concat()));
    chunk(b"FORM", &body)
}

/// A chunk with its pad byte.
pub fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_vec();
    bytes.extend((body.len() as u32).to_be_bytes());
    bytes.extend(body);
    bytes.extend(vec![0; body.len() % 2]);
    bytes
}

fn common(header: &Header) -> Vec<u8> {
    let mut body = header.channels.to_be_bytes().to_vec();
    body.extend(header.frames.to_be_bytes());
    body.extend(header.bits.to_be_bytes());
    body.extend(extended(header.rate));
    if let Some(compression) = header.compression {
        body.extend(compression);
        // A counted text of even length with its count.
        body.extend(b"\x05plain");
    }
    body
}

/// A whole number as an 80-bit float: sign and exponent, then the number with its highest bit
/// at the front.
fn extended(number: u32) -> [u8; 10] {
    let shift = u64::from(number).leading_zeros();
    let exponent = 16_383 + 63 - shift as u16;
    let mut bytes = [0; 10];
    bytes[..2].copy_from_slice(&exponent.to_be_bytes());
    bytes[2..].copy_from_slice(&(u64::from(number) << shift).to_be_bytes());
    bytes
}
