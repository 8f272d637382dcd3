//! Trains a network on a config's recordings, tests it beside classical rows, and leaves a
//! run folder behind.

pub mod queue;
mod start;
mod taught;

use super::report;
use crate::config::{self, BaselineConfig, Config};
use crate::data::load::{self, LatencyReport, PairReport, Recordings};
use crate::data::pair::{Reach, Span};
use crate::data::sound::Sounding;
use crate::data::windows::Windows;
use crate::device::{self, DeviceChoice};
use crate::dsp::probe::Judged;
use crate::engine;
use crate::kernels;
use crate::models::{self, EffectModel};
use crate::playing::Playable;
use crate::playing::fitting;
use crate::playing::scoring::Tester;
use crate::progress::{Event, Observer};
use crate::report::metrics::{PairRows, QuietPassages, Row};
use crate::report::verdict::{self, Evidence, Verdict};
use crate::training::history::{BestEpoch, EpochRow};
use crate::training::level;
use crate::training::optimiser;
use crate::training::provenance::Provenance;
use crate::training::run_dir::{Progress, RunDir, RunError};
use crate::training::{self, Session, TrainingError, evaluate, recordings, run_report};
use anyhow::{Result, bail, ensure};
use burn::module::Module;
use burn::tensor::Device;
use serde::Serialize;
use start::Start;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use taught::Taught;

/// Where runs go unless told otherwise.
pub const CHECKPOINTS: &str = "checkpoints";

/// Train a network on the recordings a config names, and test it
///
/// Keeps the weights of the best epoch and tests them beside the dry sound itself and a
/// least-squares filter. Several configs are trained one after another; one that fails does not
/// stop the rest.
///
/// Examples:
///   effigy train my-pedal.toml
///   effigy train clean.toml crunch.toml lead.toml
///   effigy train --run checkpoints/my-pedal --resume --set training.epochs=200
#[derive(Clone, Debug, Default, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// What to train; `effigy new` writes one, configs/ has examples
    #[arg(value_name = "CONFIG")]
    pub configs: Vec<PathBuf>,
    /// The same, for one config
    #[arg(long, short, value_name = "CONFIG", conflicts_with = "configs")]
    pub config: Option<PathBuf>,
    /// Override a config key, such as training.epochs=50; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Seed of weights, window order and generated signals; short for --set seed=N
    #[arg(long)]
    pub seed: Option<u64>,
    /// Folder of the run [default: the first free one of checkpoints/NAME, NAME-2, …]
    #[arg(long)]
    pub run: Option<PathBuf>,
    /// Continue the run in its folder where its last completed epoch ended; of several configs,
    /// those that were begun
    #[arg(long)]
    pub resume: bool,
    /// Seconds of training that a kill may cost beside the epoch under way
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    pub save_every: u64,
    /// Start from the best weights of this run, or fine-tune this model file (.nam, .json, .aidax,
    /// .safetensors); the config may then leave [model] out
    #[arg(long, value_name = "RUN|FILE")]
    pub init_from: Option<PathBuf>,
    /// Keep the weights of layers whose names start so; short for training.freeze
    #[arg(long, value_name = "LAYERS", value_delimiter = ',')]
    pub freeze: Vec<String>,
    /// auto, flex, ndarray, wgpu[:n] or cuda[:n] [default: the config's]
    #[arg(long)]
    pub device: Option<String>,
    /// Leave the run without a report.html
    #[arg(long)]
    pub no_report: bool,
    /// Exit with code 1 unless the test ESR is at most this
    #[arg(long, value_name = "ESR")]
    pub require_esr: Option<f64>,
}

impl Request {
    /// The same for one config of several.
    fn with(&self, config: &Path) -> Self {
        Self {
            configs: Vec::new(),
            config: Some(config.to_path_buf()),
            ..self.clone()
        }
    }

    /// The one config; may be left out when resuming a run.
    fn config(&self) -> Option<&PathBuf> {
        self.config.as_ref().or(self.configs.first())
    }

    /// `a.b=c`, applied to the config in order.
    fn overrides(&self) -> Vec<String> {
        let mut overrides = self.overrides.clone();
        overrides.extend(self.seed.map(|seed| format!("seed={seed}")));
        if !self.freeze.is_empty() {
            overrides.push(format!("training.freeze={:?}", self.freeze));
        }
        overrides
    }
}

/// How a training run ended.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The run's folder.
    #[serde(serialize_with = "crate::files::path_text")]
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
    /// How the network behaves when it is left alone, knobs in the middle.
    pub probe: Option<Judged>,
    /// Its gain in the softest passages of the test, beside the recording's.
    pub quiet: Option<QuietPassages>,
    /// Wet delays that were removed.
    pub latencies: Vec<LatencyReport>,
    /// What was found out about every pair of files.
    pub pairs: Vec<PairReport>,
    /// The test audio: dry, wet and predicted.
    #[serde(serialize_with = "crate::files::paths_text")]
    pub files: Vec<PathBuf>,
    /// When, where and by what version it was made.
    pub provenance: Provenance,
    /// The run's page; absent when none was asked for or it could not be drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::files::path_text_if_any")]
    pub page: Option<PathBuf>,
}

impl Outcome {
    /// Figures of the network: the first row.
    pub fn network(&self) -> Option<&Row> {
        self.rows.first()
    }

    /// Figures of the dry sound itself.
    pub fn identity(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.is_identity())
    }
}

/// Trains one config. `on_epoch` sees every finished epoch, and whether it is the best so far.
///
/// # Errors
/// A config or recording that is unfit, a device that is missing, divergence, Ctrl-C; the
/// run folder then holds every completed epoch.
pub fn train(
    request: &Request,
    observer: &dyn Observer,
    on_epoch: impl FnMut(&EpochRow, bool),
) -> Result<Outcome> {
    let started = Instant::now();
    let (mut config, start) = resolve(request)?;
    kernels::hold_freed_memory();
    let choice: DeviceChoice = request.device.as_ref().unwrap_or(&config.device).parse()?;
    let selected = device::select(choice)?;
    let note = format!("device: {} ({})", selected.id, selected.name);
    observer.event(Event::Note(&note));

    let resumed = resumed(request, &config)?;
    let recordings = load::load(&config.data, config.seed, observer)?;
    for latency in &recordings.latencies {
        observer.event(Event::Note(&describe(latency)));
    }
    if recordings.test.is_empty() && request.require_esr.is_some() {
        bail!("--require-esr: the config names no test span; add a [[data.test]] table");
    }
    config.data.sample_rate = Some(recordings.sample_rate.hz());
    // Weights that are there already stand at the level that they were trained at.
    if let Some((_, saved)) = &resumed {
        config.model.take_output_scale(saved.model.output_scale());
    } else if start.is_none() {
        level::fit_output(&mut config, &load::spans(&recordings.train));
    }
    let model = new_model(start, &config, &selected.device, observer)?;
    let weights = model.num_params();
    let kept = resumed.as_ref().map(|(run, _)| run);
    let taught = Taught::new(kept, &config, &recordings, &selected.device, observer)?;
    let windows = cut(&config, &recordings, &taught, &model)?;
    let run = match resumed {
        Some((run, saved)) => {
            refuse_other_config(&saved, &config)?;
            run.check_recordings(&recordings::checksums(&config.data)?)?;
            run
        }
        None => begin_run(request, &config)?,
    };
    taught.keep(&run)?;
    let note = format!(
        "{}: {weights} weights, {} windows of {} samples; run folder {}",
        config.model.kind(),
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
        target_gain: level::target_gain(&config.training, &load::spans(&recordings.train)),
        valid: &valid,
        save_every: Duration::from_secs(request.save_every),
    };
    // Parameters are created where gradients can reach them.
    let state = run.load_state(model.train(), &config, observer)?;
    let progress = training::train(&session, &run, state, observer, on_epoch);
    let progress = progress.map_err(|e| explain_disk(e, &run))?;
    let best = Playable::of_run(run.clone(), &selected.device)?;
    let probe = engine::probe(&best.network()?, &[]).map_err(anyhow::Error::from);
    let probe = probe.map_err(|error| {
        observer.event(Event::Warning(&format!(
            "the network was not probed: {error:#}"
        )));
    });
    let tested = test(best, &config, &recordings, &run, observer)?;
    let outcome = Outcome {
        run: run.path().to_path_buf(),
        seconds: started.elapsed().as_secs_f64(),
        verdict: judge(&tested.rows, &progress),
        rows: tested.rows,
        by_pair: tested.by_pair,
        device: selected.id,
        weights,
        epochs: progress.history.len(),
        best: progress.best,
        probe: probe.ok().map(Judged::from),
        quiet: tested.quiet,
        latencies: recordings.latencies,
        pairs: recordings.pairs,
        files: tested.files,
        provenance: Provenance::now(),
        page: None,
    };
    run.write(
        run_report::FILE,
        serde_json::to_string(&outcome)?.as_bytes(),
    )?;
    // The page is drawn from what was just written.
    let page = (!request.no_report).then(|| draw_page(run.path(), observer));
    Ok(Outcome {
        page: page.flatten(),
        ..outcome
    })
}

/// What the test spans say.
#[derive(Default)]
struct Tested {
    rows: Vec<Row>,
    by_pair: Vec<PairRows>,
    quiet: Option<QuietPassages>,
    files: Vec<PathBuf>,
}

/// Tests the best weights beside identity and the config's classical rows; no rows without a test
/// span.
fn test(
    mut best: Playable,
    config: &Config,
    recordings: &Recordings,
    run: &RunDir,
    observer: &dyn Observer,
) -> Result<Tested> {
    if recordings.test.is_empty() {
        return Ok(Tested::default());
    }
    best.name = config.model.kind().to_string();
    let wanted: Vec<BaselineConfig> = config.baselines.rows();
    let baselines = fitting::reach_of(&wanted);
    let mut tester = Tester::new(recordings, best.reach(), baselines, observer);
    let predicted = tester.predictions(&best, &recordings.test)?;
    tester.identity()?;
    for fitted in fitting::fit_possible(&wanted, recordings, observer)? {
        tester.score(&fitted, &recordings.test)?;
    }
    Ok(Tested {
        quiet: tester.quiet_passages(&predicted),
        files: tester.write_audio(&run.file("test"), predicted)?,
        rows: tester.rows().to_vec(),
        by_pair: tester.by_pair().to_vec(),
    })
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
    let request = report::Request {
        runs: vec![run.to_path_buf()],
        ..report::Request::default()
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

/// The config, and what training starts from where that is not new.
fn resolve(request: &Request) -> Result<(Config, Option<Start>)> {
    let path = match (request.config(), &request.run) {
        (Some(path), _) => path.clone(),
        (None, Some(run)) if request.resume => RunDir::open(run)?.file("config.toml"),
        _ => bail!("no config; give --config FILE (see configs/), or --run DIR --resume"),
    };
    let start = request.init_from.as_deref().map(Start::open).transpose()?;
    let overrides = request.overrides();
    let config = match &start {
        Some(start) => start.config(&path, &overrides)?,
        None => config::load(&path, &overrides)?,
    };
    Ok((config, start))
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
    start: Option<Start>,
    config: &Config,
    device: &Device,
    observer: &dyn Observer,
) -> Result<EffectModel> {
    let model = models::of_config(config, device);
    let model = match start {
        Some(start) => start.fill(model, config, observer)?,
        None => model,
    };
    optimiser::freeze(model, &config.training.freeze)
        .map_err(|reason| anyhow::anyhow!("training.freeze: {reason}"))
}

fn cut(
    config: &Config,
    recordings: &Recordings,
    taught: &Taught,
    model: &EffectModel,
) -> Result<Windows> {
    let mut spans = load::spans(&recordings.train);
    let longest = spans.iter().map(|s| s.samples().len()).max().unwrap_or(0);
    let reach = evaluate::reach(model);
    let window_len = config.windows.window_len;
    let holds_window = |span: &Span| span.predictable(reach).len() >= window_len;
    let any = spans.iter().any(holds_window);
    spans.extend_from_slice(taught.spans());
    let windows = Windows::cut(spans, window_len, config.windows.hop, reach);
    if !any {
        bail!(
            "the longest training span has {longest} samples, but a window needs {} ({} of \
             output, {} around it): lower windows.window_len or record more",
            windows.input_len(),
            windows.window_len(),
            reach.context + reach.lookahead,
        );
    }
    if recordings.valid.is_empty() {
        bail!(
            "no validation span: the training pairs name spans of their own, so nothing is held \
             back by itself; add a [[data.valid]] table, or name whole pairs"
        );
    }
    for (part, excerpts) in [
        ("training", &recordings.train),
        ("validation", &recordings.valid),
        ("test", &recordings.test),
    ] {
        refuse_unusable(part, &load::spans(excerpts), reach)?;
    }
    Ok(windows)
}

/// Refuses a part whose spans are all too short, or all silent: it would say nothing. No part at
/// all is none.
fn refuse_unusable(part: &str, spans: &[Span], reach: Reach) -> Result<()> {
    let Some(first) = spans.first() else {
        return Ok(());
    };
    if spans.iter().all(|s| s.predictable(reach).is_empty()) {
        bail!(
            "no {part} sample can be predicted: every {part} span is shorter than the network's \
             context of {} samples; use longer spans",
            reach.context + reach.lookahead
        );
    }
    if spans.iter().any(|s| s.sounds(reach)) {
        return Ok(());
    }
    let pair = first.pair();
    let seconds = |sample: usize| pair.sample_rate().seconds(sample);
    let sounds = Sounding::of(pair.dry(), pair.wet()).range();
    let sounds = sounds.map_or_else(String::new, |range| {
        format!(
            ", such as from {:.2} to {:.2} s of {}",
            seconds(range.start),
            seconds(range.end),
            pair.name()
        )
    });
    bail!(
        "every {part} span is silent ({:.2} to {:.2} s of {}): nothing can be learned from it or \
         measured on it; choose from and to where there is sound{sounds}",
        seconds(first.samples().start),
        seconds(first.samples().end),
        pair.name()
    );
}

/// The run that is to be continued, with its own config. Taken before anything else is done: two
/// processes on one run would only find out at the end of their work.
fn resumed(request: &Request, config: &Config) -> Result<Option<(RunDir, Config)>> {
    let wanted = wanted_folder(request, config);
    // One that was ended before it had begun is begun.
    if !request.resume || (wanted.is_dir() && RunDir::is_free(&wanted)) {
        return Ok(None);
    }
    let run = RunDir::resume(&wanted)?;
    let saved = run.config()?;
    Ok(Some((run, saved)))
}

fn begin_run(request: &Request, config: &Config) -> Result<RunDir> {
    let wanted = wanted_folder(request, config);
    let recordings = recordings::checksums(&config.data)?;
    if request.run.is_some() {
        ensure!(
            RunDir::is_free(&wanted),
            "{} exists; add --resume to continue it, or name another folder",
            wanted.display()
        );
        return Ok(RunDir::create(&wanted, config, &recordings)?);
    }
    loop {
        match RunDir::create(&first_free(&wanted), config, &recordings) {
            // Another process was faster with the same name.
            Err(RunError::Busy(_)) => {}
            created => return Ok(created?),
        }
    }
}

/// The folder that was asked for, or that the run's name stands for.
fn wanted_folder(request: &Request, config: &Config) -> PathBuf {
    let first = Path::new(CHECKPOINTS).join(&config.name);
    request.run.clone().unwrap_or(first)
}

/// `wanted`, or the first of `wanted-2`, `wanted-3`, … in which no run was begun.
pub(super) fn first_free(wanted: &Path) -> PathBuf {
    let mut all = numbered(wanted);
    let free = all.find(|path| RunDir::is_free(path));
    free.unwrap_or_else(|| wanted.to_path_buf())
}

/// `wanted`, `wanted-2`, `wanted-3`, …
fn numbered(wanted: &Path) -> impl Iterator<Item = PathBuf> {
    let next = |n: u64| {
        let mut name = wanted.as_os_str().to_owned();
        name.push(format!("-{n}"));
        PathBuf::from(name)
    };
    std::iter::once(wanted.to_path_buf()).chain((2..).map(next))
}

/// The first run under the config's name that was begun with this config; those in `taken` are
/// spoken for.
fn begun(request: &Request, taken: &BTreeSet<PathBuf>) -> Option<PathBuf> {
    // What is wrong with the config will be told when it is trained.
    let (config, _) = resolve(request).ok()?;
    let is_ours = |path: &PathBuf| {
        let saved = RunDir::open(path).and_then(|run| run.config());
        !taken.contains(path) && saved.is_ok_and(|saved| is_of(&saved, &config))
    };
    numbered(&wanted_folder(request, &config))
        .take_while(|path| !RunDir::is_free(path))
        .find(is_ours)
}

/// Whether a run's own config came from this one; some of it was found out when it began.
fn is_of(saved: &Config, given: &Config) -> bool {
    let mut given = given.clone();
    given.data.sample_rate = given.data.sample_rate.or(saved.data.sample_rate);
    given.model.take_output_scale(saved.model.output_scale());
    refuse_other_config(saved, &given).is_ok()
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
