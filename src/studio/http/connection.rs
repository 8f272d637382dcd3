//! One connection: request after request until one side has had enough.

use super::head::{self, HeadError};
use super::limits::Limits;
use super::request::Request;
use super::response::Response;
use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// Answers a request.
pub type Handler = dyn Fn(&mut Request<'_>) -> Response + Send + Sync;

/// How long, and for how many bytes, a peer that was refused is listened to, so that it hears why.
const PARTING: Duration = Duration::from_millis(500);
const PARTING_BYTES: usize = 1 << 20;

/// Serves a connection to its end.
pub(super) fn serve(stream: &TcpStream, limits: &Limits, handler: &Handler) {
    // Small answers at once; a peer that takes nothing does not hold the thread for ever.
    let set = stream
        .set_nodelay(true)
        .and_then(|()| stream.set_write_timeout(Some(limits.write)));
    if set.is_err() {
        return;
    }
    let mut rest = Vec::new();
    while answer_one(stream, &mut rest, limits, handler) {}
    part(stream);
}

/// Answers one request; whether there may be another.
fn answer_one(stream: &TcpStream, rest: &mut Vec<u8>, limits: &Limits, handler: &Handler) -> bool {
    let head = match head::read(stream, rest, limits) {
        Ok(head) => head,
        Err(HeadError::Gone) => return false,
        Err(HeadError::Refused(status)) => {
            // It ends either way.
            let _ =
                Response::text(status, "this request is not understood").write(stream, true, false);
            return false;
        }
    };
    let (wants_body, keep_alive, left) = (head.method != "HEAD", head.keep_alive, head.body_len);
    let mut request = Request {
        head,
        stream,
        rest,
        left,
        limits,
        begun: None,
    };
    let response = handler(&mut request);
    // A body that was not taken stands between here and the next request.
    let keep_alive = keep_alive && request.left == 0;
    response.write(stream, wants_body, keep_alive).is_ok() && keep_alive
}

/// Closes so that the last answer arrives: with bytes unread the system would cut the line.
fn part(mut stream: &TcpStream) {
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let until = Instant::now() + PARTING;
    let mut piece = [0; 4096];
    let mut heard = 0;
    while heard < PARTING_BYTES {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return;
        }
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => heard += count,
            _ => return,
        }
    }
}
