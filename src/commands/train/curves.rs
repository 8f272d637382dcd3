//! The curves of a run as TensorBoard's event files, in the run's folder. They are there to be looked
//! at while a run goes on: the log is what counts.

use crate::files::system::{self, OpenFile};
use crate::progress::{Event, Observer};
use crate::report::events;
use crate::training::history::EpochRow;
use crate::training::run_dir::RunDir;
use anyhow::{Context, Result};
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The folder to give to `tensorboard --logdir`, or any above it.
const FOLDER: &str = "tensorboard";

/// An event file that grows by a record per epoch; one that cannot be written is told of once.
pub(super) struct Curves<'a> {
    run: &'a RunDir,
    observer: &'a dyn Observer,
    file: Option<OpenFile>,
    failed: bool,
}

impl<'a> Curves<'a> {
    /// A file to be, in a run's folder.
    pub(super) fn of(run: &'a RunDir, observer: &'a dyn Observer) -> Self {
        Self {
            run,
            observer,
            file: None,
            failed: false,
        }
    }

    /// An epoch's figures.
    pub(super) fn add(&mut self, row: &EpochRow) {
        if self.failed {
            return;
        }
        if let Err(error) = self.try_to_add(row) {
            let text = format!("no more curves are written: {error:#}");
            self.observer.event(Event::Warning(&text));
            self.failed = true;
        }
    }

    fn try_to_add(&mut self, row: &EpochRow) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(begin(self.run, row.epoch)?),
        };
        let figures = [
            ("train/esr", row.train.esr),
            ("train/rmse", row.train.rmse),
            ("valid/esr", row.valid.esr),
            ("valid/rmse", row.valid.rmse),
            ("learning_rate", row.learning_rate),
            ("seconds", row.seconds),
        ];
        let record = events::scalars(now().as_secs_f64(), row.epoch as u64, &figures);
        file.write_all(&record).context(FOLDER)
    }
}

fn now() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}

/// A new file; what earlier ones have from this epoch on is taken back.
fn begin(run: &RunDir, epoch: usize) -> Result<OpenFile> {
    let now = now();
    let name = format!(
        "events.out.tfevents.{}.effigy.{}.{}",
        now.as_secs(),
        std::process::id(),
        now.subsec_nanos()
    );
    let folder = run.file(FOLDER);
    let path = folder.join(name);
    let open = || {
        system::create_dir_all(&folder)?;
        let mut file = OpenFile::create_new(&path)?;
        file.write_all(&events::begin(now.as_secs_f64()))?;
        if epoch > 1 {
            file.write_all(&events::restart(now.as_secs_f64(), epoch as u64))?;
        }
        Ok::<_, std::io::Error>(file)
    };
    open().with_context(|| path.display().to_string())
}
