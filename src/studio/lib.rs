//! `effigy studio`: the whole job in a browser page, served on this machine by the same binary.
//!
//! The folders on disk are the only truth. Everything that is done is done by this program's own verbs
//! as child processes, so that results and errors are the command line's own, and the page can crash,
//! or be killed, without touching a training. Knows no tensor, and no verb but by its definition.

mod access;
mod assets;
mod browser;
mod error;
mod events;
mod excerpt;
mod folder;
mod http;
mod listing;
mod memory;
mod program;
mod queue;
mod routes;
mod sound;
mod start;
mod told;
mod upload;
mod verbs;

pub use browser::show;
pub use error::StudioError;
pub use http::Limits;
pub use start::{Opened, Settings, open};
pub use told::{LINES, PROGRESS, Told};
pub use verbs::Verbs;
