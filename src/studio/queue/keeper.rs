//! The keeper: one thread that trains one job after another. It sleeps until something is to be done.

use super::job::{Job, State, Wanted};
use super::line::Queue;
use super::process;
use super::progress::{epochs_done, work_done};
use super::sketch;
use crate::error::chain;
use crate::program::Program;
use effigy_base::files::Lock;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A job that was started so often without coming further, or saying why, is not started again.
const MOST_STARTS: u32 = 5;

/// How long the keeper waits when it cannot write what it wants to.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to be done next.
enum Next {
    /// A training lives, of this studio or of an earlier one.
    Watch(Job),
    Start(Job),
}

/// Begins to keep the queue.
pub(super) fn keep(queue: Arc<Queue>, program: Program) {
    let thread = std::thread::Builder::new().name("keeper".to_string());
    // Without it trainings do not start, which the page shows; there is nothing else to do.
    let _ = thread.spawn(move || {
        loop {
            match queue.next() {
                Next::Watch(job) => queue.watched(&job),
                Next::Start(job) => queue.train(&job, &program),
            }
        }
    });
}

impl Queue {
    /// Waits until there is something to do.
    fn next(&self) -> Next {
        let mut jobs = self.jobs();
        loop {
            let states = jobs
                .all
                .iter()
                .map(|job| (job, process::state(&self.folder, job)));
            let states: Vec<(&Job, State)> = states.collect();
            let first = |wanted: &dyn Fn(&Job, State) -> bool| {
                states
                    .iter()
                    .find(|(job, state)| wanted(job, *state))
                    .map(|(job, _)| (*job).clone())
            };
            if let Some(job) = first(&|_, state| matches!(state, State::Running | State::Stopping))
            {
                return Next::Watch(job);
            }
            let ends = first(&|job, state| job.wanted == Wanted::Keep && state == State::Waiting);
            if let Some(job) = ends.or_else(|| first(&|_, state| state == State::Waiting)) {
                return Next::Start(job);
            }
            jobs = self
                .changed
                .wait(jobs)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for a training that an earlier studio has started.
    fn watched(&self, job: &Job) {
        Lock::wait_for_lent(&process::file(&self.folder, job, "alive"));
        self.ended(job, None);
    }

    fn train(&self, job: &Job, program: &Program) {
        if job.wanted == Wanted::Keep {
            return self.conclude(job);
        }
        let reached = work_done(&self.folder, &job.run);
        let stands = reached <= job.reached;
        if stands && job.starts >= MOST_STARTS {
            return self.fail(
                job,
                "it was found ended again and again without a word; memory may be short",
            );
        }
        let fresh = process::is_fresh(&self.folder, job);
        match process::start(&self.folder, program, job) {
            Ok(child) => {
                if fresh {
                    sketch::begin(&self.folder, program, job);
                }
                self.follow(job, (reached, stands), child);
            }
            Err(error) => self.fail(job, &chain(&error)),
        }
    }

    fn follow(&self, job: &Job, (reached, stands): (usize, bool), mut child: Child) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let saved = self.update(&job.id, |job| {
            job.pid = Some(child.id());
            job.started = now.ok().map(|now| now.as_secs());
            job.starts = if stands { job.starts + 1 } else { 1 };
            job.reached = reached;
        });
        // It trains all the same; what its number is was to be known for stopping it.
        drop(saved);
        self.stop_if_unwanted(job);
        let status = child.wait().ok();
        self.ended(job, status);
    }

    /// Between deciding to start a job and knowing its process, it may have been stopped.
    fn stop_if_unwanted(&self, job: &Job) {
        let now = self
            .jobs()
            .all
            .iter()
            .find(|other| other.id == job.id)
            .cloned();
        let unwanted = now.as_ref().is_none_or(|now| now.wanted != job.wanted);
        if let Some(now) = now.filter(|_| unwanted) {
            // It may have ended meanwhile.
            drop(process::interrupt(&now));
        }
    }

    /// Draws the conclusion from a training that is over.
    fn ended(&self, job: &Job, status: Option<ExitStatus>) {
        sketch::clear(&self.folder, &job.run);
        let told = process::has_result(&self.folder, job);
        let error = process::last_error(&self.folder, job);
        let crashed = status
            .filter(|status| !status.success())
            .map(|status| format!("it ended with {status}"));
        self.note(job, |job| {
            if told {
                job.starts = 0;
            } else if job.wanted == Wanted::Run {
                // Of a training that an earlier studio started nobody knows how it ended: it is
                // found dead, and continued.
                job.failed = error.or(crashed);
            }
        });
    }

    /// Makes a job that was stopped one that only tests its best weights, if there are any.
    fn conclude(&self, job: &Job) {
        let done = epochs_done(&self.folder.at(&job.run));
        self.note(job, |job| {
            if done == 0 {
                job.wanted = Wanted::Stop;
                job.failed = Some("nothing was learned yet that could be kept".to_string());
            } else {
                job.again();
                job.epochs = Some(done);
            }
        });
        // The others wait for it a moment; where that cannot be written, it waits for them.
        drop(self.order(std::slice::from_ref(&job.id)));
    }

    fn fail(&self, job: &Job, why: &str) {
        self.note(job, |job| job.failed = Some(why.to_string()));
    }

    /// Writes down what has happened; where the disk refuses, what stands there stays true, and is
    /// tried again later.
    fn note(&self, job: &Job, change: impl FnOnce(&mut Job)) {
        if self.update(&job.id, change).is_err() {
            std::thread::sleep(PATIENCE);
        }
    }
}
