//! How far runs are that are over, remembered for as long as their files stay what they were: a folder
//! of hundreds is shown again and again while one of them trains.

use super::progress::{Progress, log_of};
use super::weights::WEIGHTS;
use crate::folder::Folder;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Runs that are over, by their folders.
#[derive(Debug, Default)]
pub(super) struct Finished(Mutex<HashMap<String, (u64, Progress)>>);

impl Finished {
    /// What is remembered of a run that is to have so many epochs, or else what `look` finds.
    pub(super) fn progress(
        &self,
        folder: &Folder,
        run: &str,
        epochs: Option<usize>,
        look: impl FnOnce() -> Option<Progress>,
    ) -> Option<Progress> {
        let stamp = stamp(folder, run, epochs);
        let known = |known: &(u64, Progress)| (known.0 == stamp).then(|| known.1.clone());
        if let Some(progress) = self.all().get(run).and_then(known) {
            return Some(progress);
        }
        let found = look()?;
        if found.tested {
            self.all().insert(run.to_string(), (stamp, found.clone()));
        }
        Some(found)
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<String, (u64, Progress)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number that changes whenever one of the files does that a run's figures are read off.
fn stamp(folder: &Folder, run: &str, epochs: Option<usize>) -> u64 {
    let mut hasher = DefaultHasher::new();
    epochs.hash(&mut hasher);
    let path = folder.at(run);
    let parts = ["report.json", "config.toml", WEIGHTS].map(|name| path.join(name));
    for file in parts.iter().chain([&log_of(folder, run)]) {
        let found = |file: &Path| file.metadata().ok().map(|m| (m.len(), m.modified().ok()));
        found(file).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_run_that_is_over_is_looked_at_once_until_it_changes() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let run = folder.at("checkpoints/a");
        fs::create_dir_all(&run).unwrap();
        let finished = Finished::default();
        let looks = std::cell::Cell::new(0);
        let look = |tested| {
            finished.progress(&folder, "checkpoints/a", None, || {
                looks.set(looks.get() + 1);
                let epochs = looks.get();
                Some(Progress {
                    tested,
                    epochs,
                    ..Progress::default()
                })
            })
        };
        // It trains: every look is a new one.
        look(false);
        look(false);
        assert_eq!(looks.get(), 2);
        look(true);
        assert_eq!(look(true).unwrap().epochs, 3);
        fs::write(run.join("metrics.jsonl"), "one more epoch").unwrap();
        assert_eq!(look(true).unwrap().epochs, 4);
        assert_eq!(
            finished
                .progress(&folder, "checkpoints/b", None, || None)
                .map(|_| ()),
            None
        );
    }
}
