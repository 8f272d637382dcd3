//! `effigy convolve`.

use super::Status;
use super::ui::Ui;
use crate::audio::level::amplitude;
use crate::commands::convolve::{
    self, ConvolveOutcome, ConvolveRequest, Finish, Method, NOTEBOOK_PEAK, Rendered,
};
use crate::regress::estimator::{Estimator, Fit, Settings};
use crate::regress::predictive::Mode;
use crate::report::table::{Table, figure};
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::path::PathBuf;

/// Predictive convolution: what a regression learned on A makes of B
///
/// A linear model learns to predict A's spectrum (or wave) from features of A, and predicts from
/// B's features: the result has B's length and rate. --direct combines the two without a model.
///
/// Examples:
///   effigy convolve bells.wav vireo.wav -o out.wav --estimator bayesian-ridge
///   effigy convolve bells.wav vireo.wav -o crossed.wav --direct=cross-synthesis
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The sound to learn from.
    a: PathBuf,
    /// The sound to predict from; the result has its length and rate.
    b: PathBuf,
    /// Where the result goes (32-bit float WAV).
    #[arg(long, short)]
    output: PathBuf,
    /// The linear model, with the notebook's parameters.
    #[arg(long, default_value = "bayesian-ridge", value_parser = estimators())]
    estimator: Estimator,
    /// Also predict A from B, into OUTPUT with -reverse before its extension.
    #[arg(long)]
    both: bool,
    /// Predict the spectrum, or the wave itself (the notebook's failed first attempt).
    #[arg(long, value_enum, default_value = "spectrum")]
    mode: ModeArg,
    /// Combine the two without any model: convolution by FFT, or A's magnitudes with B's phases.
    #[arg(
        long,
        value_name = "KIND",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "convolution",
        conflicts_with_all = ["estimator", "mode", "rcond", "alpha", "seed", "channel"]
    )]
    direct: Option<DirectArg>,
    /// Drop directions whose singular value is below this share of the largest (ols,
    /// ols-no-intercept, ransac); scikit-learn 1.9 does with 1e-6.
    #[arg(long)]
    rcond: Option<f64>,
    /// Penalty of ridge [default: 1] and lasso-lars [default: 0.42].
    #[arg(long)]
    alpha: Option<f64>,
    /// Seed of passive-aggressive [default: 42] and ransac [default: 0].
    #[arg(long)]
    seed: Option<u32>,
    /// Channel of both files that is used, from 1.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    channel: u16,
    /// Cut both ends where they stay below this level relative to the peak, in dB [-60 when
    /// given without a value].
    #[arg(
        long,
        value_name = "DB",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "-60",
        allow_hyphen_values = true
    )]
    trim: Option<f64>,
    /// Peak level of the result in dBFS [default: -0.087, the notebook's 0.99].
    #[arg(
        long,
        value_name = "DBFS",
        require_equals = true,
        allow_hyphen_values = true
    )]
    normalise: Option<f64>,
    /// Turn noise-like parts of the spectrum down by this many dB [12 when given without a
    /// value].
    #[arg(
        long,
        value_name = "DB",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "12"
    )]
    noise_reduction: Option<f64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeArg {
    Spectrum,
    Waveform,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DirectArg {
    Convolution,
    CrossSynthesis,
}

fn estimators() -> impl TypedValueParser<Value = Estimator> {
    PossibleValuesParser::new(Estimator::ALL.map(Estimator::name))
        .try_map(|name| name.parse::<Estimator>())
}

/// Combines the two files and prints how well the models predict, beside predicting nothing.
pub fn run(args: &Args, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = convolve::convolve(&request(args), ui)?;
    ui.report(&outcome, text)?;
    Ok(Status::Done)
}

fn request(args: &Args) -> ConvolveRequest {
    let method = match args.direct {
        Some(DirectArg::Convolution) => Method::Convolution,
        Some(DirectArg::CrossSynthesis) => Method::CrossSynthesis,
        None => Method::Predictive {
            mode: match args.mode {
                ModeArg::Spectrum => Mode::Spectrum,
                ModeArg::Waveform => Mode::Waveform,
            },
            estimator: args.estimator,
            settings: Settings {
                rcond: args.rcond,
                alpha: args.alpha,
                seed: args.seed,
            },
        },
    };
    ConvolveRequest {
        a: args.a.clone(),
        b: args.b.clone(),
        output: args.output.clone(),
        method,
        both: args.both,
        channel: usize::from(args.channel) - 1,
        finish: Finish {
            noise_reduction_db: args.noise_reduction,
            trim_db: args.trim,
            peak: args.normalise.map_or(NOTEBOOK_PEAK, amplitude),
        },
    }
}

fn text(outcome: &ConvolveOutcome) -> String {
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
