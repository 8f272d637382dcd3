//! `effigy report`.

use super::Status;
use super::ui::Ui;
use crate::commands::report::{self, PlotFormat, ReportOutcome, ReportRequest};
use crate::progress::{Event, Observer};
use std::fmt::Write;
use std::path::PathBuf;

/// Draw a run's page anew, or compare several runs on one page
///
/// One self-contained HTML file: figures, curves, spectrograms, and the sounds to listen to.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// One run, to draw its page anew, or several, to compare them on one page.
    #[arg(value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The run to draw anew; the same as naming it alone.
    #[arg(long, conflicts_with = "runs")]
    run: Option<PathBuf>,
    /// The page [default: report.html in the run's folder; needed for several runs].
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Write every picture as a file too, in a folder `plots` beside the page.
    #[arg(long, value_name = "FORMAT")]
    plots: Option<Plots>,
}

/// `--plots` as picture formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Plots {
    /// Pixels.
    Png,
    /// Shapes, for papers.
    Svg,
}

/// Draws the page and says where it is.
pub fn run(args: &Args, ui: &Ui) -> anyhow::Result<Status> {
    let request = ReportRequest {
        runs: args
            .run
            .clone()
            .map_or_else(|| args.runs.clone(), |run| vec![run]),
        output: args.output.clone(),
        plots: args.plots.map(|format| match format {
            Plots::Png => PlotFormat::Png,
            Plots::Svg => PlotFormat::Svg,
        }),
    };
    let outcome = report::report(&request, ui)?;
    for reason in &outcome.missing {
        ui.event(Event::Warning(reason));
    }
    ui.report(&outcome, prose)?;
    Ok(Status::Done)
}

fn prose(outcome: &ReportOutcome) -> String {
    let mut text = format!(
        "{} ({:.1} MB, {:.1} s): open it in a browser",
        outcome.page.display(),
        outcome.bytes as f64 / 1e6,
        outcome.seconds
    );
    if let Some(folder) = outcome.plots.first().and_then(|p| p.parent()) {
        let _ = write!(
            text,
            "\n{} pictures in {}",
            outcome.plots.len(),
            folder.display()
        );
    }
    text
}
