//! A sign of life at even intervals while something else is done. Knows a claim, not its job.

use crate::pack::claim::Claim;
use crate::progress::{Event, Observer};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Does `work` while the claim is counted on; `lost` is set where somebody has taken its owner for
/// dead.
pub(super) fn beating<T>(
    claim: &Claim,
    every: Duration,
    lost: &AtomicBool,
    work: impl FnOnce() -> T,
) -> T {
    let (done, bell) = (Mutex::new(false), Condvar::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                let guard = done.lock().unwrap_or_else(PoisonError::into_inner);
                let waited = bell.wait_timeout_while(guard, every, |done| !*done);
                let (guard, _) = waited.unwrap_or_else(PoisonError::into_inner);
                if *guard {
                    return;
                }
                drop(guard);
                // A server that does not answer says nothing about who lives.
                if claim.beat().is_ok_and(|mine| !mine) {
                    lost.store(true, Ordering::SeqCst);
                    return;
                }
            }
        });
        let result = work();
        *done.lock().unwrap_or_else(PoisonError::into_inner) = true;
        bell.notify_all();
        result
    })
}

/// Stops what is observed once its job is somebody else's.
pub(super) struct UntilLost<'a> {
    pub(super) inner: &'a dyn Observer,
    pub(super) lost: &'a AtomicBool,
}

impl Observer for UntilLost<'_> {
    fn event(&self, event: Event<'_>) {
        self.inner.event(event);
    }

    fn stop_requested(&self) -> bool {
        self.inner.stop_requested() || self.lost.load(Ordering::SeqCst)
    }
}
