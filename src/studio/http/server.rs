//! Accepting connections, no more at a time than are served.

use super::connection::{self, Handler};
use super::limits::Limits;
use super::response::Response;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Serves for ever.
///
/// # Errors
/// The listener's own.
pub fn serve(listener: &TcpListener, limits: Limits, handler: Arc<Handler>) -> io::Result<()> {
    let limits = Arc::new(limits);
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if is_passing(&error) => {
                // Out of files for a moment: asking again at once would not help.
                std::thread::sleep(Duration::from_millis(50));
                continue;
            }
            Err(error) => return Err(error),
        };
        let place = Place::take(&open);
        if place.number > limits.connections {
            refuse(&stream);
            continue;
        }
        let (limits, handler) = (Arc::clone(&limits), Arc::clone(&handler));
        let thread = std::thread::Builder::new().name("connection".to_string());
        // Without a thread the connection is dropped, which is all that can be done.
        let _ = thread.spawn(move || {
            let _place = place;
            connection::serve(&stream, &limits, &*handler);
        });
    }
}

/// Whether accepting fails for this one connection, or for now.
fn is_passing(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::NotConnected
    )
}

/// Says that all places are taken, without waiting for anything.
fn refuse(stream: &TcpStream) {
    let response = Response::text(503, "too many connections at once; close some pages");
    // Whether it is heard or not, the connection ends.
    let _ = stream
        .set_nonblocking(true)
        .and_then(|()| response.write(stream, true, false));
}

/// A connection's place among those that are open.
struct Place {
    open: Arc<AtomicUsize>,
    number: usize,
}

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Self {
        let number = open.fetch_add(1, Ordering::SeqCst) + 1;
        Self {
            open: Arc::clone(open),
            number,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}
