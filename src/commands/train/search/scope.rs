//! What a search has to work with. Searches nothing.

use crate::commands::train::lesson::Lesson;
use crate::config::Config;
use crate::files::checksums::Checksums;
use crate::progress::Observer;
use std::time::Instant;

/// What there is to search with.
pub(in crate::commands::train) struct Search<'a> {
    pub(in crate::commands::train) lesson: Lesson<'a>,
    /// The config that asks for the search.
    pub(in crate::commands::train) base: &'a Config,
    pub(in crate::commands::train) checksums: &'a Checksums,
    /// When the command began: loading counts, too.
    pub(in crate::commands::train) started: Instant,
    pub(in crate::commands::train) observer: &'a dyn Observer,
}
