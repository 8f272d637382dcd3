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

/// The user asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped")]
pub struct Stopped;

/// A task under way: begun when made, ended when dropped, so that no way out of a function
/// leaves a bar behind.
pub struct Task<'a> {
    observer: &'a dyn Observer,
}

impl<'a> Task<'a> {
    /// Begins `task`, in words a user knows ("aligning"), of so many steps where that is known.
    pub fn begin(observer: &'a dyn Observer, task: &str, total: Option<u64>) -> Self {
        observer.event(Event::Start { task, total });
        Self { observer }
    }

    /// That many further steps are done.
    pub fn advance(&self, steps: u64) {
        self.observer.event(Event::Advance(steps));
    }

    /// The task's figures now ("loss 0.0123").
    pub fn status(&self, figures: &str) {
        self.observer.event(Event::Status(figures));
    }

    /// That many further steps are done, and there may be more.
    ///
    /// # Errors
    /// The user asked to stop.
    pub fn step(&self, steps: u64) -> Result<(), Stopped> {
        self.advance(steps);
        self.go_on()
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// The user asked to stop.
    pub fn go_on(&self) -> Result<(), Stopped> {
        if self.observer.stop_requested() {
            return Err(Stopped);
        }
        Ok(())
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.observer.event(Event::Finish);
    }
}

/// Watches nothing and never stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event<'_>) {}
}
