//! The head of a request: read within a deadline, parsed, and held to what is served here.

use super::limits::Limits;
use std::io::{self, Read};
use std::net::TcpStream;
use std::time::Instant;

/// Bytes that a head may have.
const MOST_BYTES: usize = 16 * 1024;

/// Fields that a head may have.
const MOST_FIELDS: usize = 64;

/// A request without its body.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query as they were sent.
    pub target: String,
    /// Names in small letters, values as they were sent.
    pub fields: Vec<(String, String)>,
    /// Bytes of the body.
    pub body_len: u64,
    /// Whether the connection serves another request after this one.
    pub keep_alive: bool,
}

/// Why there is no head.
#[derive(Debug)]
pub enum HeadError {
    /// The peer went, or was silent for too long, before it asked for anything.
    Gone,
    /// What it sent is refused with this status.
    Refused(u16),
}

impl Head {
    /// A field's value, where it was sent once; `None` also where it was sent several times.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(n, _)| n == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// How often a field was sent.
    pub fn count(&self, name: &str) -> usize {
        self.fields.iter().filter(|(n, _)| n == name).count()
    }
}

/// Reads a head; `rest` holds what was read beyond the last request, and then what lies beyond
/// this head.
///
/// # Errors
/// [`HeadError`].
pub fn read(stream: &TcpStream, rest: &mut Vec<u8>, limits: &Limits) -> Result<Head, HeadError> {
    let mut deadline = Instant::now() + limits.idle;
    let mut begun = !rest.is_empty();
    if begun {
        deadline = Instant::now() + limits.head;
    }
    loop {
        if let Some(head) = parse(rest)? {
            return Ok(head);
        }
        if rest.len() >= MOST_BYTES {
            return Err(HeadError::Refused(431));
        }
        let silent = if begun {
            HeadError::Refused(408)
        } else {
            HeadError::Gone
        };
        match receive(stream, rest, deadline) {
            Ok(0) => return Err(HeadError::Gone),
            Ok(_) if !begun => {
                begun = true;
                deadline = Instant::now() + limits.head;
            }
            Ok(_) => {}
            Err(_) => return Err(silent),
        }
    }
}

/// Waits for more bytes until the deadline.
fn receive(mut stream: &TcpStream, into: &mut Vec<u8>, deadline: Instant) -> io::Result<usize> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    stream.set_read_timeout(Some(left))?;
    let mut piece = [0; 4096];
    let count = stream.read(&mut piece)?;
    into.extend_from_slice(&piece[..count]);
    Ok(count)
}

/// Takes a whole head off the front of `bytes`, if it is there.
fn parse(bytes: &mut Vec<u8>) -> Result<Option<Head>, HeadError> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let len = match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::Refused(431)),
        Err(_) => return Err(HeadError::Refused(400)),
    };
    let head = head_of(&request)?;
    bytes.drain(..len);
    Ok(Some(head))
}

fn head_of(request: &httparse::Request<'_, '_>) -> Result<Head, HeadError> {
    let text = |value: &[u8]| String::from_utf8(value.to_vec());
    let mut head = Head {
        method: request.method.unwrap_or_default().to_string(),
        target: request.path.unwrap_or_default().to_string(),
        ..Head::default()
    };
    for field in request.headers.iter() {
        let value = text(field.value).map_err(|_| HeadError::Refused(400))?;
        head.fields.push((field.name.to_ascii_lowercase(), value));
    }
    // Bodies of unknown length are not taken.
    if head.count("transfer-encoding") > 0 {
        return Err(HeadError::Refused(411));
    }
    head.body_len = match (head.count("content-length"), head.field("content-length")) {
        (0, _) => 0,
        (_, Some(len)) if len.bytes().all(|b| b.is_ascii_digit()) => {
            len.parse().map_err(|_| HeadError::Refused(400))?
        }
        _ => return Err(HeadError::Refused(400)),
    };
    let asked = head
        .field("connection")
        .unwrap_or_default()
        .to_ascii_lowercase();
    head.keep_alive = request.version == Some(1) && !asked.contains("close");
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Option<Head>, HeadError> {
        parse(&mut text.as_bytes().to_vec())
    }

    #[test]
    fn a_head_is_read_whole_or_not_at_all() {
        assert!(parsed("GET / HTTP/1.1\r\nHost: a").unwrap().is_none());
        let head = parsed("PUT /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nx");
        let head = head.unwrap().unwrap();
        assert_eq!(
            (head.method.as_str(), head.target.as_str()),
            ("PUT", "/a?b")
        );
        assert_eq!((head.field("host"), head.body_len), (Some("a"), 7));
        assert!(head.keep_alive);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let refused = |fields: &str| {
            let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
            matches!(parsed(&text), Err(HeadError::Refused(_)))
        };
        assert!(refused("Transfer-Encoding: chunked"));
        assert!(refused("Content-Length: 1\r\nContent-Length: 2"));
        assert!(refused("Content-Length: -1"));
        assert!(refused("Content-Length: +1"));
        assert!(refused("Content-Length: 99999999999999999999999"));
        assert!(refused("Content-Length: 1 \r\n Folded: yes"));
        assert!(refused("Bad Name: x"));
    }
}
