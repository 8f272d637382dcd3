//! The line of jobs: what is wanted of each, kept in a file.

use super::finished::Finished;
use super::job::{Act, Job, Jobs, State, Wanted};
use super::process;
use super::progress::{Progress, progress};
use crate::error::Refusal;
use crate::folder::{CHECKPOINTS, Folder, STUDIO, is_plain};
use effigy_base::files;

use serde::Serialize;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The queue's file.
const FILE: &str = "queue.json";

/// The queue.
#[derive(Debug)]
pub struct Queue {
    pub(super) folder: Folder,
    jobs: Mutex<Jobs>,
    finished: Finished,
    pub(super) changed: Condvar,
}

/// A job as the page shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    #[serde(flatten)]
    job: Job,
    state: State,
    progress: Option<Progress>,
}

impl Shown {
    /// How far its run is.
    pub fn progress(&self) -> Option<&Progress> {
        self.progress.as_ref()
    }
}

impl Queue {
    /// Reads a folder's queue.
    ///
    /// # Errors
    /// Its file is there and cannot be read.
    pub(super) fn read(folder: &Folder) -> Result<Self, Refusal> {
        let jobs = Jobs::read(&folder.at(STUDIO).join(FILE))?;
        Ok(Self {
            folder: folder.clone(),
            jobs: Mutex::new(jobs),
            finished: Finished::default(),
            changed: Condvar::new(),
        })
    }

    /// All jobs, in their order.
    pub fn shown(&self) -> Vec<Shown> {
        let jobs = self.jobs().all.clone();
        jobs.into_iter().map(|job| self.show(job)).collect()
    }

    fn show(&self, job: Job) -> Shown {
        Shown {
            state: process::state(&self.folder, &job),
            progress: self.progress(&job.run, Some(&job)),
            job,
        }
    }

    /// How far a run is. `None` where nothing was begun.
    pub fn progress(&self, run: &str, job: Option<&Job>) -> Option<Progress> {
        let look = || progress(&self.folder, run, job);
        let epochs = job.and_then(|job| job.epochs);
        self.finished.progress(&self.folder, run, epochs, look)
    }

    /// Adds a config to be trained, or an existing run to be continued, as the last.
    ///
    /// # Errors
    /// Neither is there; it stands in the queue already; the disk.
    pub fn add(&self, config: Option<&str>, run: Option<&str>) -> Result<Job, Refusal> {
        if let Some(config) = config {
            self.folder.existing(config)?;
        }
        let mut jobs = self.jobs();
        let run = match (run, config) {
            (Some(run), _) => {
                self.run_folder(run)?;
                let waits = |job: &&Job| job.run == run;
                if let Some(job) = jobs.all.iter().find(waits) {
                    let text = format!("{run} stands in the queue already, as {}", job.id);
                    return Err(Refusal::Conflict(text));
                }
                run.to_string()
            }
            (None, Some(config)) => self.free_run(config, &jobs),
            (None, None) => return Err(Refusal::Missing("nothing to train was named".to_string())),
        };
        let job = jobs.push(config.map(str::to_string), run);
        self.save(&jobs)?;
        Ok(job)
    }

    /// Brings the named jobs into this order, before all others.
    ///
    /// # Errors
    /// The disk.
    pub fn order(&self, ids: &[String]) -> Result<(), Refusal> {
        let mut jobs = self.jobs();
        jobs.order(ids);
        self.save(&jobs)
    }

    /// Does something with a job.
    ///
    /// # Errors
    /// There is no such job; it cannot be done in its state; the disk.
    pub fn act(&self, id: &str, act: &Act) -> Result<(), Refusal> {
        let mut jobs = self.jobs();
        let Some(at) = jobs.all.iter().position(|job| job.id == id) else {
            return Err(Refusal::Missing(format!("no job {id} in the queue")));
        };
        let state = process::state(&self.folder, &jobs.all[at]);
        let lives = matches!(state, State::Running | State::Stopping);
        match act {
            Act::Remove if lives => {
                return Err(Refusal::Conflict(
                    "it is training; stop it first".to_string(),
                ));
            }
            Act::Remove => drop(jobs.all.remove(at)),
            Act::Pause => jobs.all[at].wanted = Wanted::Pause,
            Act::Stop => jobs.all[at].wanted = Wanted::Stop,
            Act::Keep => jobs.all[at].wanted = Wanted::Keep,
            Act::Continue | Act::Retry | Act::Longer { .. } if state == State::Stopping => {
                return Err(Refusal::Conflict("it is stopping; a moment".to_string()));
            }
            Act::Continue | Act::Retry => jobs.all[at].again(),
            Act::Longer { epochs } => {
                jobs.all[at].again();
                jobs.all[at].epochs = Some(*epochs);
                process::forget_result(&self.folder, &jobs.all[at])?;
            }
        }
        self.save(&jobs)?;
        if lives && !matches!(act, Act::Continue | Act::Retry) {
            process::interrupt(&jobs.all[at])?;
        }
        Ok(())
    }

    /// Changes a job, if it is still there.
    pub(super) fn update(&self, id: &str, change: impl FnOnce(&mut Job)) -> Result<(), Refusal> {
        let mut jobs = self.jobs();
        jobs.all
            .iter_mut()
            .filter(|job| job.id == id)
            .take(1)
            .for_each(change_once(change));
        self.save(&jobs)
    }

    pub(super) fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self, jobs: &Jobs) -> Result<(), Refusal> {
        let path = self.path();
        let text = serde_json::to_vec_pretty(jobs).map_err(|e| Refusal::said(&e))?;
        files::write(&path, &text).map_err(Refusal::disk(format!("{STUDIO}/{FILE}")))?;
        self.changed.notify_all();
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.folder.at(STUDIO).join(FILE)
    }

    /// The job of a run, if it has one.
    pub fn shown_run(&self, run: &str) -> Option<Shown> {
        let jobs = self.jobs().all.clone();
        let job = jobs.into_iter().find(|job| job.run == run)?;
        Some(self.show(job))
    }

    /// What changes with every job's state.
    pub fn stamp(&self, hasher: &mut impl Hasher) {
        let jobs = self.jobs().all.clone();
        for job in &jobs {
            (process::state(&self.folder, job) as u8).hash(hasher);
        }
    }

    /// Checks that a run is one of ours.
    ///
    /// # Errors
    /// It is not.
    pub fn run_folder(&self, run: &str) -> Result<(), Refusal> {
        let name = run
            .strip_prefix(CHECKPOINTS)
            .and_then(|rest| rest.strip_prefix('/'));
        if !name.is_some_and(is_plain) {
            return Err(Refusal::Missing(format!(
                "{run:?} is not a run of this folder"
            )));
        }
        Ok(())
    }

    /// The first of `NAME`, `NAME-2`, … that no run, search or job has.
    fn free_run(&self, config: &str, jobs: &Jobs) -> String {
        let name = config.strip_suffix(".toml").unwrap_or(config);
        let mut count = 1;
        loop {
            let run = match count {
                1 => format!("{CHECKPOINTS}/{name}"),
                n => format!("{CHECKPOINTS}/{name}-{n}"),
            };
            let there = |path: &str| self.folder.at(path).exists();
            let taken = jobs.all.iter().any(|job| job.run == run);
            if !taken && !there(&run) && !there(&format!("{run}-search")) {
                return run;
            }
            count += 1;
        }
    }
}

/// A change that happens once, for an iterator of at most one.
fn change_once<T>(change: impl FnOnce(&mut T)) -> impl FnMut(&mut T) {
    let mut change = Some(change);
    move |it| {
        if let Some(change) = change.take() {
            change(it);
        }
    }
}
