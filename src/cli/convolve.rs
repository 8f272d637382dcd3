//! `effigy convolve`.

use super::Status;
use super::ui::Ui;
use crate::commands::convolve::{self, Outcome, Rendered, Request};
use crate::regress::estimator::Fit;
use crate::report::table::{Table, figure};

/// Combines the two files and prints how well the models predict, beside predicting nothing.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = convolve::convolve(request, ui)?;
    ui.report(&outcome, text)?;
    Ok(Status::Done)
}

fn text(outcome: &Outcome) -> String {
    let mut text = String::new();
    for result in &outcome.results {
        text += &describe(result);
    }
    text + &format!("{:.2} s\n", outcome.seconds)
}

fn describe(result: &Rendered) -> String {
    let mut text = String::new();
    if !result.targets.is_empty() {
        let mut scores = Table::new([
            "target",
            "fit",
            "R² on A",
            "R² on B",
            "zero on B",
            "mean of A on B",
        ]);
        let mut coefficients = Table::new(
            std::iter::once("coefficients")
                .chain(result.features.iter().copied())
                .chain(["intercept"]),
        );
        for target in &result.targets {
            scores.row([
                target.target.to_string(),
                how(&target.fit),
                figure(target.r2_fitted),
                figure(target.r2_predicted),
                figure(target.r2_predicted_by_zero),
                figure(target.r2_predicted_by_mean),
            ]);
            let model = &target.fit.model;
            coefficients.row(
                std::iter::once(target.target.to_string())
                    .chain(model.coef.iter().map(|&w| figure(w)))
                    .chain([figure(model.intercept)]),
            );
        }
        text += &format!("{scores}\n{coefficients}\n");
    }
    let seconds = result.samples as f64 / f64::from(result.sample_rate_hz);
    text + &format!(
        "{}: {} samples, {seconds:.2} s at {} Hz, rms {}\n",
        result.output.display(),
        result.samples,
        result.sample_rate_hz,
        figure(result.rms),
    )
}

/// What an estimator says about its own fit, in few words.
fn how(fit: &Fit) -> String {
    let parts = [
        fit.rank.map(|rank| format!("rank {rank}")),
        fit.n_iter.map(|n| format!("{n} iterations")),
        fit.n_trials.map(|n| format!("{n} trials")),
        fit.n_inliers.map(|n| format!("{n} inliers")),
        fit.alpha.map(|alpha| format!("alpha {}", figure(alpha))),
        fit.lambda
            .map(|lambda| format!("lambda {}", figure(lambda))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
