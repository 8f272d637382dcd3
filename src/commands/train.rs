//! Trains a network on a config's recordings, tests it beside classical rows, and leaves a
//! run folder behind.

use super::provenance::Provenance;
use super::report::{self, ReportRequest};
use super::scoring::{self, Tester};
use super::start::Start;
use crate::config::{self, Config};
use crate::data::load::{self, LatencyReport, PairReport, Recordings};
use crate::data::windows::Windows;
use crate::device::{self, DeviceChoice};
use crate::kernels;
use crate::models::{self, EffectModel};
use crate::progress::{Event, Observer};
use crate::report::metrics::{PairRows, Row};
use crate::report::verdict::{self, Evidence, Verdict};
use crate::training::history::{BestEpoch, EpochRow};
use crate::training::level;
use crate::training::optimiser;
use crate::training::run_dir::{Progress, RunDir};
use crate::training::{self, Session, TrainingError, evaluate};
use anyhow::{Result, bail};
use burn::module::Module;
use burn::tensor::Device;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Where runs go unless told otherwise.
pub const CHECKPOINTS: &str = "checkpoints";

/// What to train and how.
#[derive(Clone, Debug, Default)]
pub struct TrainRequest {
    /// The config; may be left out when resuming a run.
    pub config: Option<PathBuf>,
    /// `a.b=c`, applied to the config in order.
    pub overrides: Vec<String>,
    /// The run's folder; absent: the first free one of `checkpoints/<name>`, `…-2`, ….
    pub run: Option<PathBuf>,
    /// Continue the run in that folder.
    pub resume: bool,
    /// Start from the best weights of this run, or from this model file.
    pub init_from: Option<PathBuf>,
    /// Wins over the config's device.
    pub device: Option<String>,
    /// Leave the run without a `report.html`.
    pub no_report: bool,
}

/// How a training run ended.
#[derive(Clone, Debug, Serialize)]
pub struct TrainOutcome {
    /// The run's folder.
    pub run: PathBuf,
    /// Wall time of the command.
    pub seconds: f64,
    /// Test figures: the network, identity, then the classical rows.
    pub rows: Vec<Row>,
    /// The same, pair by pair, where there are several test pairs.
    pub by_pair: Vec<PairRows>,
    /// What it ran on.
    pub device: String,
    /// Trainable weights.
    pub weights: usize,
    /// Epochs in the log.
    pub epochs: usize,
    /// Whose weights were tested and kept.
    pub best: Option<BestEpoch>,
    /// The test figures in words, with what to try next.
    pub verdict: Option<Verdict>,
    /// Wet delays that were removed.
    pub latencies: Vec<LatencyReport>,
    /// What was found out about every pair of files.
    pub pairs: Vec<PairReport>,
    /// The test audio: dry, wet and predicted.
    pub files: Vec<PathBuf>,
    /// When, where and by what version it was made.
    pub provenance: Provenance,
    /// The run's page; absent when none was asked for or it could not be drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<PathBuf>,
}

/// Trains. `on_epoch` sees every finished epoch, and whether it is the best so far.
///
/// # Errors
/// A config or recording that is unfit, a device that is missing, divergence, Ctrl-C; the
/// run folder then holds every completed epoch.
pub fn train(
    request: &TrainRequest,
    observer: &dyn Observer,
    on_epoch: impl FnMut(&EpochRow, bool),
) -> Result<TrainOutcome> {
    let started = Instant::now();
    let mut config = resolve(request)?;
    kernels::hold_freed_memory();
    let choice: DeviceChoice = request.device.as_ref().unwrap_or(&config.device).parse()?;
    let selected = device::select(choice)?;
    let note = format!("device: {} ({})", selected.id, selected.name);
    observer.event(Event::Note(&note));

    let recordings = load::load(&config.data, config.seed, observer)?;
    for latency in &recordings.latencies {
        observer.event(Event::Note(&describe(latency)));
    }
    config.data.sample_rate = Some(recordings.sample_rate.hz());
    // Weights that are there already stand at the level that they were trained at.
    if request.resume {
        let saved = RunDir::open(&wanted_folder(request, &config))?.config()?;
        config.model.take_output_scale(&saved.model);
    } else if request.init_from.is_none() {
        level::fit_output(&mut config, &load::spans(&recordings.train));
    }
    let model = new_model(request, &config, &selected.device, observer)?;
    let windows = cut(&config, &recordings, &model)?;
    let run = open_run(request, &config)?;
    let note = format!(
        "{}: {} weights, {} windows of {} samples; run folder {}",
        config.model.kind(),
        model.num_params(),
        windows.len(),
        windows.window_len(),
        run.path().display()
    );
    observer.event(Event::Note(&note));

    let valid = load::spans(&recordings.valid);
    let session = Session {
        config: &config,
        device: &selected.device,
        windows: &windows,
        valid: &valid,
    };
    // Parameters are created where gradients can reach them.
    let state = run.load_state(model.train(), &config)?;
    let progress = training::train(&session, &run, state, observer, on_epoch);
    let progress = progress.map_err(|e| explain_disk(e, &run))?;
    let (best, _) = run.load_best(&selected.device)?;
    let reach = evaluate::reach(&best);
    let mut outcome = TrainOutcome {
        rows: Vec::new(),
        by_pair: Vec::new(),
        device: selected.id,
        weights: best.num_params(),
        epochs: progress.history.len(),
        best: progress.best,
        verdict: None,
        latencies: recordings.latencies.clone(),
        pairs: recordings.pairs.clone(),
        files: Vec::new(),
        provenance: Provenance::now(),
        page: None,
        seconds: 0.0,
        run: run.path().to_path_buf(),
    };
    let wanted = config.baselines.rows();
    let mut tester = Tester::new(&recordings, reach, scoring::reach_of(&wanted), observer);
    let kind = config.model.kind();
    let predicted = tester.network(kind, &best, &selected.device, &recordings.test)?;
    tester.identity()?;
    for row in scoring::fit_possible(&wanted, &recordings, observer)? {
        tester.baseline(&row.baseline.to_string(), &row.baseline)?;
    }
    outcome.rows = tester.rows().to_vec();
    outcome.verdict = judge(&outcome.rows, &progress);
    outcome.by_pair = tester.by_pair().to_vec();
    outcome.files = tester.write_audio(&run.file("test"), predicted)?;
    outcome.seconds = started.elapsed().as_secs_f64();
    outcome.provenance = Provenance::now();
    run.write("report.json", serde_json::to_string(&outcome)?.as_bytes())?;
    if !request.no_report {
        outcome.page = draw_page(run.path(), observer);
    }
    Ok(outcome)
}

fn judge(rows: &[Row], progress: &Progress) -> Option<Verdict> {
    let tested = progress.best.map(|best| best.epoch);
    let row = progress.history.iter().find(|r| Some(r.epoch) == tested);
    verdict::verdict(&Evidence {
        rows,
        epochs: progress.history.len(),
        best_epoch: tested,
        train_esr: row.map(|r| r.train.esr),
        valid_esr: row.map(|r| r.valid.esr),
    })
}

/// The run's page. The run is complete without it, so a page that cannot be drawn is a warning.
fn draw_page(run: &Path, observer: &dyn Observer) -> Option<PathBuf> {
    let request = ReportRequest {
        runs: vec![run.to_path_buf()],
        ..ReportRequest::default()
    };
    match report::report(&request, observer) {
        Ok(drawn) => Some(drawn.page),
        Err(error) => {
            let text = format!("the run is complete, but its page was not drawn: {error:#}");
            observer.event(Event::Warning(&text));
            None
        }
    }
}

fn explain_disk(error: TrainingError, run: &RunDir) -> anyhow::Error {
    let context = format!("training in {}", run.path().display());
    match error {
        TrainingError::Run(e) => anyhow::Error::new(e).context(context),
        other => other.into(),
    }
}

fn resolve(request: &TrainRequest) -> Result<Config> {
    let path = match (&request.config, &request.run) {
        (Some(path), _) => path.clone(),
        (None, Some(run)) if request.resume => RunDir::open(run)?.file("config.toml"),
        _ => bail!("no config; give --config FILE (see configs/), or --run DIR --resume"),
    };
    match &request.init_from {
        Some(start) => Start::open(start)?.config(&path, &request.overrides),
        None => Ok(config::load(&path, &request.overrides)?),
    }
}

/// "latency 118 samples (measured …)" for people.
pub fn describe(report: &LatencyReport) -> String {
    let origin = match report.confidence {
        Some(confidence) => format!("measured, confidence {confidence:.2}"),
        None => "given".to_string(),
    };
    let polarity = match report.inverted {
        Some(true) => ", inverted polarity",
        _ => "",
    };
    let exact = report
        .exact_samples
        .map_or_else(String::new, |exact| format!("{exact:.2} to a fraction, "));
    format!(
        "latency {} samples ({exact}{origin}{polarity}): {}",
        report.latency_samples, report.label
    )
}

fn new_model(
    request: &TrainRequest,
    config: &Config,
    device: &Device,
    observer: &dyn Observer,
) -> Result<EffectModel> {
    let model = models::build(
        &config.model,
        &config.windows,
        config.data.knobs().len(),
        config.seed,
        device,
    );
    let model = match &request.init_from {
        Some(start) => Start::open(start)?.fill(model, config, device, observer)?,
        None => model,
    };
    optimiser::freeze(model, &config.training.freeze)
        .map_err(|reason| anyhow::anyhow!("training.freeze: {reason}"))
}

fn cut(config: &Config, recordings: &Recordings, model: &EffectModel) -> Result<Windows> {
    let spans = load::spans(&recordings.train);
    let longest = spans.iter().map(|s| s.samples().len()).max().unwrap_or(0);
    let reach = evaluate::reach(model);
    let windows = Windows::cut(spans, config.windows.window_len, config.windows.hop, reach);
    if windows.is_empty() {
        bail!(
            "the longest training span has {longest} samples, but a window needs {} ({} of \
             output, {} around it): lower windows.window_len or record more",
            windows.input_len(),
            windows.window_len(),
            reach.context + reach.lookahead,
        );
    }
    for (part, excerpts) in [
        ("validation", &recordings.valid),
        ("test", &recordings.test),
    ] {
        let predictable: usize = load::spans(excerpts)
            .iter()
            .map(|s| s.predictable(reach).len())
            .sum();
        if predictable == 0 {
            bail!(
                "no {part} sample can be predicted: every {part} span is shorter than the \
                 network's context of {} samples; use longer spans",
                reach.context + reach.lookahead
            );
        }
    }
    Ok(windows)
}

fn open_run(request: &TrainRequest, config: &Config) -> Result<RunDir> {
    let wanted = wanted_folder(request, config);
    if request.resume {
        let run = RunDir::open(&wanted)?;
        refuse_other_config(&run.config()?, config)?;
        return Ok(run);
    }
    let path = match &request.run {
        Some(path) if path.exists() => bail!(
            "{} exists; add --resume to continue it, or name another folder",
            path.display()
        ),
        Some(path) => path.clone(),
        None => first_free(&wanted),
    };
    Ok(RunDir::create(&path, config)?)
}

/// The folder that was asked for, or that the run's name stands for.
fn wanted_folder(request: &TrainRequest, config: &Config) -> PathBuf {
    let first = Path::new(CHECKPOINTS).join(&config.name);
    request.run.clone().unwrap_or(first)
}

/// `wanted`, or the first of `wanted-2`, `wanted-3`, … that does not exist.
pub(super) fn first_free(wanted: &Path) -> PathBuf {
    if !wanted.exists() {
        return wanted.to_path_buf();
    }
    let name = wanted.display();
    (2_u64..)
        .map(|n| PathBuf::from(format!("{name}-{n}")))
        .find(|path| !path.exists())
        .unwrap_or_else(|| wanted.to_path_buf())
}

/// Resuming may lengthen a run; anything else would make its log a lie.
fn refuse_other_config(saved: &Config, given: &Config) -> Result<()> {
    let mut given = given.clone();
    given.training.epochs = saved.training.epochs;
    given.training.patience = saved.training.patience;
    given.device.clone_from(&saved.device);
    given.metadata.clone_from(&saved.metadata);
    let (saved, given) = (
        toml::Table::try_from(saved)?,
        toml::Table::try_from(&given)?,
    );
    for (key, value) in &saved {
        if given.get(key) != Some(value) {
            bail!(
                "the config differs from the run's own in [{key}]; resume with --run DIR --resume \
                 alone, or train anew without --resume"
            );
        }
    }
    Ok(())
}
