//! A job's process: started so that it outlives the studio, seen to live by the lock that it holds,
//! and asked to stop as a terminal would ask.

use super::job::{Job, State, Wanted};
use crate::error::Refusal;
use crate::folder::{Folder, STUDIO};
use crate::program::{Program, error_in};
use effigy_base::files::{self, Lock, system};
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::Child;

/// Where the logs of jobs lie.
const JOBS: &str = "jobs";

/// A job's files: `alive`, which its process holds; `log`, what it has said; `json`, its result.
pub(super) fn file(folder: &Folder, job: &Job, kind: &str) -> PathBuf {
    folder
        .at(STUDIO)
        .join(JOBS)
        .join(format!("{}.{kind}", job.id))
}

/// How a job stands.
pub(super) fn state(folder: &Folder, job: &Job) -> State {
    let lives = Lock::is_lent(&file(folder, job, "alive"));
    match job.wanted {
        Wanted::Run if lives => State::Running,
        _ if lives => State::Stopping,
        _ if has_result(folder, job) => State::Done,
        _ if job.failed.is_some() => State::Failed,
        Wanted::Run | Wanted::Keep => State::Waiting,
        Wanted::Pause => State::Paused,
        Wanted::Stop => State::Stopped,
    }
}

/// Whether its process has come to its end and told of it.
pub(super) fn has_result(folder: &Folder, job: &Job) -> bool {
    let text = fs::read(file(folder, job, "json")).unwrap_or_default();
    serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok()
}

/// A job that has ended is to run again.
pub(super) fn forget_result(folder: &Folder, job: &Job) -> Result<(), Refusal> {
    let path = file(folder, job, "json");
    files::write(&path, b"").map_err(Refusal::disk(path.display().to_string()))
}

/// Why it has ended, if it says so.
pub(super) fn last_error(folder: &Folder, job: &Job) -> Option<String> {
    let log = fs::read_to_string(file(folder, job, "log")).unwrap_or_default();
    log.lines()
        .any(|line| line.starts_with("error: "))
        .then(|| error_in(&log))
}

/// Starts a job's process: in a group of its own, so that a Ctrl-C meant for the studio is not meant
/// for it, writing to files, so that nothing of it is lost with the studio.
///
/// # Errors
/// It lives already; the disk; the system's own.
pub(super) fn start(folder: &Folder, program: &Program, job: &Job) -> Result<Child, Refusal> {
    let jobs = folder.at(STUDIO).join(JOBS);
    let at = |path: &PathBuf| Refusal::disk(path.display().to_string());
    system::create_dir_all(&jobs).map_err(at(&jobs))?;
    let path = file(folder, job, "alive");
    let alive = Lock::lend(&path).map_err(at(&path))?;
    let alive =
        alive.ok_or_else(|| Refusal::Conflict(format!("{} is training already", job.run)))?;
    let (log, json) = (empty(folder, job, "log")?, empty(folder, job, "json")?);
    let mut command = program.command(&arguments(folder, job));
    command.stdin(alive).stdout(json).stderr(log);
    apart(&mut command);
    command.spawn().map_err(Refusal::disk("effigy train"))
}

/// What a job's process is told to do: to begin, or to go on where there is something to go on from.
pub(super) fn arguments(folder: &Folder, job: &Job) -> Vec<String> {
    let mut arguments = vec!["train".to_string(), "--json".to_string()];
    arguments.push(format!("--run={}", job.run));
    arguments.extend(
        job.epochs
            .map(|epochs| format!("--set=training.epochs={epochs}")),
    );
    let there = |config: &String| folder.at(config).is_file();
    let of_run = format!("{}/config.toml", job.run);
    let of_search = Some(format!("{}-search/config.toml", job.run)).filter(there);
    if there(&of_run) || of_search.is_some() || job.config.is_none() {
        arguments.push("--resume".to_string());
    }
    // A search goes on with the config that it was begun with; a run knows its own.
    let config = of_search
        .or_else(|| job.config.clone())
        .filter(|_| !there(&of_run));
    arguments.extend(
        config
            .into_iter()
            .flat_map(|config| ["--".to_string(), config]),
    );
    arguments
}

/// Whether nothing of a job was begun.
pub(super) fn is_fresh(folder: &Folder, job: &Job) -> bool {
    let there = |place: String| folder.at(place).is_dir();
    !there(job.run.clone()) && !there(format!("{}-search", job.run))
}

/// An empty file for the child to write to, in place of an earlier one.
fn empty(folder: &Folder, job: &Job, kind: &str) -> Result<File, Refusal> {
    let path = file(folder, job, kind);
    let opened = files::write(&path, b"").and_then(|()| system::open_for_child(&path));
    opened.map_err(Refusal::disk(path.display().to_string()))
}

/// Asks a job's process to stop after its step.
///
/// # Errors
/// Its number is not known; the system's own.
pub(super) fn interrupt(job: &Job) -> Result<(), Refusal> {
    let unknown = "it was started in the moment in which an earlier studio was ended; end its process by hand";
    let pid = job
        .pid
        .ok_or_else(|| Refusal::Conflict(unknown.to_string()))?;
    ask_to_stop(pid).map_err(Refusal::disk(format!("process {pid}")))
}

#[cfg(unix)]
fn apart(command: &mut std::process::Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(unix)]
fn ask_to_stop(pid: u32) -> io::Result<()> {
    const SIGINT: i32 = 2;
    unsafe extern "C" {
        /// The C library's, which std itself stands on.
        fn kill(pid: i32, signal: i32) -> i32;
    }
    // Numbers below 1 would mean whole groups.
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 1);
    let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: a plain system call; it touches no memory of this process.
    match unsafe { kill(pid, SIGINT) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(windows)]
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;

#[cfg(windows)]
fn apart(command: &mut std::process::Command) {
    std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_PROCESS_GROUP);
}

/// The group's Ctrl-Break, which the training takes for a Ctrl-C; Ctrl-C itself cannot be sent to one
/// group.
#[cfg(windows)]
fn ask_to_stop(pid: u32) -> io::Result<()> {
    const CTRL_BREAK_EVENT: u32 = 1;
    unsafe extern "system" {
        fn GenerateConsoleCtrlEvent(event: u32, group: u32) -> i32;
    }
    // SAFETY: a plain system call; it touches no memory of this process.
    match unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, pid) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
