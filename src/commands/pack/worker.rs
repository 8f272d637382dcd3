//! One worker: claims a job, trains it as `effigy train` does, gives it its place, until there is
//! none left.

use super::heart::{self, UntilLost};
use super::opened::{Opened, look};
use super::wanted::Request;
use crate::commands::train;
use crate::config::Config;
use crate::files::{self, system};
use crate::pack::Job;
use crate::pack::claim::{Claim, DeathWatch};
use crate::pack::place::{Failure, Scan, Summary};
use crate::pack::share::Share;
use crate::progress::{Event, Observer, Silent};
use crate::training::history::EpochRow;
use crate::training::run_dir::{RunDir, RunError};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A job that this worker has trained to its end.
#[derive(Clone, Debug, Serialize)]
pub struct Trained {
    /// What people call it.
    pub name: String,
    /// Its name by its content, and that of its run's folder.
    pub id: String,
    /// Of the test span.
    pub esr: Option<f64>,
    /// Of this worker's part in it.
    pub seconds: f64,
}

/// A job that this worker could not train.
#[derive(Clone, Debug, Serialize)]
pub struct Failed {
    /// What people call it.
    pub name: String,
    /// Why, in one line.
    pub reason: String,
}

/// Something that happened to a worker.
#[derive(Debug)]
pub enum WorkEvent<'a> {
    /// It begins, or goes on with, a job: its name, its place in the plan from 0, and how many there
    /// are.
    Start(&'a str, usize, usize),
    /// An epoch ended; whether it is the best so far.
    Epoch(&'a EpochRow, bool),
    /// A job is done.
    Done(&'a Trained),
    /// One failed.
    Failed(&'a str, &'a anyhow::Error),
}

/// What a worker came to.
#[derive(Debug, Default)]
pub(super) struct Worked {
    pub(super) trained: Vec<Trained>,
    pub(super) failed: Vec<Failed>,
    /// Whether it was asked to stop.
    pub(super) stopped: bool,
    /// Whether a recording changed meanwhile: the plan is out of date.
    pub(super) changed: bool,
}

/// A worker at work.
pub(super) struct Worker<'a> {
    pub(super) opened: &'a Opened,
    pub(super) request: &'a Request,
    pub(super) share: Option<Share>,
    pub(super) observer: &'a dyn Observer,
}

/// What to do next.
enum Next {
    /// Train this job, by its place in the plan.
    Train(usize, Claim),
    /// Others are at work on all that is left.
    Wait,
    /// Nothing is left.
    End,
}

/// How an attempt at a job ended.
enum Attempt {
    Done(Box<train::Outcome>),
    /// Its folder is in the hands of a process that lives.
    Busy,
    Failed(anyhow::Error),
}

impl Worker<'_> {
    /// Works until nothing is left, a recording changes, or it is asked to stop.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub(super) fn work(&self, on_event: &mut dyn FnMut(WorkEvent<'_>)) -> Result<Worked> {
        let started = Instant::now();
        let patience = self.request.patience();
        let pause = (patience / 10).clamp(Duration::from_millis(20), Duration::from_secs(2));
        let mut watch = DeathWatch::new(patience);
        let mut worked = Worked::default();
        loop {
            if self.observer.stop_requested() {
                worked.stopped = true;
                break;
            }
            let ended = worked.trained.len() + worked.failed.len();
            if worked.changed || self.request.most.is_some_and(|most| ended >= most) {
                break;
            }
            match self.next(&mut watch, started.elapsed())? {
                Next::Train(position, claim) => {
                    self.train(position, claim, &mut worked, on_event)?;
                }
                Next::Wait => thread::sleep(pause),
                Next::End => break,
            }
        }
        // The pack may have been changed meanwhile: what its newer plan knows is not left over. Where
        // it cannot be known, nothing is.
        if let Ok(now) = look(self.opened.pack.folder(), &Silent) {
            let jobs = self.opened.plan.jobs.iter().chain(&now.plan.jobs);
            let known: HashSet<&str> = jobs.map(|job| job.id.as_str()).collect();
            self.opened.place.tidy(&known)?;
        }
        Ok(worked)
    }

    /// Jobs of this worker's share that are to be done, with their places in the plan.
    fn open<'s>(&'s self, scan: &'s Scan) -> impl Iterator<Item = (usize, &'s Job)> {
        let jobs = self.opened.plan.jobs.iter().enumerate();
        let mine = jobs.filter(|(at, _)| self.share.is_none_or(|share| share.holds(*at)));
        mine.filter(|(_, job)| !scan.done.contains(&job.id) && !scan.failed.contains(&job.id))
    }

    /// The first job that nobody has, else the first whose owner is dead.
    fn next(&self, watch: &mut DeathWatch, now: Duration) -> Result<Next> {
        let place = &self.opened.place;
        let scan = place.scan()?;
        let free = self
            .open(&scan)
            .filter(|(_, job)| !scan.claimed.contains_key(&job.id));
        for (at, job) in free {
            if let Some(claim) = place.claims.take(&job.id)?
                // It may have been finished since the look.
                && place.is_open(&job.id)
            {
                return Ok(Next::Train(at, claim));
            }
        }
        let mut left = false;
        for (at, job) in self.open(&scan) {
            left = true;
            let Some(found) = scan.claimed.get(&job.id) else {
                continue;
            };
            if let Some(dead) = watch.look(&place.claims, found, now)
                && let Some(claim) = place.claims.take_over(&dead)?
                && place.is_open(&job.id)
            {
                return Ok(Next::Train(at, claim));
            }
        }
        Ok(match left {
            true => Next::Wait,
            false => Next::End,
        })
    }

    fn train(
        &self,
        position: usize,
        claim: Claim,
        worked: &mut Worked,
        on_event: &mut dyn FnMut(WorkEvent<'_>),
    ) -> Result<()> {
        let Opened { pack, plan, place } = self.opened;
        let (job, started) = (&plan.jobs[position], Instant::now());
        on_event(WorkEvent::Start(&job.name, position, plan.jobs.len()));
        let folder = place.adopt(&claim).context("taking a job over")?;
        let lost = AtomicBool::new(false);
        let attempt = heart::beating(&claim, self.request.patience() / 6, &lost, || {
            let entry = &pack.description.job[position];
            match pack.config(entry) {
                Ok(config) => self.attempt(config, (&folder, place.run(&job.id)), &lost, on_event),
                Err(error) => Attempt::Failed(error.into()),
            }
        });
        match attempt {
            _ if lost.load(Ordering::SeqCst) => {
                let note = format!("{}: another worker has taken it over", job.name);
                self.observer.event(Event::Note(&note));
                place.abandon(claim)?;
            }
            Attempt::Done(_) if !plan.holds(pack.folder(), job) => {
                let text = format!("{}: a recording changed while it was trained", job.name);
                self.observer.event(Event::Warning(&text));
                place.abandon(claim)?;
                worked.changed = true;
            }
            Attempt::Done(outcome) => {
                let esr = outcome.network().map(|row| row.metrics.esr);
                let trained = Trained {
                    name: job.name.clone(),
                    id: job.id.clone(),
                    esr: esr.filter(|esr| esr.is_finite()),
                    seconds: started.elapsed().as_secs_f64(),
                };
                if self.publish(claim, *outcome, &trained, &folder)? {
                    on_event(WorkEvent::Done(&trained));
                    worked.trained.push(trained);
                }
            }
            Attempt::Busy => thread::sleep(Duration::from_millis(200)),
            // What was trained so far stays for whoever goes on with it.
            Attempt::Failed(_) if self.observer.stop_requested() => worked.stopped = true,
            Attempt::Failed(error) => {
                on_event(WorkEvent::Failed(&job.name, &error));
                let failure = Failure {
                    name: job.name.clone(),
                    reason: format!("{error:#}").replace('\n', " "),
                    host: claim.host().to_string(),
                };
                place.fail(claim, &failure)?;
                worked.failed.push(Failed {
                    name: failure.name,
                    reason: failure.reason,
                });
            }
        }
        Ok(())
    }

    /// Goes on with what is in the folder, which will be moved to `stands`, where that can be done; else
    /// begins anew.
    fn attempt(
        &self,
        config: Config,
        (folder, stands): (&Path, PathBuf),
        lost: &AtomicBool,
        on_event: &mut dyn FnMut(WorkEvent<'_>),
    ) -> Attempt {
        let saved = RunDir::open(folder).and_then(|run| run.config());
        let resume = saved.is_ok_and(|saved| train::is_of(&saved, &config));
        if !resume && let Err(error) = clear(folder) {
            return Attempt::Failed(error);
        }
        let mut request = train::Request {
            resolved: Some(Box::new(config)),
            run: Some(folder.to_path_buf()),
            resume,
            save_every: self.request.save_every,
            device: self.request.device.clone(),
            no_report: true,
            stands: Some(stands),
            ..train::Request::default()
        };
        let observer = UntilLost {
            inner: self.observer,
            lost,
        };
        let mut trained = train_one(&request, &observer, on_event);
        if resume && trained.as_ref().is_err_and(is_beyond_repair) {
            if let Err(error) = clear(folder) {
                return Attempt::Failed(error);
            }
            request.resume = false;
            trained = train_one(&request, &observer, on_event);
        }
        match trained {
            Ok(outcome) => Attempt::Done(Box::new(outcome)),
            Err(error) if is_busy(&error) => Attempt::Busy,
            Err(error) => Attempt::Failed(error),
        }
    }

    /// Whether it took its place.
    fn publish(
        &self,
        claim: Claim,
        outcome: train::Outcome,
        trained: &Trained,
        folder: &Path,
    ) -> Result<bool> {
        let place = &self.opened.place;
        let run = RunDir::open(folder)?;
        let seconds = run.metrics()?.iter().map(|row| row.seconds).sum();
        let summary = Summary {
            name: trained.name.clone(),
            esr: trained.esr,
            epochs: outcome.epochs,
            seconds,
            host: claim.host().to_string(),
        };
        Ok(place.publish(claim, &summary)?)
    }
}

/// Nothing of an earlier attempt stays.
fn clear(folder: &Path) -> Result<()> {
    files::sweep(system::folder_of(folder));
    match folder.exists() {
        true => system::remove_dir_all(folder).with_context(|| folder.display().to_string()),
        false => Ok(()),
    }
}

/// A panic is a fault of effigy; it has been told of and costs one job, not the worker.
fn train_one(
    request: &train::Request,
    observer: &dyn Observer,
    on_event: &mut dyn FnMut(WorkEvent<'_>),
) -> Result<train::Outcome> {
    let epoch = |row: &EpochRow, best| on_event(WorkEvent::Epoch(row, best));
    let train = AssertUnwindSafe(|| train::train(request, observer, epoch));
    catch_unwind(train).unwrap_or_else(|_| bail!("internal fault"))
}

fn run_error(error: &anyhow::Error) -> Option<&RunError> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

fn is_busy(error: &anyhow::Error) -> bool {
    matches!(run_error(error), Some(RunError::Busy(_)))
}

/// What a beginning anew mends: the folder is damaged, or of other recordings.
fn is_beyond_repair(error: &anyhow::Error) -> bool {
    matches!(
        run_error(error),
        Some(
            RunError::NothingWhole { .. }
                | RunError::Damaged { .. }
                | RunError::Replaced { .. }
                | RunError::Config(_)
        )
    )
}
