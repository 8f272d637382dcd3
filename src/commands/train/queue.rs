//! Trains several configs one after another; one that fails does not stop the rest.

use super::request::Request;
use crate::progress::Observer;
use crate::training::history::EpochRow;
use anyhow::{Result, bail, ensure};
use serde::Serialize;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
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
    #[serde(serialize_with = "crate::files::path_text")]
    pub config: PathBuf,
    /// How it ended.
    pub state: State,
    /// Why it failed, in one line.
    pub error: Option<String>,
    /// What it reported.
    pub outcome: Option<super::Outcome>,
}

/// How the queue ended.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
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
    /// A run begins: its place from 0, and its config.
    Start(usize, &'a Path),
    /// An epoch of it ended; whether it is the best so far.
    Epoch(&'a EpochRow, bool),
    /// It failed, for this reason.
    Failed(&'a Path, &'a anyhow::Error),
}

/// Trains each config of the request in turn until Ctrl-C; with `resume`, one that was begun before
/// is continued.
///
/// # Errors
/// A run is named, which only one config can have. What fails later is told in the outcome.
pub fn queue(
    request: &Request,
    observer: &dyn Observer,
    mut on_event: impl FnMut(QueueEvent<'_>),
) -> Result<Outcome> {
    ensure!(
        request.run.is_none(),
        "--run belongs to one run, and {} configs are given; name one, or leave it out",
        request.configs.len()
    );
    let started = Instant::now();
    let (mut runs, mut taken) = (Vec::new(), BTreeSet::new());
    for (index, config) in request.configs.iter().enumerate() {
        let trained = (!observer.stop_requested()).then(|| {
            on_event(QueueEvent::Start(index, config));
            let mut one = request.with(config);
            if one.resume {
                one.run = super::begun(&one, &taken);
                one.resume = one.run.is_some();
                taken.extend(one.run.clone());
            }
            train_one(&one, observer, &mut on_event)
        });
        if let Some(Err(error)) = &trained {
            on_event(QueueEvent::Failed(config, error));
        }
        runs.push(QueuedRun::ended(config, trained));
    }
    Ok(Outcome {
        failed: runs.iter().filter(|r| r.state != State::Done).count(),
        runs,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// A panic is a fault of effigy; it has been told of and costs one run, not the queue.
fn train_one(
    request: &Request,
    observer: &dyn Observer,
    on_event: &mut impl FnMut(QueueEvent<'_>),
) -> Result<super::Outcome> {
    let epoch = |row: &EpochRow, best| on_event(QueueEvent::Epoch(row, best));
    let train = AssertUnwindSafe(|| super::train(request, observer, epoch));
    catch_unwind(train).unwrap_or_else(|_| bail!("internal fault"))
}

impl QueuedRun {
    /// `None`: it was not begun.
    fn ended(config: &Path, trained: Option<Result<super::Outcome>>) -> Self {
        let (state, error, outcome) = match trained {
            None => (State::NotStarted, None, None),
            Some(Ok(outcome)) => (State::Done, None, Some(outcome)),
            Some(Err(error)) => {
                let line = format!("{error:#}").replace('\n', " ");
                (State::Failed, Some(line), None)
            }
        };
        Self {
            config: config.to_path_buf(),
            state,
            error,
            outcome,
        }
    }
}
