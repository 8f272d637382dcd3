//! Fields of Protocol Buffers messages, written by hand: enough for the two formats of others that
//! need them. Knows no message.

/// A whole number.
pub fn number(field: u64, value: u64) -> Vec<u8> {
    [key(field, 0), varint(value)].concat()
}

/// A 64-bit float.
pub fn double(field: u64, value: f64) -> Vec<u8> {
    [&key(field, 1)[..], &value.to_le_bytes()].concat()
}

/// A 32-bit float.
pub fn float(field: u64, value: f32) -> Vec<u8> {
    [&key(field, 5)[..], &value.to_le_bytes()].concat()
}

/// Bytes, or a message.
pub fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [&key(field, 2)[..], &varint(value.len() as u64), value].concat()
}

/// A text.
pub fn text(field: u64, value: &str) -> Vec<u8> {
    bytes(field, value.as_bytes())
}

fn key(field: u64, wire: u64) -> Vec<u8> {
    varint(field << 3 | wire)
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the format's own description.
    #[test]
    fn fields_are_those_of_the_format() {
        assert_eq!(number(1, 150), [0x08, 0x96, 0x01]);
        assert_eq!(text(2, "testing"), [&[0x12, 7][..], b"testing"].concat());
        assert_eq!(bytes(3, &number(1, 150)), [0x1a, 3, 0x08, 0x96, 0x01]);
        assert_eq!(double(1, 1.0)[0], 0x09);
        assert_eq!(float(2, 1.0), [0x15, 0, 0, 0x80, 0x3f]);
        assert_eq!(number(16, u64::MAX).len(), 2 + 10);
    }
}
