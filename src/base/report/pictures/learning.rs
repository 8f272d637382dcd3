//! How training went: errors over epochs.

use super::section::{Section, figure};
use crate::report::axis::Axis;
use crate::report::axis::fitting_log_axis;
use crate::report::chart::{Chart, Key, Mark};
use crate::report::colour::Tint;
use crate::report::run::{Epoch, Run};

/// More points than this do not show; the best epoch is always among them.
const MOST_POINTS: usize = 600;

pub(super) fn section(runs: &[Run]) -> Section {
    let trained: Vec<&Run> = runs.iter().filter(|r| !r.epochs.is_empty()).collect();
    if trained.is_empty() {
        let why = "No epoch was completed, so there is nothing to draw.";
        return Section::new("learning", "Learning", why, Vec::new());
    }
    let last = trained
        .iter()
        .filter_map(|r| r.epochs.last())
        .map(|e| e.epoch);
    let last = last.max().unwrap_or(1) as f64;
    let values = trained.iter().flat_map(|r| &r.epochs);
    let values = values.flat_map(|e| [e.train_esr, e.valid_esr]);
    let mut chart = Chart::new(
        "learning",
        "Error over epochs",
        Axis::linear("epoch", 1.0, last.max(2.0)),
        fitting_log_axis("ESR", values),
    );
    chart.wide = true;
    chart.reading = match runs {
        [run] => draw_one(&mut chart, run),
        _ => draw_all(&mut chart, runs),
    };
    let text = "The error-to-signal ratio (ESR) is the power of the error over the power of the \
                wet recording: 1 is as bad as silence, 0.01 is an error 20 dB below the sound.";
    Section::new("learning", "Learning", text, vec![chart])
}

fn draw_one(chart: &mut Chart, run: &Run) -> String {
    let kept = |of: fn(&Epoch) -> f64| points(run, of);
    chart.curve(Tint::Dry, "training", kept(|e| e.train_esr));
    chart.curve(Tint::Predicted, "validation", kept(|e| e.valid_esr));
    let mut text = "Lower is better. When validation stays up while training falls, the network \
                    learns its training passages by heart."
        .to_string();
    if let Some(best) = run.epochs.iter().find(|e| Some(e.epoch) == run.best_epoch) {
        chart.marks.push(Mark::Upright {
            x: best.epoch as f64,
            text: format!("best: {}", best.epoch),
        });
        let point = vec![[best.epoch as f64, best.valid_esr]];
        chart.marks.push(Mark::Dots {
            points: point,
            tint: Tint::Predicted,
        });
        text += &format!(
            " The weights of epoch {} were kept: validation ESR {}.",
            best.epoch,
            figure(best.valid_esr)
        );
    }
    text
}

fn draw_all(chart: &mut Chart, runs: &[Run]) -> String {
    chart.title = "Validation error over epochs".to_string();
    for (index, run) in runs.iter().enumerate() {
        let tint = Tint::Run(index);
        chart.keys.push(Key::new(tint, run.name.clone()));
        let points = points(run, |e| e.valid_esr);
        chart.marks.push(Mark::Curve {
            points,
            tint,
            dashed: false,
        });
        let best = run.epochs.iter().find(|e| Some(e.epoch) == run.best_epoch);
        let best = best.map(|e| [e.epoch as f64, e.valid_esr]);
        chart.marks.push(Mark::Dots {
            points: best.into_iter().collect(),
            tint,
        });
    }
    "Lower is better; the dot marks the epoch whose weights were kept. Runs on different \
     recordings have different validation passages."
        .to_string()
}

fn points(run: &Run, of: impl Fn(&Epoch) -> f64) -> Vec<[f64; 2]> {
    let step = run.epochs.len().div_ceil(MOST_POINTS).max(1);
    let kept = run.epochs.iter().enumerate().filter(|(i, e)| {
        i % step == 0 || i + 1 == run.epochs.len() || Some(e.epoch) == run.best_epoch
    });
    kept.map(|(_, e)| [e.epoch as f64, of(e)]).collect()
}
