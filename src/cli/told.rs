//! Progress for a program that runs this one: as lines, no more of them than an eye could follow.

use effigy_studio::{LINES, PROGRESS, Told};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The shortest time between two lines.
const PAUSE: Duration = Duration::from_millis(200);

/// Tells how far a task is.
#[derive(Debug, Default)]
pub struct Teller {
    last: Mutex<Option<Instant>>,
}

impl Teller {
    /// Where the environment asks for one.
    pub fn from_environment() -> Option<Self> {
        let asked = std::env::var_os(PROGRESS).is_some_and(|value| value == LINES);
        asked.then(Self::default)
    }

    /// The next line, where it is time for one or a `new` task has begun.
    pub fn line(&self, new: bool, told: impl FnOnce() -> Option<Told>) -> Option<String> {
        // Another thread is about to tell.
        let mut last = self.last.try_lock().ok()?;
        if !new && last.is_some_and(|last| last.elapsed() < PAUSE) {
            return None;
        }
        let line = told()?.line();
        *last = Some(Instant::now());
        Some(line)
    }
}

/// How much is done of tasks within each other, `(done, all)` from the outermost inwards: a step of one
/// that is under way counts by how much of the next inner one is done. `None` where nothing is counted.
pub fn share(counted: &[(u64, u64)]) -> Option<f64> {
    let inwards = counted.iter().rev().filter(|(_, all)| *all > 0);
    inwards.fold(None, |inner: Option<f64>, &(done, all)| {
        let part = (done as f64 + inner.unwrap_or(0.0)) / all as f64;
        Some(part.min(1.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_counts_by_what_is_done_inside_it() {
        assert_eq!(share(&[]), None);
        assert_eq!(share(&[(0, 0)]), None);
        assert_eq!(share(&[(3, 4)]), Some(0.75));
        assert_eq!(share(&[(1, 4), (1, 2)]), Some(0.375));
        assert_eq!(share(&[(0, 0), (1, 2)]), Some(0.5));
        assert_eq!(share(&[(4, 4), (1, 2)]), Some(1.0));
    }

    #[test]
    fn lines_are_as_few_as_an_eye_follows() {
        let teller = Teller::default();
        let told = || {
            let task = "t".to_string();
            Some(Told { task, share: None })
        };
        assert!(teller.line(false, told).is_some());
        assert!(teller.line(false, told).is_none());
        assert!(teller.line(true, told).is_some());
    }
}
