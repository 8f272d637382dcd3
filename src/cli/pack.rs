//! `effigy pack …`.

use super::train::EpochLog;
use super::ui::Ui;
use super::{Status, readme};
use crate::commands::pack::run::WorkEvent;
use crate::commands::pack::{Request, export, new, pilot, report, retry, run, status, submit};
use crate::pack::state::{Counts, Standing, State};
use crate::report::table::{Table, figure};
use std::fmt::Write;

/// Does what the verb asks for.
///
/// # Errors
/// Those of the command.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    match request {
        Request::New(request) => {
            ui.report(&new::new(request, ui)?, made)?;
            Ok(Status::Done)
        }
        Request::Run(request) => train(request, ui),
        Request::Status(request) => {
            ui.report(&status::status(request, ui)?, standing)?;
            Ok(Status::Done)
        }
        Request::Retry(request) => {
            ui.report(&retry::retry(request, ui)?, retried)?;
            Ok(Status::Done)
        }
        Request::Export(request) => {
            let outcome = export::export(request, ui)?;
            ui.report(&outcome, exported)?;
            let missing = !outcome.manifest.missing.is_empty();
            Ok(if missing {
                Status::SomeFailed
            } else {
                Status::Done
            })
        }
        Request::Report(request) => {
            ui.report(&report::report(request, ui)?, |outcome| {
                format!(
                    "{}: {} jobs; open it in a browser",
                    outcome.page.display(),
                    outcome.jobs
                )
            })?;
            Ok(Status::Done)
        }
        Request::Submit(request) => {
            ui.report(&submit::submit(request, ui)?, handed_over)?;
            Ok(Status::Done)
        }
        Request::Pilot(request) => {
            ui.report(&pilot::pilot(request, ui)?, |cost| {
                format!("{:.1} s", cost.seconds())
            })?;
            Ok(Status::Done)
        }
    }
}

fn made(outcome: &new::Outcome) -> String {
    let folder = outcome.folder.display();
    let count = outcome.jobs.len();
    format!(
        "{folder}: {count} jobs; {}\nnext: effigy pack run {folder}",
        outcome.settings
    )
}

fn retried(outcome: &retry::Outcome) -> String {
    match outcome.jobs.is_empty() {
        true => "nothing has failed".to_string(),
        false => format!("to be done again: {}", outcome.jobs.join(", ")),
    }
}

fn exported(outcome: &export::Outcome) -> String {
    let manifest = &outcome.manifest;
    let mut text = format!(
        "{}: {} models",
        outcome.folder.display(),
        manifest.models.len()
    );
    for missing in &manifest.missing {
        let reason = missing.reason.as_deref().unwrap_or("not done");
        let _ = write!(text, "\nleft out: {}: {reason}", missing.name);
    }
    text
}

fn handed_over(outcome: &submit::Outcome) -> String {
    match &outcome.submitted {
        Some(number) => format!(
            "{}submitted as {number}: {} jobs in {} tasks",
            outcome.text, outcome.open, outcome.tasks
        ),
        None => outcome.text.clone(),
    }
}

fn train(request: &run::Request, ui: &Ui) -> anyhow::Result<Status> {
    let mut log = EpochLog::new(ui);
    let outcome = run::run(request, ui, |event| match event {
        WorkEvent::Start(name, position, count) => {
            log = EpochLog::new(ui);
            ui.say(&format!("[{}/{count}] {name}", position + 1));
        }
        WorkEvent::Epoch(row, best) => log.add(row, best),
        WorkEvent::Done(trained) => {
            let esr = trained.esr.map_or_else(|| "none".to_string(), figure);
            ui.say(&format!("{}: done, ESR {esr}", trained.name));
        }
        WorkEvent::Failed(name, error) => {
            ui.fail(&format!("{name}: {}", readme::explain(error, "train")));
        }
    })?;
    ui.report(&outcome, worked)?;
    if outcome.stopped {
        ui.say("the same command goes on where this one was stopped");
    }
    let all_well = outcome.failed.is_empty() && !outcome.stopped;
    Ok(if all_well {
        Status::Done
    } else {
        Status::SomeFailed
    })
}

fn worked(outcome: &run::Outcome) -> String {
    let mut text = format!(
        "trained {} here, {:.0} s; the pack: {}",
        outcome.trained.len(),
        outcome.seconds,
        counts(&outcome.counts)
    );
    for failed in &outcome.failed {
        let _ = write!(text, "\n{}: {}", failed.name, failed.reason);
    }
    text
}

fn counts(counts: &Counts) -> String {
    let all = [
        (counts.done, "done"),
        (counts.running, "running"),
        (counts.silent, "silent"),
        (counts.stopped, "stopped"),
        (counts.waiting, "waiting"),
        (counts.failed, "failed"),
    ];
    let told = all.iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> = told
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    match told.is_empty() {
        true => "no jobs".to_string(),
        false => told.join(", "),
    }
}

fn standing(outcome: &status::Outcome) -> String {
    let mut table = Table::new(["job", "state", "where", "epoch", "ESR", "s"]);
    for job in &outcome.jobs {
        table.row(row(job));
    }
    let mut text = format!("{table}");
    for job in &outcome.jobs {
        if let Some(reason) = &job.reason {
            let _ = writeln!(text, "{}: {reason}", job.name);
        }
    }
    if !outcome.groups.is_empty() {
        let mut table = Table::new(["varied", "runs", "median ESR", "best", "worst"]);
        for group in &outcome.groups {
            let figures = [group.median, group.best, group.worst].map(figure);
            let [median, best, worst] = figures;
            table.row([
                group.of.clone(),
                group.runs.to_string(),
                median,
                best,
                worst,
            ]);
        }
        let _ = write!(text, "\n{table}");
    }
    text += &counts(&outcome.counts);
    if let Some(seconds) = outcome.seconds_left {
        let _ = write!(text, "; about {} left", duration(seconds));
    }
    text
}

fn row(job: &Standing) -> [String; 6] {
    let none = || "-".to_string();
    let state = match job.state {
        State::Waiting => "waiting",
        State::Running => "running",
        State::Silent => "silent",
        State::Stopped => "stopped",
        State::Done => "done",
        State::Failed => "failed",
    };
    [
        job.name.clone(),
        state.to_string(),
        job.host.clone().unwrap_or_else(none),
        format!("{}/{}", job.epoch, job.epochs),
        job.esr.map_or_else(none, figure),
        job.seconds
            .map_or_else(none, |seconds| format!("{seconds:.0}")),
    ]
}

/// "3 min", "2.5 h": about how long.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
