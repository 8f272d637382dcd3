//! Draws a run's page, or several runs on one page, and the pictures as files.
//!
//! Everything is taken from the run's folder, so a page can be drawn anew at any time.

mod bench;
mod gather;

use crate::files;
use crate::progress::{Observer, Task};
use crate::report::chart::Chart;
use crate::report::run::Run;
use crate::report::{html, pictures};
use crate::training::run_dir::RunDir;
use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The page in a run's folder.
pub const PAGE: &str = "report.html";

/// The folder of pictures beside it.
const PLOTS: &str = "plots";

/// How pictures are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PlotFormat {
    /// Pixels.
    Png,
    /// Shapes, for papers.
    Svg,
}

/// Draw a run's page anew, or compare several runs on one page
///
/// One self-contained HTML file: figures, curves, spectrograms, and the sounds to listen to.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// One run, to draw its page anew, or several, to compare them on one page.
    #[arg(value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// The run to draw anew; the same as naming it alone.
    #[arg(long, conflicts_with = "runs")]
    pub run: Option<PathBuf>,
    /// The page [default: report.html in the run's folder; needed for several runs].
    #[arg(long, short)]
    pub output: Option<PathBuf>,
    /// Write every picture as a file too, in a folder `plots` beside the page.
    #[arg(long, value_name = "FORMAT")]
    pub plots: Option<PlotFormat>,
}

impl Request {
    /// The runs, however they were named.
    fn runs(&self) -> &[PathBuf] {
        match &self.run {
            Some(run) => std::slice::from_ref(run),
            None => &self.runs,
        }
    }
}

/// What was drawn.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The page.
    #[serde(serialize_with = "crate::files::path_text")]
    pub page: PathBuf,
    /// Its size.
    pub bytes: usize,
    /// Wall time of the command.
    pub seconds: f64,
    /// The runs on it.
    #[serde(serialize_with = "crate::files::paths_text")]
    pub runs: Vec<PathBuf>,
    /// The pictures that were asked for.
    #[serde(serialize_with = "crate::files::paths_text")]
    pub plots: Vec<PathBuf>,
    /// What could not be shown and why.
    pub missing: Vec<String>,
}

/// Draws the page.
///
/// # Errors
/// A folder that is no run or is damaged; a page that cannot be written, or would replace a file
/// that is no page.
pub fn report(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    let started = Instant::now();
    let page = target(request)?;
    let task = Task::begin(
        observer,
        "drawing the report",
        Some(request.runs().len() as u64),
    );
    let mut runs = Vec::new();
    for path in request.runs() {
        ensure!(
            task.go_on().is_ok(),
            "stopped; {} was not written",
            page.display()
        );
        runs.push(gather::gather(&RunDir::open(path)?)?);
        task.advance(1);
    }
    tell_apart(&mut runs, request.runs());
    let (document, sections) = match runs.as_slice() {
        [run] => (html::run_page(run), pictures::of_run(run)),
        several => {
            let title = page
                .file_stem()
                .map_or_else(Default::default, |s| s.to_string_lossy());
            (
                html::comparison_page(&title, several),
                pictures::of_runs(several),
            )
        }
    };
    files::write(&page, document.as_bytes()).with_context(|| page.display().to_string())?;
    let plots = match request.plots {
        Some(format) => {
            let charts = sections.iter().flat_map(|s| &s.charts);
            write_plots(charts, &plot_folder(&page), format)?
        }
        None => Vec::new(),
    };
    Ok(Outcome {
        page,
        bytes: document.len(),
        seconds: started.elapsed().as_secs_f64(),
        runs: request.runs().to_vec(),
        plots,
        missing: runs.into_iter().flat_map(|r| r.missing).collect(),
    })
}

/// Where the page goes.
fn target(request: &Request) -> Result<PathBuf> {
    let page = match (&request.output, request.runs()) {
        (_, []) => bail!("no run named; give one, or several to compare: `effigy runs` lists them"),
        (Some(page), _) => page.clone(),
        (None, [run]) => run.join(PAGE),
        (None, several) => bail!(
            "{} runs are compared on a page of their own; name it: -o comparison.html",
            several.len()
        ),
    };
    page_at(page)
}

/// A path that a page may be written to: a new one, or one of an older page.
pub(super) fn page_at(page: PathBuf) -> Result<PathBuf> {
    if page.is_dir() {
        bail!(
            "{} is a folder; name a file, such as {}",
            page.display(),
            page.join(PAGE).display()
        );
    }
    if page.is_file() {
        let there = std::fs::read(&page).with_context(|| page.display().to_string())?;
        if !html::is_page(&String::from_utf8_lossy(&there)) {
            bail!(
                "{} exists and is no page of effigy's; name another file",
                page.display()
            );
        }
    }
    Ok(page)
}

/// Runs of one name in different folders are called by their folders.
fn tell_apart(runs: &mut [Run], paths: &[PathBuf]) {
    let names: Vec<String> = runs.iter().map(|r| r.name.clone()).collect();
    for ((run, path), name) in runs.iter_mut().zip(paths).zip(&names) {
        if names.iter().filter(|n| *n == name).count() > 1 {
            run.name = path.display().to_string();
        }
    }
}

/// `plots` beside `report.html`, else a folder named after the page.
fn plot_folder(page: &Path) -> PathBuf {
    let stem = page
        .file_stem()
        .map_or_else(Default::default, |s| s.to_string_lossy());
    match stem.as_ref() {
        "report" => page.with_file_name(PLOTS),
        other => page.with_file_name(format!("{other}-{PLOTS}")),
    }
}

fn write_plots<'a>(
    charts: impl Iterator<Item = &'a Chart>,
    folder: &Path,
    format: PlotFormat,
) -> Result<Vec<PathBuf>> {
    let ending = match format {
        PlotFormat::Png => "png",
        PlotFormat::Svg => "svg",
    };
    let mut written = Vec::new();
    for chart in charts {
        let path = folder.join(format!("{}.{ending}", chart.name));
        chart.figure().write(&path)?;
        written.push(path);
    }
    Ok(written)
}
