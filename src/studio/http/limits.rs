//! What a peer may take: bytes, time, connections.

use std::time::Duration;

/// What a peer may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// How long a connection may be silent between requests.
    pub idle: Duration,
    /// How long a head may take.
    pub head: Duration,
    /// The longest pause in a body, and how much later than at the least speed it may come.
    pub pause: Duration,
    /// The least speed of a body over all its time.
    pub least_bytes_per_second: f64,
    /// How long a peer may take nothing of an answer.
    pub write: Duration,
    /// Bytes of a body of JSON or text.
    pub json: u64,
    /// Bytes of an uploaded file: as many as a WAV file can have.
    pub upload: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            idle: Duration::from_secs(20),
            head: Duration::from_secs(10),
            pause: Duration::from_secs(20),
            least_bytes_per_second: 4096.0,
            write: Duration::from_secs(30),
            json: 1 << 20,
            upload: 4 << 30,
        }
    }
}
