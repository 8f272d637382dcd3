//! `effigy recover`.

use super::Status;
use super::ui::Ui;
use crate::commands::recover::{self, Outcome, Request};
use crate::report::table::{Table, figure};

/// Recovers and prints errors beside silence and the mean clip.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = recover::recover(request, ui)?;
    ui.report(&outcome, text)?;
    Ok(Status::Done)
}

fn text(outcome: &Outcome) -> String {
    let Outcome {
        clips,
        samples,
        kept,
        ..
    } = outcome;
    let mut text = format!("{clips} clips of {samples} samples, {kept} kept\n\n");
    if outcome.summary.is_empty() {
        for clip in &outcome.recovered {
            let mut table = Table::new(["method", "setting", "MSE", "RMSE", "R² over time"]);
            for row in &clip.rows {
                table.row([
                    row.name.to_string(),
                    row.setting.map_or_else(String::new, figure),
                    format!("{:.0}", row.score.mse),
                    format!("{:.2}", row.score.rmse),
                    format!("{:.4}", row.score.r2),
                ]);
            }
            text += &format!("{} (index {})\n{table}", clip.clip.display(), clip.index);
        }
    } else {
        let mut table = Table::new([
            "method",
            "mean MSE",
            "median RMSE",
            "median R²",
            "best R²",
            "beats silence",
            "beats mean clip",
        ]);
        for row in &outcome.summary {
            table.row([
                row.name.to_string(),
                format!("{:.0}", row.mean_mse),
                format!("{:.1}", row.median_rmse),
                format!("{:.4}", row.median_r2),
                format!("{:.4}", row.best_r2),
                format!("{}/{clips}", row.better_than_silence),
                format!("{}/{clips}", row.better_than_mean_clip),
            ]);
        }
        text += &table.to_string();
    }
    if let Some(output) = &outcome.output {
        text += &format!("\nwrote {}", output.display());
        if outcome.beyond_16_bits > 0 {
            text += &format!("; {} samples were beyond 16 bits", outcome.beyond_16_bits);
        }
        text += "\n";
    }
    text + &format!("{:.2} s\n", outcome.seconds)
}
