//! Hands a pack to an engine that people already have.

use super::opened::{Opened, open};
use super::pilot;
use crate::files;
use crate::pack::engines::Order;
use crate::pack::share::Share;
use crate::progress::{Observer, Task};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

/// The script in the pack's folder.
const SCRIPT: &str = "slurm.sh";

/// Slurm's arrays have at most so many tasks unless it is told otherwise.
const MOST_TASKS: usize = 1000;

/// Hand what is missing to Slurm, Kubernetes, HyperQueue or GNU parallel
///
/// A short pilot measures what a task needs. Slurm's job array is submitted at once and its script
/// kept in the folder; for the others the manifest or line is printed. Submitting again hands over
/// what is then still missing.
///
/// Examples:
///   effigy pack submit amps --engine slurm -- --partition=long
///   effigy pack submit amps --engine slurm --print
///   effigy pack submit amps --engine kubernetes --image ghcr.io/me/effigy > amps.yaml
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// The pack, on a folder that all machines share
    pub folder: PathBuf,
    /// Who runs it
    #[arg(long)]
    pub engine: Engine,
    /// Tasks to cut the pack into [default: a job each, at most 1000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub tasks: Option<u32>,
    /// Cores of a task [default: as many as are well used, measured]
    #[arg(long)]
    pub cores: Option<usize>,
    /// Minutes of a task [default: three times what was measured]
    #[arg(long)]
    pub minutes: Option<u64>,
    /// Memory of a task in MiB [default: one and a half times what was measured]
    #[arg(long)]
    pub memory: Option<u64>,
    /// The container for Kubernetes
    #[arg(long, default_value = "effigy")]
    pub image: String,
    /// Write and show the script, and submit nothing
    #[arg(long)]
    pub print: bool,
    /// Options for sbatch, after --
    #[arg(last = true, value_name = "OPTION")]
    pub options: Vec<String>,
}

/// Who runs a pack's tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // The names say it all.
pub enum Engine {
    Slurm,
    Kubernetes,
    Hyperqueue,
    Parallel,
}

/// What was handed over.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// To whom.
    pub engine: Engine,
    /// The script, manifest or line.
    pub text: String,
    /// The engine's name for it, once it is submitted.
    pub submitted: Option<String>,
    /// Tasks that have something to do.
    pub tasks: usize,
    /// Jobs that are still to be done.
    pub open: usize,
    /// What a job was measured to cost.
    pub pilot: Option<pilot::Outcome>,
}

/// Measures, writes, submits.
///
/// # Errors
/// No pack; nothing to do; a pilot that fails; an engine that is not there or refuses.
pub fn submit(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let opened = open(&request.folder, observer)?;
    let Opened { pack, plan, place } = &opened;
    let scan = place.scan()?;
    let is_open = |id: &String| !scan.done.contains(id) && !scan.failed.contains(id);
    let jobs = plan.jobs.iter().enumerate();
    let open: Vec<usize> = jobs
        .filter(|(_, job)| is_open(&job.id))
        .map(|(at, _)| at)
        .collect();
    let first = *open
        .first()
        .context("nothing is missing; `effigy pack retry` lets what failed be done again")?;
    let most = plan.jobs.len().min(MOST_TASKS);
    let tasks = request
        .tasks
        .map_or(most, |tasks| (tasks as usize).min(plan.jobs.len()));
    let shares = shares(&open, tasks)?;
    let (pilot, cores) = measured(request, first, observer)?;
    let each = open.len().div_ceil(shares.len()) as f64;
    let minutes = pilot.map_or(60, |pilot| (3.0 * each * pilot.seconds() / 60.0) as u64 + 2);
    let memory = pilot.and_then(|pilot| pilot.memory_bytes);
    let memory = memory.map_or(2048, |bytes| (bytes >> 20) * 3 / 2 + 64);
    let program = std::env::current_exe().context("finding this program")?;
    let order = Order {
        name: crate::pack::description::as_name(&pack.description.name),
        program: program.display().to_string(),
        folder: pack.folder().display().to_string(),
        tasks,
        open: shares,
        minutes: request.minutes.unwrap_or(minutes),
        memory_mib: request.memory.unwrap_or(memory),
        cores,
        image: request.image.clone(),
        options: request.options.clone(),
    };
    let text = match request.engine {
        Engine::Slurm => order.slurm(),
        Engine::Kubernetes => order.kubernetes(),
        Engine::Hyperqueue => order.hyperqueue(),
        Engine::Parallel => order.parallel(),
    };
    let submitted = match request.engine {
        Engine::Slurm => sbatch(pack.folder().join(SCRIPT), &text, request.print)?,
        _ => None,
    };
    Ok(Outcome {
        engine: request.engine,
        text,
        submitted,
        tasks: order.open.len(),
        open: open.len(),
        pilot,
    })
}

/// Those of `tasks` shares that hold an open job.
fn shares(open: &[usize], tasks: usize) -> Result<Vec<usize>> {
    let mut shares = Vec::new();
    for index in 0..tasks {
        let share = Share::parse(&format!("{index}/{tasks}"))?;
        if open.iter().any(|at| share.holds(*at)) {
            shares.push(index);
        }
    }
    Ok(shares)
}

/// What a job costs, and the cores to give it: as many as make it faster by seven tenths of their
/// number.
fn measured(
    request: &Request,
    job: usize,
    observer: &dyn Observer,
) -> Result<(Option<pilot::Outcome>, usize)> {
    if let (Some(cores), Some(_), Some(_)) = (request.cores, request.minutes, request.memory) {
        return Ok((None, cores));
    }
    let task = Task::begin(observer, "measuring a job", None);
    if let Some(cores) = request.cores {
        return Ok((Some(pilot::at_once(&request.folder, &[job], cores)?), cores));
    }
    let here = thread::available_parallelism().map_or(1, usize::from);
    let alone = pilot::at_once(&request.folder, &[job], 1)?;
    let (mut best, mut cores) = (alone, 1);
    while 2 * cores <= here.min(16) {
        task.go_on()?;
        let more = pilot::at_once(&request.folder, &[job], 2 * cores)?;
        if alone.seconds() < 0.7 * (2 * cores) as f64 * more.seconds() {
            break;
        }
        (best, cores) = (more, 2 * cores);
    }
    Ok((Some(best), cores))
}

/// The job's number; none where it is only shown.
fn sbatch(script: PathBuf, text: &str, print: bool) -> Result<Option<String>> {
    files::write(&script, text.as_bytes()).with_context(|| script.display().to_string())?;
    if print {
        return Ok(None);
    }
    let output = Command::new("sbatch")
        .arg("--parsable")
        .arg(&script)
        .output();
    let output = output.with_context(|| {
        format!(
            "sbatch: not here; submit {} where Slurm is, or see it with --print",
            script.display()
        )
    })?;
    let said = String::from_utf8_lossy(&output.stderr)
        .trim()
        .replace('\n', " ");
    ensure!(
        output.status.success(),
        "sbatch refused {}: {said}",
        script.display()
    );
    let number = String::from_utf8_lossy(&output.stdout).trim().to_string();
    Ok(Some(number))
}
