//! What long work tells whoever watches, and how it learns that it should stop.
//!
//! The core emits [`Event`]s and never prints; the command line draws bars from them, tests
//! count them. Knows nothing of terminals.

/// Something that happened during long work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// A task began; `total` counts its steps where that is known.
    Start {
        /// What is being done, in words a user knows ("aligning", "fitting FIR").
        task: &'a str,
        /// Number of steps, if known beforehand.
        total: Option<u64>,
    },
    /// The current task did `0` further steps.
    Advance(u64),
    /// The current task's figures changed ("loss 0.0123").
    Status(&'a str),
    /// The current task ended.
    Finish,
    /// Something worth knowing that is no fault ("resampling 48000 Hz to 44100 Hz").
    Note(&'a str),
    /// Something that may spoil the result, with what to do about it.
    Warning(&'a str),
}

/// Receives events, and says whether to stop.
pub trait Observer: Sync {
    /// Called from any thread; must return quickly.
    fn event(&self, event: Event<'_>);

    /// Whether the user asked to stop. Long loops ask once per step and then return what
    /// they have, or an "interrupted" error, leaving nothing half-written.
    fn stop_requested(&self) -> bool {
        false
    }
}

/// Watches nothing and never stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event<'_>) {}
}
