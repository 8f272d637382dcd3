//! A job: a training that is wanted, and the file that holds them all.

use crate::error::Refusal;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::Path;

/// A training that is wanted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Job {
    /// Its name in the queue, for good.
    pub id: String,
    /// What it was begun from; absent for a run that was begun elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// The run's folder.
    pub run: String,
    /// What is to become of it.
    pub wanted: Wanted,
    /// Epochs that were asked for instead of the config's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Why it ended before its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// The process that trains, or has trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// When that process was started, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// How often it was started without coming any further.
    pub starts: u32,
    /// Epochs that were done when it was started last.
    pub reached: usize,
}

/// What is to become of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// It is to be trained to its end.
    #[default]
    Run,
    /// It is to wait until it is continued.
    Pause,
    /// It is to end with the best weights so far, tested as if they were the last.
    Keep,
    /// It is to end as it stands.
    Stop,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its turn has not come.
    Waiting,
    /// It trains.
    Running,
    /// It was asked to stop, and does after its step.
    Stopping,
    /// It waits to be continued.
    Paused,
    /// It was ended by the user.
    Stopped,
    /// It ended with an error.
    Failed,
    /// It was trained and tested.
    Done,
}

/// What can be done with a job.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", tag = "act")]
pub enum Act {
    /// Stop after this step, to be continued.
    Pause,
    /// End as it stands.
    Stop,
    /// Stop and test the best weights so far.
    Keep,
    /// Go on.
    Continue,
    /// Try once more.
    Retry,
    /// Train to more epochs.
    Longer {
        /// Altogether.
        epochs: usize,
    },
    /// Take it out of the queue; its run stays.
    Remove,
}

impl Job {
    /// It is to run, whatever came before.
    pub(super) fn again(&mut self) {
        self.wanted = Wanted::Run;
        self.failed = None;
        self.starts = 0;
    }
}

/// All jobs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Jobs {
    /// The number of the next job.
    next: u64,
    /// In their order.
    pub(super) all: Vec<Job>,
}

impl Jobs {
    /// Reads the queue's file; an empty queue where there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn read(path: &Path) -> Result<Self, Refusal> {
        let name = path.display().to_string();
        match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|e| {
                Refusal::Said(format!(
                    "{name}: {e}; move it away to begin with an empty queue"
                ))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Refusal::disk(name)(error)),
        }
    }

    pub(super) fn push(&mut self, config: Option<String>, run: String) -> Job {
        self.next += 1;
        let job = Job {
            id: format!("{:04}", self.next),
            config,
            run,
            ..Job::default()
        };
        self.all.push(job.clone());
        job
    }

    /// Brings the named jobs into this order, before all others.
    pub(super) fn order(&mut self, ids: &[String]) {
        let place = |job: &Job| ids.iter().position(|id| *id == job.id).unwrap_or(ids.len());
        self.all.sort_by_key(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_keeps_its_order() {
        let mut jobs = Jobs::default();
        for name in ["a", "b", "c", "d"] {
            jobs.push(None, name.to_string());
        }
        jobs.order(&["0003".to_string(), "0001".to_string(), "gone".to_string()]);
        let runs: Vec<&str> = jobs.all.iter().map(|job| job.run.as_str()).collect();
        assert_eq!(runs, ["c", "a", "b", "d"]);
        assert_eq!(jobs.push(None, "e".to_string()).id, "0005");
    }

    #[test]
    fn an_act_is_read_as_the_page_writes_it() {
        let read = |text: &str| serde_json::from_str::<Act>(text).unwrap();
        assert_eq!(read(r#"{"act":"keep"}"#), Act::Keep);
        assert_eq!(
            read(r#"{"act":"longer","epochs":80}"#),
            Act::Longer { epochs: 80 }
        );
        assert!(serde_json::from_str::<Act>(r#"{"act":"format"}"#).is_err());
    }
}
