//! Trains several configs one after another; one that fails does not stop the rest.

use super::{TrainOutcome, TrainRequest};
use crate::progress::Observer;
use crate::training::history::EpochRow;
use serde::Serialize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Instant;

/// How one run of the queue ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Trained and tested.
    Done,
    /// Ended by an error.
    Failed,
    /// Ctrl-C came first.
    NotStarted,
}

/// One run of the queue.
#[derive(Clone, Debug, Serialize)]
pub struct QueuedRun {
    /// Its config.
    pub config: PathBuf,
    /// How it ended.
    pub state: State,
    /// Why it failed, in one line.
    pub error: Option<String>,
    /// What it reported.
    pub outcome: Option<TrainOutcome>,
}

/// How the queue ended.
#[derive(Clone, Debug, Serialize)]
pub struct QueueOutcome {
    /// In the order given.
    pub runs: Vec<QueuedRun>,
    /// How many did not end well.
    pub failed: usize,
    /// Wall time of the whole.
    pub seconds: f64,
}

/// Something that happened in the queue.
#[derive(Debug)]
pub enum QueueEvent<'a> {
    /// A run begins: its place from 0, and what it is.
    Start(usize, &'a TrainRequest),
    /// An epoch of it ended; whether it is the best so far.
    Epoch(&'a EpochRow, bool),
    /// It failed, for this reason.
    Failed(&'a TrainRequest, &'a anyhow::Error),
}

/// Trains each request in turn until Ctrl-C.
pub fn queue(
    requests: &[TrainRequest],
    observer: &dyn Observer,
    mut on_event: impl FnMut(QueueEvent<'_>),
) -> QueueOutcome {
    let started = Instant::now();
    let mut runs = Vec::new();
    for (index, request) in requests.iter().enumerate() {
        let mut run = QueuedRun {
            config: request.config.clone().unwrap_or_default(),
            state: State::NotStarted,
            error: None,
            outcome: None,
        };
        if !observer.stop_requested() {
            on_event(QueueEvent::Start(index, request));
            // A panic is a fault of effigy; it has been told of and costs one run, not the queue.
            let trained = catch_unwind(AssertUnwindSafe(|| {
                super::train(request, observer, |row, best| {
                    on_event(QueueEvent::Epoch(row, best));
                })
            }))
            .unwrap_or_else(|_| Err(anyhow::anyhow!("internal fault")));
            match trained {
                Ok(outcome) => {
                    run.state = State::Done;
                    run.outcome = Some(outcome);
                }
                Err(error) => {
                    on_event(QueueEvent::Failed(request, &error));
                    run.state = State::Failed;
                    run.error = Some(format!("{error:#}").replace('\n', " "));
                }
            }
        }
        runs.push(run);
    }
    QueueOutcome {
        failed: runs.iter().filter(|r| r.state != State::Done).count(),
        runs,
        seconds: started.elapsed().as_secs_f64(),
    }
}
