//! What a search has to work with. Searches nothing.

use crate::commands::train::lesson::Lesson;
use crate::config::Config;
use crate::files::checksums::Checksums;
use crate::progress::Observer;
use std::time::Instant;

/// What there is to search with.
pub struct Search<'a> {
    pub lesson: Lesson<'a>,
    /// The config that asks for the search.
    pub base: &'a Config,
    pub checksums: &'a Checksums,
    /// When the command began: loading counts, too.
    pub started: Instant,
    pub observer: &'a dyn Observer,
}
