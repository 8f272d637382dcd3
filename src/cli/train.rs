//! `effigy train`, one config or a queue of them.

use super::ui::{self, Ui};
use super::{Status, readme, rows};
use crate::commands::train::queue::{self, QueueEvent, State};
use crate::commands::train::{self, Outcome, Request};
use crate::progress::{Event, Observer};
use crate::report::metrics::Row;
use crate::report::race::Race;
use crate::report::table::{Table, figure};
use crate::training::history::EpochRow;
use std::fmt::Write;

/// Trains, printing a line per epoch, the test table and a verdict.
///
/// # Errors
/// Those of the command; in a queue they are told of, and the rest goes on.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    if request.configs.len() > 1 {
        return many(request, ui);
    }
    let mut log = EpochLog::new(ui);
    let outcome = train::train(request, ui, |row, best| log.add(row, best))?;
    ui.report(&outcome, prose)?;
    Ok(judged(request, &outcome))
}

fn judged(request: &Request, outcome: &Outcome) -> Status {
    let esr = outcome.network().map(|row| row.metrics.esr);
    Status::of_esr(request.require_esr, esr)
}

fn many(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let count = request.configs.len();
    let mut log = EpochLog::new(ui);
    let outcome = queue::queue(request, ui, |event| match event {
        QueueEvent::Start(index, config) => {
            log = EpochLog::new(ui);
            ui.say(&format!("[{}/{count}] {}", index + 1, config.display()));
        }
        QueueEvent::Epoch(row, best) => log.add(row, best),
        QueueEvent::Failed(config, error) => {
            let why = readme::explain(error, "train");
            ui.fail(&format!("{}: {why}", config.display()));
        }
    })?;
    ui.report(&outcome, summary)?;
    if outcome
        .runs
        .iter()
        .any(|run| run.state == State::NotStarted)
    {
        ui.say("the same command with --resume goes on where this one was stopped");
    }
    let mut trained = outcome.runs.iter().filter_map(|run| run.outcome.as_ref());
    Ok(if outcome.failed > 0 {
        Status::SomeFailed
    } else if trained.all(|o| judged(request, o) == Status::Done) {
        Status::Done
    } else {
        Status::CriterionMissed
    })
}

/// The table that grows epoch by epoch on stderr.
pub(super) struct EpochLog<'a> {
    ui: &'a Ui,
    begun: bool,
    wide: bool,
}

/// Above [`line`]s.
pub(super) const HEADINGS: &str = "epoch |  train MSE      RMSE       STD |  valid MSE      RMSE       STD       ESR | ref. STD |      s";

const NARROW: &str = "epoch | train RMSE | valid RMSE       ESR | ref. STD |      s";

impl<'a> EpochLog<'a> {
    pub(super) fn new(ui: &'a Ui) -> Self {
        let fits = |width: usize| width > HEADINGS.chars().count() + 2;
        Self {
            ui,
            begun: false,
            wide: ui.width().is_none_or(fits),
        }
    }

    pub(super) fn add(&mut self, row: &EpochRow, best: bool) {
        if best {
            let text = format!(
                "training, best ESR {} ({})",
                figure(row.valid.esr),
                row.epoch
            );
            self.ui.event(Event::Status(&text));
        }
        if !self.begun {
            self.ui.say(if self.wide { HEADINGS } else { NARROW });
            self.begun = true;
        }
        if is_worth_a_line(row.epoch) {
            self.ui.say(&if self.wide {
                line(row, best)
            } else {
                narrow_line(row, best)
            });
        }
    }
}

/// Every epoch up to 100, every tenth up to 1000, every hundredth from there on: a thousand
/// epochs leave a log that can be read. `metrics.jsonl` has them all.
fn is_worth_a_line(epoch: usize) -> bool {
    let mut step = 1;
    while epoch >= 100 * step {
        step *= 10;
    }
    epoch.is_multiple_of(step)
}

/// An epoch's figures; a star marks the best so far.
pub(super) fn line(row: &EpochRow, best: bool) -> String {
    let (train, valid) = (&row.train, &row.valid);
    format!(
        "{:5} | {:>10} {:>9} {:>9} | {:>10} {:>9} {:>9} {:>9} | {:>8} | {:6.1}{}",
        row.epoch,
        figure(train.mse),
        figure(train.rmse),
        figure(train.std),
        figure(valid.mse),
        figure(valid.rmse),
        figure(valid.std),
        figure(valid.esr),
        figure(valid.reference_std),
        row.seconds,
        if best { " *" } else { "" },
    )
}

fn narrow_line(row: &EpochRow, best: bool) -> String {
    format!(
        "{:5} | {:>10} | {:>10} {:>9} | {:>8} | {:6.1}{}",
        row.epoch,
        figure(row.train.rmse),
        figure(row.valid.rmse),
        figure(row.valid.esr),
        figure(row.valid.reference_std),
        row.seconds,
        if best { " *" } else { "" },
    )
}

fn prose(outcome: &Outcome) -> String {
    let mut text = outcome.search.as_ref().map_or_else(String::new, tried);
    match outcome.network() {
        Some(network) => {
            text += &rows::table(&outcome.rows).to_string();
            text += &rows::delays(&[], &outcome.rows);
            text += &rows::beside_constant_gain(&outcome.by_pair);
            let _ = write!(
                text,
                "reference STD {}",
                figure(network.metrics.reference_std)
            );
        }
        None => {
            text += "no test span: the config names training and validation, but nothing to test"
        }
    }
    if let Some(best) = outcome.best {
        let _ = write!(
            text,
            ", weights of epoch {} of {}",
            best.epoch, outcome.epochs
        );
    }
    let _ = writeln!(text, ", {:.0} s on {}", outcome.seconds, outcome.device);
    if let Some(verdict) = &outcome.verdict {
        let words = verdict.to_string();
        let (headline, advice) = words.split_at(words.find('\n').unwrap_or(words.len()));
        let _ = writeln!(text, "{}{advice}", ui::coloured(verdict.grade, headline));
    }
    if let Some(probe) = &outcome.probe {
        let _ = writeln!(text, "probe: {}", probe.behaviour);
    }
    if let Some(heard) = &outcome.heard {
        let _ = writeln!(text, "learned from playing at {heard}");
    }
    if let Some(quiet) = &outcome.quiet {
        let _ = writeln!(
            text,
            "softest fifth of the test ({:.0} dBFS): gain {:+.1} dB, the recording's {:+.1} dB",
            quiet.dry_dbfs, quiet.predicted_gain_db, quiet.recorded_gain_db
        );
    }
    let run = outcome.run.display();
    match &outcome.page {
        Some(page) => _ = writeln!(text, "look and listen: {}", page.display()),
        None if outcome.files.is_empty() => {}
        None => _ = writeln!(text, "listen: {run}/test/*-predicted.wav"),
    }
    let _ = write!(
        text,
        "use it: effigy infer --model {run} your.wav -o out.wav"
    );
    text
}

/// What a search tried, the winner first.
fn tried(race: &Race) -> String {
    let mut table = Table::new(Race::HEADINGS);
    for row in race.rows() {
        table.row(row);
    }
    format!("{table}\n")
}

/// One line per run of the queue.
fn summary(outcome: &queue::Outcome) -> String {
    let mut table = Table::new([
        "config", "network", "ESR", "RMSE", "identity", "s", "verdict",
    ]);
    for run in &outcome.runs {
        let config = run.config.display().to_string();
        let Some(done) = &run.outcome else {
            let state = match run.state {
                State::NotStarted => "not started",
                State::Failed | State::Done => "failed",
            };
            table.row([&config, "-", "-", "-", "-", "-", state]);
            continue;
        };
        let of = |row: Option<&Row>, pick: fn(&Row) -> f64| {
            row.map_or_else(|| "-".to_string(), |r| figure(pick(r)))
        };
        let network = done.network();
        table.row([
            config,
            network.map_or_else(String::new, |r| r.name.clone()),
            of(network, |r| r.metrics.esr),
            of(network, |r| r.metrics.rmse),
            of(done.identity(), |r| r.metrics.esr),
            format!("{:.0}", done.seconds),
            done.verdict
                .as_ref()
                .map_or_else(String::new, |v| v.grade.to_string()),
        ]);
    }
    let count = outcome.runs.len();
    let trained = count - outcome.failed;
    let failures: String = outcome
        .runs
        .iter()
        .filter_map(|run| {
            Some(format!(
                "{}: {}\n",
                run.config.display(),
                run.error.as_ref()?
            ))
        })
        .collect();
    format!(
        "{table}{failures}{trained} of {count} trained, {:.0} s",
        outcome.seconds
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_epochs_do_not_flood_the_log() {
        let shown: Vec<usize> = (1..=1000).filter(|e| is_worth_a_line(*e)).collect();
        assert_eq!(shown[..99], (1..100).collect::<Vec<_>>());
        assert_eq!(shown[99..102], [100, 110, 120]);
        assert_eq!(shown.len(), 99 + 91);
        assert_eq!(shown.last(), Some(&1000));
        assert!(!is_worth_a_line(1010) && is_worth_a_line(1100));
    }
}
