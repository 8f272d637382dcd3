//! How a pack stands: of every job whether it waits, is trained, is done or has failed. Knows no
//! training but the lines of its log.

use super::claim::Found;
use super::place::{Place, Scan};
use super::plan::{Job, Plan};
use crate::files::ScratchFile;
use rayon::prelude::*;
use serde::Serialize;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nobody has begun it.
    Waiting,
    /// Somebody trains it.
    Running,
    /// Somebody has it and has long shown no sign of life.
    Silent,
    /// Begun, and nobody has it: it goes on from its last epoch.
    Stopped,
    /// Trained and tested.
    Done,
    /// It ended in an error.
    Failed,
}

/// One job and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// What people call it.
    pub name: String,
    /// Its name by its content.
    pub id: String,
    /// Where it stands.
    pub state: State,
    /// Which machine has it, or had it last.
    pub host: Option<String>,
    /// Epochs that are completed, as far as anybody said.
    pub epoch: usize,
    /// Epochs that it is to have.
    pub epochs: usize,
    /// Of the test, once it is done.
    pub esr: Option<f64>,
    /// Of training, once it is done.
    pub seconds: Option<f64>,
    /// Why it failed.
    pub reason: Option<String>,
}

/// Every job of a plan, in its order. An owner is silent after `patience` without a sign of life, by
/// the clock of whoever keeps the folder.
///
/// # Errors
/// The folder cannot be read.
pub fn standings(
    place: &Place,
    folder: &Path,
    plan: &Plan,
    patience: Duration,
) -> io::Result<Vec<Standing>> {
    let scan = place.scan()?;
    let now = match scan.claimed.is_empty() {
        true => None,
        false => folder_time(folder),
    };
    let one = |job: &Job| standing(place, &scan, job, now, patience);
    Ok(plan.jobs.par_iter().map(one).collect())
}

/// What time it is by the clock that a folder's files get their times from.
fn folder_time(folder: &Path) -> Option<SystemTime> {
    let mut probe = ScratchFile::create(&folder.join("clock")).ok()?;
    fs::metadata(probe.sync().ok()?).ok()?.modified().ok()
}

fn standing(
    place: &Place,
    scan: &Scan,
    job: &Job,
    now: Option<SystemTime>,
    patience: Duration,
) -> Standing {
    let id = job.id.as_str();
    let mut standing = Standing {
        name: job.name.clone(),
        id: job.id.clone(),
        state: State::Waiting,
        host: None,
        epoch: 0,
        epochs: job.epochs,
        esr: None,
        seconds: None,
        reason: None,
    };
    if scan.done.contains(id) {
        standing.state = State::Done;
        if let Some(summary) = place.summary(id) {
            standing.esr = summary.esr;
            standing.seconds = Some(summary.seconds);
            standing.epoch = summary.epochs;
            standing.host = Some(summary.host);
        }
        return standing;
    }
    let begun = scan.work.get(id).into_iter().flatten();
    standing.epoch = begun.map(|run| logged(run)).max().unwrap_or(0);
    if scan.failed.contains(id) {
        standing.state = State::Failed;
        let failure = place.failure(id);
        standing.host = failure.as_ref().map(|failure| failure.host.clone());
        standing.reason = failure.map(|failure| failure.reason);
    } else if let Some(found) = scan.claimed.get(id) {
        standing.state = owned(place, found, now, patience);
        standing.host = place.claims.owner(found).map(|owner| owner.host);
        // Finished between two looks.
        if place.run(id).exists() {
            standing.state = State::Done;
        }
    } else if scan.work.contains_key(id) {
        standing.state = match place.run(id).exists() {
            true => State::Done,
            false => State::Stopped,
        };
    }
    standing
}

/// How a job stands that somebody has.
fn owned(place: &Place, found: &Found, now: Option<SystemTime>, patience: Duration) -> State {
    if let Some(left) = place.claims.is_left(found) {
        return match left {
            true => State::Stopped,
            false => State::Running,
        };
    }
    let touched = place.claims.touched(found);
    let age = now
        .zip(touched)
        .and_then(|(now, then)| now.duration_since(then).ok());
    match age.is_some_and(|age| age > patience) {
        true => State::Silent,
        false => State::Running,
    }
}

/// Epochs in a run's log.
fn logged(run: &Path) -> usize {
    let log = fs::read(run.join("metrics.jsonl")).unwrap_or_default();
    log.iter().filter(|byte| **byte == b'\n').count()
}

/// How many jobs stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Nobody has begun them.
    pub waiting: usize,
    /// Somebody trains them.
    pub running: usize,
    /// Their owner has long shown no sign of life.
    pub silent: usize,
    /// Begun, and nobody's.
    pub stopped: usize,
    /// Trained and tested.
    pub done: usize,
    /// Ended in an error.
    pub failed: usize,
}

impl Counts {
    /// Of these.
    pub fn of(all: &[Standing]) -> Self {
        let count = |state| all.iter().filter(|job| job.state == state).count();
        Self {
            waiting: count(State::Waiting),
            running: count(State::Running),
            silent: count(State::Silent),
            stopped: count(State::Stopped),
            done: count(State::Done),
            failed: count(State::Failed),
        }
    }

    /// Jobs that are still to be done, by whomever.
    pub fn open(&self) -> usize {
        self.waiting + self.running + self.silent + self.stopped
    }
}

/// Seconds until all are done, if as many go on as are at work now and an epoch takes what it took;
/// nothing where nobody is at work or nothing is done yet.
pub fn seconds_left(all: &[Standing]) -> Option<f64> {
    let done = all.iter().filter(|job| job.state == State::Done);
    let (mut seconds, mut epochs) = (0.0, 0);
    for job in done {
        seconds += job.seconds.unwrap_or(0.0);
        epochs += job.epoch;
    }
    let counts = Counts::of(all);
    if epochs == 0 || counts.running == 0 {
        return None;
    }
    let open = all
        .iter()
        .filter(|job| !matches!(job.state, State::Done | State::Failed));
    let left: usize = open.map(|job| job.epochs.saturating_sub(job.epoch)).sum();
    Some(left as f64 * seconds / epochs as f64 / counts.running as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::place::{Failure, Summary};

    #[test]
    fn every_job_stands_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(dir.path());
        let names = ["waiting", "running", "silent", "stopped", "done", "failed"];
        let jobs: Vec<String> = names
            .iter()
            .map(|name| {
                format!("{{\"id\":\"{name}\",\"name\":\"{name}\",\"epochs\":9,\"recordings\":[]}}")
            })
            .collect();
        let plan = format!(
            "{{\"version\":\"\",\"description\":\"\",\"recordings\":{{}},\"jobs\":[{}]}}",
            jobs.join(",")
        );
        let plan: Plan = serde_json::from_str(&plan).unwrap();
        let look = || {
            let patience = Duration::from_secs(60);
            standings(&place, dir.path(), &plan, patience).unwrap()
        };
        // Nothing is there, and nothing is made by looking.
        assert!(look().iter().all(|job| job.state == State::Waiting));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

        place.prepare().unwrap();
        let begin = |claim: &crate::pack::claim::Claim| {
            let run = place.adopt(claim).unwrap();
            fs::create_dir_all(&run).unwrap();
            fs::write(run.join("config.toml"), "").unwrap();
            fs::write(run.join("metrics.jsonl"), "{}\n{}\n{").unwrap();
        };
        let [running, stopped, done, failed] = ["running", "stopped", "done", "failed"]
            .map(|id| place.claims.take(id).unwrap().unwrap());
        for claim in [&running, &stopped, &done, &failed] {
            begin(claim);
        }
        drop(stopped);
        let summary = Summary {
            name: "done".to_string(),
            esr: Some(0.5),
            epochs: 9,
            seconds: 90.0,
            host: "h".to_string(),
        };
        place.publish(done, &summary).unwrap();
        let failure = Failure {
            name: "failed".to_string(),
            reason: "broke".to_string(),
            host: "h".to_string(),
        };
        place.fail(failed, &failure).unwrap();
        let silent = dir.path().join("claims/silent.1");
        fs::write(&silent, "").unwrap();
        let old = SystemTime::now() - Duration::from_secs(3600);
        fs::File::options()
            .write(true)
            .open(&silent)
            .unwrap()
            .set_modified(old)
            .unwrap();

        let found = look();
        for (job, name) in found.iter().zip(names) {
            let told = serde_json::to_value(job.state).unwrap();
            assert_eq!(told, name, "{job:?}");
        }
        assert_eq!((found[1].epoch, found[3].epoch, found[4].epoch), (2, 2, 9));
        assert_eq!(found[4].esr, Some(0.5));
        assert_eq!(found[5].reason.as_deref(), Some("broke"));
        let counts = Counts::of(&found);
        assert_eq!((counts.open(), counts.done, counts.failed), (4, 1, 1));
        // 9 + 7 + 9 + 7 epochs of ten seconds, by one worker.
        assert_eq!(seconds_left(&found), Some(320.0));
    }
}
