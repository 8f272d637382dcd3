//! `effigy runs`.

use super::Status;
use super::ui::Ui;
use crate::commands::runs::{self, Request};
use crate::progress::{Event, Observer};
use crate::report::metrics::Metrics;
use crate::report::table::{Table, figure};

/// Prints a line per run, lowest test ESR first.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = runs::runs(request)?;
    for reason in &outcome.unreadable {
        ui.event(Event::Warning(&format!("skipped {reason}")));
    }
    ui.report(&outcome, |outcome| {
        if outcome.runs.is_empty() {
            return format!("no runs in {}", request.dir.display());
        }
        let mut table = Table::new([
            "run",
            "model",
            "best",
            "epochs",
            "valid MSE",
            "RMSE",
            "ESR",
            "test MSE",
            "RMSE",
            "ESR",
            "s",
        ]);
        for run in &outcome.runs {
            let number = |n: Option<usize>| n.map_or_else(|| "-".to_string(), |n| n.to_string());
            let mut cells = vec![
                run.run.display().to_string(),
                run.model.clone(),
                number(run.best_epoch),
                run.epochs.to_string(),
            ];
            cells.extend(figures(run.valid));
            cells.extend(figures(run.test));
            cells.push(format!("{:.0}", run.seconds));
            table.row(cells);
        }
        table.to_string()
    })?;
    Ok(Status::Done)
}

fn figures(metrics: Option<Metrics>) -> [String; 3] {
    match metrics {
        Some(m) => [figure(m.mse), figure(m.rmse), figure(m.esr)],
        None => ["-", "-", "-"].map(str::to_string),
    }
}
