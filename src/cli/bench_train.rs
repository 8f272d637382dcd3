//! `effigy bench train`: how fast networks train on this machine.

use super::Status;
use super::ui::Ui;
use crate::commands::bench_train::{self, Outcome, Request, Row};
use crate::report::table::{Table, figure};

/// Runs the command.
///
/// # Errors
/// A preset, config or device that does not exist; a failing other trainer; an interrupt.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = bench_train::bench_train(request, ui)?;
    ui.report(&outcome, prose)?;
    Ok(Status::Done)
}

fn prose(outcome: &Outcome) -> String {
    let mut headings = vec![
        "network",
        "batch",
        "window",
        "ms/step",
        "forward",
        "backward",
        "optimiser",
        "data",
        "Msamples/s",
        "GFLOP/s",
        "of peak",
        "memory MB",
    ];
    let any = |has: fn(&Row) -> bool| outcome.rows.iter().any(has);
    let launched = any(|r| r.launches.is_some());
    if launched {
        headings.extend(["launches", "fused MB"]);
    }
    let (composed, against) = (any(|r| r.composed.is_some()), any(|r| r.against.is_some()));
    if composed {
        headings.extend(["composed ms", "ratio"]);
    }
    if against {
        headings.extend(["other ms", "ratio"]);
    }
    let mut table = Table::new(headings);
    for row in &outcome.rows {
        let ms = |seconds: f64| figure(seconds * 1e3);
        let mut cells = vec![
            row.name.clone(),
            row.batch.to_string(),
            row.window_len.to_string(),
            ms(row.seconds.step_seconds),
            ms(row.seconds.forward_seconds),
            ms(row.seconds.backward_seconds),
            ms(row.seconds.optimiser_seconds),
            ms(row.seconds.data_seconds),
            figure(row.samples_per_second * 1e-6),
            figure(row.gflops),
            row.fraction_of_peak
                .map_or("–".to_string(), |f| format!("{:.1} %", f * 100.0)),
            row.peak_resident_bytes
                .map_or("–".to_string(), |bytes| figure(bytes as f64 * 1e-6)),
        ];
        if launched {
            let launches = row.launches.unwrap_or_default();
            cells.extend([
                launches.all().to_string(),
                figure(launches.fused_bytes as f64 * 1e-6),
            ]);
        }
        for (wanted, other) in [(composed, &row.composed), (against, &row.against)] {
            match other {
                Some(other) if other.steps > 0 => {
                    cells.extend([ms(other.step_seconds), format!("{:.1}×", other.ratio)]);
                }
                _ if wanted => cells.extend(["–".to_string(), "–".to_string()]),
                _ => {}
            }
        }
        table.row(cells);
    }
    let steps = outcome.rows.first().map_or(0, |row| row.steps);
    let mut text = format!(
        "{table}\n{} on {}, {}: multiply-add peak {} GFLOP/s on one core, {} on {} ({} afterwards)\n\
         medians of {steps} steps; counted: {}\n",
        outcome.device,
        outcome.processor,
        outcome.isa,
        figure(outcome.peak.one_core_gflops),
        figure(outcome.peak.all_cores_gflops),
        outcome.peak.cores,
        figure(outcome.peak_after.all_cores_gflops),
        outcome.counting,
    );
    if let (Some(bandwidth), Some(gflops)) = (outcome.card_bandwidth, outcome.card_gflops) {
        text += &format!(
            "the card: {} GB/s, {} GFLOP/s of multiply-adds\n",
            figure(bandwidth),
            figure(gflops)
        );
    }
    for operator in &outcome.without_kernels {
        text += &format!("no kernels for {operator}: composed of the tensor library's operators\n");
    }
    for row in &outcome.rows {
        if let Some(launches) = row.launches {
            text += &format!(
                "{}: {} launches of fused kernels, {} of the tensor library's, {} bytes uploaded\n",
                row.name, launches.fused, launches.composed, launches.uploaded_bytes
            );
        }
        for other in [&row.composed, &row.against].into_iter().flatten() {
            text += &format!("{}: {}, {} steps", row.name, other.trainer, other.steps);
            let launches = other.launches.map(|l| format!(", {} launches", l.all()));
            text += &format!("{}\n", launches.unwrap_or_default());
        }
    }
    text
}
