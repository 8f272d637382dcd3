//! Ctrl-C, a request to end, a terminal that goes away: the first asks long work to stop, the
//! second ends the process.

use super::screen;
use crate::files;
use indicatif::MultiProgress;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set by the first; long work asks for it once per step.
static STOP: AtomicBool = AtomicBool::new(false);

/// The bars on the screen, for the handler to speak above them.
static SHOWN: OnceLock<MultiProgress> = OnceLock::new();

/// Whether the user asked to stop.
pub fn stop_requested() -> bool {
    STOP.load(Ordering::SeqCst)
}

/// The bars that are on the screen from now on.
pub fn show(bars: &MultiProgress) {
    // Only a second screen in one process finds it taken, and then either serves.
    drop(SHOWN.set(bars.clone()));
}

/// Makes the first Ctrl-C ask long work to stop and the second one end the process.
pub fn catch() {
    let outlives_terminal = hangup::is_ignored();
    let installed = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            files::abandon_all();
            std::process::exit(130);
        }
        let text = "\nstopping after this step; press Ctrl-C again to end at once";
        match SHOWN.get() {
            // The terminal has echoed ^C: leave that line alone.
            Some(bars) => drop(bars.println(text)),
            None => screen::say(text),
        }
    });
    // A second handler in one process (tests) is no fault: the first one serves.
    drop(installed);
    if outlives_terminal {
        hangup::ignore();
    }
}

/// SIGHUP, which `nohup` has a process ignore; the handler above would hear it again.
#[cfg(unix)]
mod hangup {
    const SIGHUP: i32 = 1;
    const DEFAULT: usize = 0;
    const IGNORE: usize = 1;

    unsafe extern "C" {
        /// The C library's, which std itself stands on.
        fn signal(number: i32, action: usize) -> usize;
    }

    pub fn is_ignored() -> bool {
        let before = ignore();
        if before != IGNORE {
            // SAFETY: as in `ignore`; no handler of this process was installed before.
            unsafe { signal(SIGHUP, DEFAULT) };
        }
        before == IGNORE
    }

    /// Returns what was done about it before.
    pub fn ignore() -> usize {
        // SAFETY: a number that every Unix gives this signal, and an action that runs no code.
        unsafe { signal(SIGHUP, IGNORE) }
    }
}

#[cfg(not(unix))]
mod hangup {
    pub fn is_ignored() -> bool {
        false
    }

    pub fn ignore() {}
}
