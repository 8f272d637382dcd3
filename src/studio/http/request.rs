//! A request, and its body as a reader that gives up on senders that are too slow.

use super::head::Head;
use super::limits::Limits;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A request whose body is still on its way.
#[derive(Debug)]
pub struct Request<'a> {
    pub(super) head: Head,
    pub(super) stream: &'a TcpStream,
    /// What was read of the body with the head.
    pub(super) rest: &'a mut Vec<u8>,
    pub(super) left: u64,
    pub(super) limits: &'a Limits,
    pub(super) begun: Option<Instant>,
}

/// Why a body is not there.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More than is taken here.
    #[error("{len} bytes are more than the {most} that are taken")]
    TooLong {
        /// What was announced.
        len: u64,
        /// What is allowed.
        most: u64,
    },
    /// The connection broke, or was too slow.
    #[error("the upload broke off")]
    Broken(#[source] io::Error),
    /// No JSON, or not what is expected.
    #[error("the request is not understood")]
    Json(#[source] serde_json::Error),
}

impl Request<'_> {
    /// `GET`, `POST`, …
    pub fn method(&self) -> &str {
        &self.head.method
    }

    /// The path, still encoded.
    pub fn path(&self) -> &str {
        let target = self.head.target.as_str();
        target.split(['?', '#']).next().unwrap_or_default()
    }

    /// The value of a key of the query, decoded; empty where it stands alone.
    pub fn query(&self, key: &str) -> Option<String> {
        let (_, query) = self.head.target.split_once('?')?;
        let mut pairs = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let (_, value) = pairs.find(|(name, _)| *name == key)?;
        decoded(value)
    }

    /// A field of the head that was sent once.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }

    /// Bytes of the body.
    pub fn body_len(&self) -> u64 {
        self.head.body_len
    }

    /// A small body, parsed.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, BodyError> {
        let body = self.bytes(self.limits.json)?;
        serde_json::from_slice(&body).map_err(BodyError::Json)
    }

    /// A small body.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn bytes(&mut self, most: u64) -> Result<Vec<u8>, BodyError> {
        let mut bytes = Vec::new();
        self.copy_body(most, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// Hands the body on, piece by piece, as it comes.
    ///
    /// # Errors
    /// [`BodyError`], of `take` too.
    pub fn copy_body(
        &mut self,
        most: u64,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), BodyError> {
        let len = self.head.body_len;
        if len > most {
            return Err(BodyError::TooLong { len, most });
        }
        let mut piece = vec![0; 64 * 1024];
        while self.left > 0 {
            let count = self.read_some(&mut piece).map_err(BodyError::Broken)?;
            take(&piece[..count]).map_err(BodyError::Broken)?;
        }
        Ok(())
    }

    fn read_some(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).map_or(piece.len(), |left| left.min(piece.len()));
        if self.begun.is_none() {
            self.begun = Some(Instant::now());
            self.encourage()?;
        }
        let count = if self.rest.is_empty() {
            self.patience()?;
            let mut stream = self.stream;
            stream.read(&mut piece[..want])?
        } else {
            let count = want.min(self.rest.len());
            piece[..count].copy_from_slice(&self.rest[..count]);
            self.rest.drain(..count);
            count
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }

    /// Some clients wait to be told that their body is welcome.
    fn encourage(&self) -> io::Result<()> {
        let waits = self
            .field("expect")
            .is_some_and(|e| e.eq_ignore_ascii_case("100-continue"));
        let mut stream = self.stream;
        if waits {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
        } else {
            Ok(())
        }
    }

    /// How long to wait for the next piece: a sender may pause, but must come to a least speed over
    /// all of its time.
    fn patience(&self) -> io::Result<()> {
        let limits = self.limits;
        let got = (self.head.body_len - self.left) as f64;
        let earned = Duration::from_secs_f64(got / limits.least_bytes_per_second);
        let gone = self.begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        let left = (limits.pause + earned)
            .saturating_sub(gone)
            .min(limits.pause);
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))
    }
}

/// A text in which `%41` stands for `A`; `None` where it is not one.
pub fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => 16 * digit(rest.next()?)? + digit(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn encoded_text_is_decoded_once() {
        assert_eq!(decoded("a%20b").as_deref(), Some("a b"));
        assert_eq!(decoded("%252e").as_deref(), Some("%2e"));
        assert_eq!(decoded("%C3%A9").as_deref(), Some("é"));
        for wrong in ["%", "%4", "%g1", "%ff"] {
            assert_eq!(decoded(wrong), None, "{wrong}");
        }
    }
}
