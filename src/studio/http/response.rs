//! What is answered: bytes, a file or a piece of one, or a stream that is written as it comes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;

/// Writes a body that has no end yet. An error means that nobody listens any more.
pub type Streaming = Box<dyn FnOnce(&mut Outgoing<'_>) -> io::Result<()> + Send>;

enum Body {
    Bytes(Vec<u8>),
    Static(&'static [u8]),
    File { file: File, from: u64, len: u64 },
    Stream(Streaming),
}

/// An answer.
pub struct Response {
    status: u16,
    fields: Vec<(&'static str, String)>,
    body: Body,
}

impl Response {
    /// Some bytes of a kind.
    pub fn bytes(status: u16, kind: &str, bytes: Vec<u8>) -> Self {
        Self::with(status, kind, Body::Bytes(bytes))
    }

    /// Bytes that the binary holds.
    pub fn embedded(kind: &str, bytes: &'static [u8]) -> Self {
        Self::with(200, kind, Body::Static(bytes))
    }

    /// A value as JSON.
    pub fn json<T: serde::Serialize>(status: u16, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => Self::bytes(status, "application/json", bytes),
            Err(error) => Self::text(500, &error.to_string()),
        }
    }

    /// A line of text.
    pub fn text(status: u16, text: &str) -> Self {
        Self::bytes(
            status,
            "text/plain; charset=utf-8",
            text.as_bytes().to_vec(),
        )
    }

    /// What is written as it comes.
    pub fn stream(kind: &str, stream: Streaming) -> Self {
        Self::with(200, kind, Body::Stream(stream))
    }

    /// A file; `range` is the field of the request that asks for a piece.
    ///
    /// # Errors
    /// The file's length is not known.
    pub fn file(kind: &str, file: File, range: Option<&str>) -> io::Result<Self> {
        let len = file.metadata()?.len();
        let whole = |status| Self::with(status, kind, Body::File { file, from: 0, len });
        let response = match range.map(|range| piece(range, len)) {
            None | Some(Piece::Whole) => whole(200),
            Some(Piece::Nothing) => {
                Self::text(416, "no such piece").field("Content-Range", format!("bytes */{len}"))
            }
            Some(Piece::Of { from, to }) => {
                let mut response = whole(206);
                response = response.field("Content-Range", format!("bytes {from}-{to}/{len}"));
                if let Body::File {
                    from: first, len, ..
                } = &mut response.body
                {
                    (*first, *len) = (from, to - from + 1);
                }
                response
            }
        };
        Ok(response.field("Accept-Ranges", "bytes".to_string()))
    }

    /// The same with one more field in its head. Line ends would end the field: they go.
    pub fn field(mut self, name: &'static str, value: String) -> Self {
        let value = value.replace(['\r', '\n'], " ");
        self.fields.push((name, value));
        self
    }

    /// Whether it has this field already.
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(n, _)| *n == name)
    }

    fn with(status: u16, kind: &str, body: Body) -> Self {
        let fields = vec![("Content-Type", kind.to_string())];
        Self {
            status,
            fields,
            body,
        }
    }

    /// Writes it; `body`: whether one is wanted, which `HEAD` does not.
    pub(super) fn write(self, stream: &TcpStream, body: bool, keep_alive: bool) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        head += match &self.body {
            Body::Stream(_) => "Transfer-Encoding: chunked\r\n".to_string(),
            Body::Bytes(bytes) => format!("Content-Length: {}\r\n", bytes.len()),
            Body::Static(bytes) => format!("Content-Length: {}\r\n", bytes.len()),
            Body::File { len, .. } => format!("Content-Length: {len}\r\n"),
        }
        .as_str();
        if !keep_alive {
            head += "Connection: close\r\n";
        }
        head += "\r\n";
        let mut to = stream;
        to.write_all(head.as_bytes())?;
        if body {
            self.body.write(stream)
        } else {
            Ok(())
        }
    }
}

impl Body {
    fn write(self, stream: &TcpStream) -> io::Result<()> {
        let mut to = stream;
        match self {
            Self::Bytes(bytes) => to.write_all(&bytes),
            Self::Static(bytes) => to.write_all(bytes),
            Self::File {
                mut file,
                from,
                len,
            } => {
                file.seek(SeekFrom::Start(from))?;
                match io::copy(&mut file.take(len), &mut to)? {
                    written if written == len => Ok(()),
                    // It was cut meanwhile: the promised length cannot be kept.
                    _ => Err(io::ErrorKind::UnexpectedEof.into()),
                }
            }
            Self::Stream(write) => {
                let mut out = Outgoing { stream };
                write(&mut out)?;
                to.write_all(b"0\r\n\r\n")
            }
        }
    }
}

/// A body without a known end: every write is on its way at once.
#[derive(Debug)]
pub struct Outgoing<'a> {
    stream: &'a TcpStream,
}

impl Outgoing<'_> {
    /// Sends some bytes.
    ///
    /// # Errors
    /// Nobody listens any more.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        let mut to = self.stream;
        to.write_all(&chunk)
    }

    /// Whether the peer has gone: asked without waiting.
    pub fn is_closed(&self) -> bool {
        let mut byte = [0];
        let asked = self.stream.set_nonblocking(true);
        let peeked = self.stream.peek(&mut byte);
        let back = self.stream.set_nonblocking(false);
        if asked.is_err() || back.is_err() {
            return true;
        }
        match peeked {
            Ok(count) => count == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

/// What a `Range` asks for.
enum Piece {
    Whole,
    Nothing,
    Of { from: u64, to: u64 },
}

/// One range of bytes; several, or other units, are answered by the whole.
fn piece(range: &str, len: u64) -> Piece {
    let asked = range.strip_prefix("bytes=").and_then(|r| r.split_once('-'));
    let Some((from, to)) = asked else {
        return Piece::Whole;
    };
    let last = len.saturating_sub(1);
    let found = match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(from), Ok(to)) => (from, to.min(last)),
        (Ok(from), Err(_)) if to.is_empty() => (from, last),
        (Err(_), Ok(count)) if from.is_empty() => (len.saturating_sub(count), last),
        _ => return Piece::Whole,
    };
    match found {
        (from, to) if from <= to && from < len => Piece::Of { from, to },
        _ => Piece::Nothing,
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stay_inside_the_file() {
        let found = |range: &str, len| match piece(range, len) {
            Piece::Of { from, to } => Some((from, to)),
            Piece::Whole | Piece::Nothing => None,
        };
        assert_eq!(found("bytes=0-", 10), Some((0, 9)));
        assert_eq!(found("bytes=2-3", 10), Some((2, 3)));
        assert_eq!(found("bytes=2-99", 10), Some((2, 9)));
        assert_eq!(found("bytes=-4", 10), Some((6, 9)));
        assert_eq!(found("bytes=-40", 10), Some((0, 9)));
        assert!(matches!(piece("bytes=10-", 10), Piece::Nothing));
        assert!(matches!(piece("bytes=5-2", 10), Piece::Nothing));
        assert!(matches!(piece("bytes=0-", 0), Piece::Nothing));
        assert!(matches!(piece("bytes=0-1,3-4", 10), Piece::Whole));
        assert!(matches!(piece("lines=0-1", 10), Piece::Whole));
    }

    #[test]
    fn a_field_cannot_end_the_head() {
        let response = Response::text(200, "").field("X", "a\r\nSet-Cookie: b".to_string());
        assert_eq!(response.fields[1].1, "a  Set-Cookie: b");
    }
}
