//! A sketch of what a job is to become: the likeliest network, trained for a moment beside the reading
//! and the search that the job begins with, so that there is soon something to hear. It is no run, takes
//! no part in the search, and goes when its job ends.

use super::job::Job;
use super::weights::has_weights;
use crate::folder::{Folder, STUDIO};
use crate::program::Program;
use effigy_base::files::system;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// How often it is asked whether there is something to hear.
const ASK: Duration = Duration::from_millis(100);

/// What is left out for a sketch: the search, the softest levels, most of the windows.
const SHORT: [&str; 5] = [
    "--budget=none",
    "--set=training.downward=false",
    "--set=training.epochs=1",
    "--set=windows.hop=131072",
    "--no-report",
];

/// Where a run's sketch lies.
pub(super) fn place(run: &str) -> String {
    let name = run.rsplit('/').next().unwrap_or(run);
    format!("{STUDIO}/sketch/{name}")
}

/// Begins the sketch of a job that was not begun. Where there can be none, the job's first epoch is what
/// is heard first.
pub(super) fn begin(folder: &Folder, program: &Program, job: &Job) {
    let Some(config) = &job.config else {
        return;
    };
    clear(folder, &job.run);
    let mut arguments = vec!["train".to_string(), format!("--run={}", place(&job.run))];
    arguments.extend(SHORT.map(str::to_string));
    arguments.extend(["--".to_string(), config.clone()]);
    let mut command = program.command(&arguments);
    let Ok(child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        return;
    };
    let run = folder.at(place(&job.run));
    std::thread::spawn(move || end_when_heard(child, &run));
}

/// Its test is nobody's concern: it ends with its first weights.
fn end_when_heard(mut child: Child, run: &Path) {
    while matches!(child.try_wait(), Ok(None)) {
        if has_weights(run) {
            // It may have ended meanwhile.
            let _ = child.kill();
        }
        std::thread::sleep(ASK);
    }
}

/// Removes a run's sketch.
pub(super) fn clear(folder: &Folder, run: &str) {
    let path = folder.at(place(run));
    if path.is_dir() {
        // What stays is in nobody's way: the next sketch of this name tries again.
        drop(system::remove_dir_all(&path));
    }
}
