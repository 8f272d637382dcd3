//! Several workers on this machine, each a process of its own with its share of the cores: one that
//! dies costs its epoch, not the others.

use super::opened::Opened;
use super::wanted::Request;
use super::worker::{Failed, Trained, Worked};
use crate::pack::state::{self, State};
use crate::progress::{Observer, Task};
use anyhow::{Context, Result, ensure};
use std::collections::HashSet;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// How many threads a process's arithmetic uses.
pub(super) const THREADS: &str = "RAYON_NUM_THREADS";

/// Lets `count` workers work until nothing of the pack is left or all are asked to stop.
pub(super) fn work(
    opened: &Opened,
    request: &Request,
    count: usize,
    observer: &dyn Observer,
) -> Result<Worked> {
    let standings = || {
        let folder = opened.pack.folder();
        state::standings(&opened.place, folder, &opened.plan, request.patience())
    };
    let over = |all: &[state::Standing], wanted: State| -> HashSet<String> {
        let over = all.iter().filter(|job| job.state == wanted);
        over.map(|job| job.id.clone()).collect()
    };
    let before = standings()?;
    let (done, failed) = (over(&before, State::Done), over(&before, State::Failed));
    let total = opened.plan.jobs.len() as u64;
    let task = Task::begin(observer, "training the pack", Some(total));
    task.advance(done.len() as u64);
    let mut workers = Vec::new();
    for _ in 0..count {
        workers.push(start(request, threads(count))?);
    }
    let (mut seen, mut stopped) = (done.len(), false);
    while !workers.is_empty() {
        thread::sleep(Duration::from_millis(200));
        if observer.stop_requested() && !stopped {
            stopped = true;
            // Its end is what asks them to stop.
            workers
                .iter_mut()
                .for_each(|worker| drop(worker.stdin.take()));
        }
        let mut left = Vec::new();
        for mut worker in workers {
            if worker.try_wait().context("waiting for a worker")?.is_none() {
                left.push(worker);
            }
        }
        workers = left;
        let now = opened.place.scan()?.done.len();
        task.advance(now.saturating_sub(seen) as u64);
        seen = seen.max(now);
    }
    let after = standings()?;
    let open = state::Counts::of(&after).open();
    ensure!(
        stopped || open == 0 || request.most.is_some() || request.array.is_some(),
        "all {count} workers ended and left {open} jobs; they have said why, and the same command \
         goes on"
    );
    let new = |wanted: State, old: &HashSet<String>| -> Vec<_> {
        let new = after
            .iter()
            .filter(|job| job.state == wanted && !old.contains(&job.id));
        new.cloned().collect()
    };
    Ok(Worked {
        trained: new(State::Done, &done).into_iter().map(trained).collect(),
        failed: new(State::Failed, &failed)
            .into_iter()
            .map(failure)
            .collect(),
        stopped,
        changed: false,
    })
}

fn trained(job: state::Standing) -> Trained {
    Trained {
        name: job.name,
        id: job.id,
        esr: job.esr,
        seconds: job.seconds.unwrap_or(0.0),
    }
}

fn failure(job: state::Standing) -> Failed {
    Failed {
        name: job.name,
        reason: job.reason.unwrap_or_default(),
    }
}

/// Threads of one of `count` workers.
pub(super) fn threads(count: usize) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    (cores / count).max(1)
}

/// A worker with so many threads, unless the user has said how many.
fn start(request: &Request, threads: usize) -> Result<Child> {
    let program = std::env::current_exe().context("finding this program")?;
    let mut command = Command::new(program);
    command.args(["--quiet", "pack", "run", "--tied"]);
    command.args(["--dead-after", &request.dead_after.to_string()]);
    command.args(["--save-every", &request.save_every.to_string()]);
    let options = [
        ("--device", request.device.clone()),
        (
            "--array",
            request.array.clone().filter(|text| !text.is_empty()),
        ),
        ("--most", request.most.map(|most| most.to_string())),
    ];
    for (name, value) in options {
        if let Some(value) = value {
            command.args([name, &value]);
        }
    }
    if request.array.as_deref() == Some("") {
        command.arg("--array");
    }
    command.arg("--").arg(&request.folder);
    if std::env::var_os(THREADS).is_none() {
        command.env(THREADS, threads.to_string());
    }
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    command.spawn().context("starting a worker")
}
