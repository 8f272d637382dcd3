//! What one job costs, measured: a few epochs of it in a folder that nobody keeps, alone or beside
//! others of its kind.

use super::fleet;
use super::opened::look;
use crate::commands::bench_train::memory;
use crate::commands::train;
use crate::files::system;
use crate::pack::Pack;
use crate::progress::{Observer, Silent, Task};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

/// Measure what one job costs
#[derive(Clone, Debug, clap::Args)]
pub struct Request {
    /// The pack
    pub folder: PathBuf,
    /// A job's place in the plan, from 0
    #[arg(long, default_value_t = 0)]
    pub job: usize,
    /// About how long to train
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
}

/// What one job costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Of everything but the epochs: reading, testing, writing.
    pub fixed_seconds: f64,
    /// Of an epoch.
    pub epoch_seconds: f64,
    /// How many its config asks for.
    pub epochs: usize,
    /// The most memory that was held.
    pub memory_bytes: Option<u64>,
}

impl Outcome {
    /// The whole job.
    pub fn seconds(&self) -> f64 {
        self.fixed_seconds + self.epochs as f64 * self.epoch_seconds
    }
}

/// A folder that goes when this does.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // What stays is in the system's own folder for such things.
        let _ = system::remove_dir_all(&self.0);
    }
}

/// Trains a few epochs.
///
/// # Errors
/// As training.
pub fn pilot(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let pack = Pack::open(&request.folder)?;
    let entry = pack.description.job.get(request.job);
    let mut config = pack.config(entry.context("--job: the pack has fewer jobs")?)?;
    let epochs = config.training.epochs;
    let place = std::env::temp_dir().join(format!("effigy-pilot-{}", std::process::id()));
    let place = Temporary(place);
    system::create_dir_all(&place.0)?;
    config.training.patience = None;
    // What is searched for is found once; the pilot measures what is trained.
    config.search = None;
    let mut timed = |epochs: usize| -> Result<(f64, f64)> {
        config.training.epochs = epochs;
        let started = Instant::now();
        let mut in_epochs = 0.0;
        let request = train::Request {
            resolved: Some(Box::new(config.clone())),
            run: Some(place.0.join(epochs.to_string())),
            no_report: true,
            save_every: 1,
            ..train::Request::default()
        };
        train::train(&request, observer, |row, _| in_epochs += row.seconds)?;
        Ok((started.elapsed().as_secs_f64(), in_epochs))
    };
    let (all, first) = timed(1)?;
    let fixed_seconds = (all - first).max(0.0);
    let more = ((request.seconds - all) / first.max(1e-3)) as usize;
    let more = more.clamp(1, epochs);
    let epoch_seconds = match more > 1 {
        true => (timed(more)?.0 - fixed_seconds).max(1e-6) / more as f64,
        false => first,
    };
    Ok(Outcome {
        fixed_seconds,
        epoch_seconds,
        epochs,
        memory_bytes: memory::peak(),
    })
}

/// What `count` jobs of a pack cost at once, each with so many threads and in a process of its own:
/// the slowest of them.
///
/// # Errors
/// One of them fails.
pub(super) fn at_once(folder: &Path, jobs: &[usize], threads: usize) -> Result<Outcome> {
    let program = std::env::current_exe().context("finding this program")?;
    let start = |job: &usize| -> Result<Child> {
        let mut command = Command::new(&program);
        command.args([
            "--quiet",
            "--json",
            "pack",
            "pilot",
            "--job",
            &job.to_string(),
            "--",
        ]);
        command.arg(folder).env(fleet::THREADS, threads.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().context("starting a pilot")
    };
    let children: Vec<Child> = jobs.iter().map(start).collect::<Result<_>>()?;
    let mut slowest: Option<Outcome> = None;
    for child in children {
        let output = child.wait_with_output().context("waiting for a pilot")?;
        ensure!(
            output.status.success(),
            "a pilot of the pack failed; it has said why"
        );
        let outcome: Outcome = serde_json::from_slice(&output.stdout)?;
        if slowest.is_none_or(|slowest| slowest.seconds() < outcome.seconds()) {
            slowest = Some(outcome);
        }
    }
    slowest.context("no pilot")
}

/// How many trainings at once get most done on this machine, and what was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Choice {
    /// The best number.
    pub jobs: usize,
    /// Trainings at once, and how many of them an hour then has.
    pub measured: Vec<(usize, f64)>,
}

/// Measures 1, 2, 4, … trainings at once, as many as there are cores, open jobs and memory for.
///
/// # Errors
/// As [`at_once`].
pub(super) fn choose(folder: &Path, observer: &dyn Observer) -> Result<Choice> {
    let opened = look(folder, &Silent)?;
    let scan = opened.place.scan()?;
    let jobs = opened.plan.jobs.iter().enumerate();
    let open = jobs.filter(|(_, job)| !scan.done.contains(&job.id));
    let open: Vec<usize> = open.map(|(at, _)| at).collect();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let most = cores.min(open.len());
    let counts = std::iter::successors(Some(1), |count| Some(count * 2));
    let mut counts: Vec<usize> = counts.take_while(|count| *count < most).collect();
    counts.push(most.max(1));
    let mut measured: Vec<(usize, f64)> = Vec::new();
    let mut memory = 0;
    if most > 1 {
        let task = Task::begin(
            observer,
            "measuring jobs at once",
            Some(counts.len() as u64),
        );
        for count in counts {
            if free_memory().is_some_and(|free| count as u64 * memory > free / 10 * 9) {
                break;
            }
            let cost = at_once(folder, &open[..count], fleet::threads(count))?;
            memory = cost.memory_bytes.unwrap_or(0);
            measured.push((count, count as f64 * 3600.0 / cost.seconds()));
            task.step(1)?;
        }
    }
    // More at once must be worth more than the error of a measurement, which is begun beside nobody: what
    // seemed 9 % more has been 9 % less (benches/RESULTS.md, Packs).
    let best = measured
        .iter()
        .copied()
        .fold((1, 0.0), |best, one| match one.1 > 1.15 * best.1 {
            true => one,
            false => best,
        });
    Ok(Choice {
        jobs: best.0,
        measured,
    })
}

/// Bytes that processes may still take, where the system tells.
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
