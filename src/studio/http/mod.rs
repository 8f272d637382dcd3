//! As much of HTTP/1.1 as one page on this machine needs, with bounds on everything that a peer
//! sends: its head, its body, its time, its number of connections.
//!
//! Knows nothing of what is served.

mod connection;
mod head;
mod limits;
mod request;
mod response;
mod server;

pub use limits::Limits;
pub use request::{BodyError, Request, decoded};
pub use response::{Outgoing, Response};
pub use server::serve;
