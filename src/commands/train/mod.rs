//! Trains a network on a config's recordings, tests it beside classical rows, and leaves a
//! run folder behind.

mod curves;
mod folders;
mod lesson;
mod moves;
pub mod queue;
mod request;
mod same;
mod search;
mod start;
mod taught;
mod trial;

use super::report;
use crate::audio::range::LevelRange;
use crate::config::{self, BaselineConfig, Config};
use crate::data::load::{self, LatencyReport, PairReport, Recordings};
use crate::device::{DeviceChoices, Selected};
use crate::dsp::probe::Judged;
use crate::engine;
use crate::files::checksums::Checksums;
use crate::kernels;
use crate::playing::Playable;
use crate::playing::fitting;
use crate::playing::scoring::Tester;
use crate::progress::{Event, Observer};
use crate::report::metrics::{PairRows, QuietPassages, Row};
use crate::report::race::Race;
use crate::report::verdict::{self, Evidence, Verdict};
use crate::training::history::{BestEpoch, EpochRow};
use crate::training::level;
use crate::training::modulation::{self, PhaseReport};
use crate::training::optimiser;
use crate::training::provenance::Provenance;
use crate::training::run_dir::{Progress, RunDir, RunError};
use crate::training::{TrainingError, recordings, run_report};
use anyhow::{Result, bail, ensure};
use burn::module::Module;
use burn::tensor::Device;
use curves::Curves;
pub use folders::{CHECKPOINTS, first_free};
use folders::{numbered, wanted_folder};
use lesson::Lesson;
pub use request::Request;
pub(super) use same::is_of;
use same::refuse_other_config;
use search::{Chosen, Search};
use serde::Serialize;
use start::Start;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use taught::Taught;
use trial::Trial;

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
    /// What a step took on each of the devices that `auto` considered, where there were several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<Trial>,
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
    /// The levels of dry that it learned from.
    pub heard: Option<LevelRange>,
    /// What was tried before the network was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<Race>,
    /// Where the oscillator stood in each test recording, where the network has one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseReport>,
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
    /// Tells of the run as if it stood in `to` already.
    fn moved(&mut self, to: &Path) {
        let from = self.run.clone();
        for path in self.files.iter_mut().chain([&mut self.run]) {
            let inside = path.strip_prefix(&from).map(Path::to_path_buf);
            if let Ok(inside) = inside {
                // Joining nothing would leave a slash at the end.
                *path = to.components().chain(inside.components()).collect();
            }
        }
    }

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
    mut on_epoch: impl FnMut(&EpochRow, bool),
) -> Result<Outcome> {
    let started = Instant::now();
    let (mut config, start) = resolve(request)?;
    kernels::hold_freed_memory();
    let choices: DeviceChoices = request.device.as_ref().unwrap_or(&config.device).parse()?;
    let (devices, trials) = trial::select(&choices, &config, observer)?;
    let selected = &devices[0];
    let others: Vec<Device> = devices[1..].iter().map(|one| one.device.clone()).collect();

    let resumed = resumed(request, &config)?;
    let recordings = recorded(request, &config, observer)?;
    moves::warn(&config, &recordings, observer)?;
    config.data.sample_rate = Some(recordings.sample_rate.hz());
    config.data.hear(recordings.dry_channels);
    // What is there already stands at the level that it was trained at.
    match &resumed {
        // Its own config, with what was asked for on top of it, says all.
        Some(_) if request.resolved.is_none() && request.config().is_none() => {}
        Some((_, saved)) => same::adopt(&mut config, saved),
        None if start.is_none() => level::fit_output(&mut config, &load::spans(&recordings.train)),
        None => {}
    }
    if resumed.is_none() {
        modulation::name_part(&mut config, &load::spans(&recordings.train), observer)?;
    }
    let kept = resumed.as_ref().map(|(run, _)| run);
    let taught = Taught::new(kept, &config, &recordings, &selected.device, observer)?;
    let lesson = Lesson {
        recordings: &recordings,
        taught: &taught,
        device: &selected.device,
        others: &others,
    };
    let checksums = recordings::checksums(&config.data)?;
    let search = Search {
        lesson,
        base: &config,
        checksums: &checksums,
        started,
        observer,
    };
    let chosen = match start {
        Some(start) => {
            let model = lesson.new_model(&config, observer)?;
            Chosen::alone(&config, start.fill(model, &config, observer)?)
        }
        None => search::choose(&search, request, kept)?,
    };
    let Chosen { config, model, .. } = &chosen;
    let model = optimiser::freeze(model.clone(), &config.training.freeze)
        .map_err(|reason| anyhow::anyhow!("training.freeze: {reason}"))?;
    let windows = lesson.windows(config, &model)?;
    let run = begin(request, resumed, &chosen, &checksums)?;
    taught.keep(&run)?;
    let note = format!(
        "{}: {} weights, {} windows of {} samples; run folder {}",
        config.model.kind(),
        model.num_params(),
        windows.len(),
        windows.window_len(),
        run.path().display()
    );
    observer.event(Event::Note(&note));
    let every = Duration::from_secs(request.save_every);
    let mut curves = request.tensorboard.then(|| Curves::of(&run, observer));
    let epoch_done = |row: &EpochRow, best| {
        curves.iter_mut().for_each(|curves| curves.add(row));
        on_epoch(row, best);
    };
    let progress = lesson.train((config, &windows), &run, model, every, observer, epoch_done);
    let progress = progress.map_err(|e| explain_disk(e, &run))?;
    let mut outcome = concluded((config, &run), &progress, recordings, selected, observer)?;
    outcome.device = ids(&devices);
    outcome.seconds = started.elapsed().as_secs_f64();
    outcome.trials = trials;
    if let Some(stands) = &request.stands {
        outcome.moved(stands);
    }
    run.write(
        run_report::FILE,
        serde_json::to_string(&outcome)?.as_bytes(),
    )?;
    if let Some(place) = chosen.place {
        place.clear()?;
    }
    // The page is drawn from what was just written.
    let page = (!request.no_report).then(|| draw_page(run.path(), observer));
    outcome.page = page.flatten();
    Ok(outcome)
}

/// What to give to `--device` for these.
fn ids(devices: &[Selected]) -> String {
    let ids: Vec<&str> = devices.iter().map(|one| one.id.as_str()).collect();
    ids.join(",")
}

/// The recordings, and what removing their latencies came to.
fn recorded(request: &Request, config: &Config, observer: &dyn Observer) -> Result<Recordings> {
    let recordings = load::load(&config.data, config.seed, observer)?;
    for latency in &recordings.latencies {
        observer.event(Event::Note(&latency.to_string()));
    }
    if recordings.test.is_empty() && request.require_esr.is_some() {
        bail!("--require-esr: the config names no test span; add a [[data.test]] table");
    }
    Ok(recordings)
}

/// What there is to say of a run that has come to its end: its best weights probed and tested.
fn concluded(
    (config, run): (&Config, &RunDir),
    progress: &Progress,
    recordings: Recordings,
    selected: &Selected,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let best = Playable::of_run(run.clone(), &selected.device)?;
    let weights = best.run().map_or(0, |run| run.model.num_params());
    let probe = probed(&best, observer);
    let tested = test(best, config, &recordings, run, observer)?;
    Ok(Outcome {
        run: run.path().to_path_buf(),
        seconds: 0.0,
        verdict: judge(&tested.rows, progress),
        rows: tested.rows,
        by_pair: tested.by_pair,
        device: selected.id.clone(),
        trials: Vec::new(),
        weights,
        epochs: progress.history.len(),
        best: progress.best,
        probe,
        quiet: tested.quiet,
        phases: tested.phases,
        heard: heard(&recordings, observer),
        search: search::kept(run)?,
        latencies: recordings.latencies,
        pairs: recordings.pairs,
        files: tested.files,
        provenance: Provenance::now(),
        page: None,
    })
}

/// The levels of dry that were learned from; a test that goes beyond them is told of.
fn heard(recordings: &Recordings, observer: &dyn Observer) -> Option<LevelRange> {
    let range = |excerpts| {
        let spans = load::spans(excerpts);
        LevelRange::of(spans.iter().map(|s| &s.pair().dry()[s.samples()]))
    };
    let heard = range(&recordings.train)?;
    if let Some(beyond) = range(&recordings.test).and_then(|test| heard.beyond(&test)) {
        let text = format!("the test sounds at {beyond}; what lies beyond is guessed");
        observer.event(Event::Warning(&text));
    }
    Some(heard)
}

/// How the network behaves when it is left alone, knobs in the middle.
fn probed(best: &Playable, observer: &dyn Observer) -> Option<Judged> {
    let network = best.network();
    let probe = network.and_then(|n| engine::probe(&n, &[]).map_err(anyhow::Error::from));
    let told = probe.map_err(|error| {
        observer.event(Event::Warning(&format!(
            "the network was not probed: {error:#}"
        )));
    });
    told.ok().map(Judged::from)
}

/// What the test spans say.
#[derive(Default)]
struct Tested {
    rows: Vec<Row>,
    by_pair: Vec<PairRows>,
    quiet: Option<QuietPassages>,
    phases: Vec<PhaseReport>,
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
    let audio = best.audio_channels();
    let mut tester =
        Tester::new(recordings, best.reach(), baselines, observer).with_sides(!audio.is_mono());
    let (predicted, phases) = tester.predictions(&best, &recordings.test)?;
    tester.identity()?;
    for fitted in fitting::fit_possible(&wanted, recordings, audio, observer)? {
        tester.score(&fitted, &recordings.test)?;
    }
    Ok(Tested {
        quiet: tester.quiet_passages(&predicted),
        phases,
        files: tester.write_audio(&run.file("test"), predicted)?,
        rows: tester.rows().to_vec(),
        by_pair: tester.by_pair(),
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
    if let Some(config) = &request.resolved {
        return Ok((Config::clone(config), None));
    }
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

/// The run that is to be continued, with its own config. Taken before anything else is done: two
/// processes on one run would only find out at the end of their work.
fn resumed(request: &Request, config: &Config) -> Result<Option<(RunDir, Config)>> {
    let wanted = wanted_folder(request, config);
    // One that was ended before it had begun is begun, as is one that is still searched for.
    let is_to_begin = wanted.is_dir() || search::is_searching(&wanted);
    if !request.resume || (is_to_begin && RunDir::is_free(&wanted)) {
        return Ok(None);
    }
    let run = RunDir::resume(&wanted)?;
    let saved = run.config()?;
    Ok(Some((run, saved)))
}

/// The run's folder: the one that is resumed, else a new one.
fn begin(
    request: &Request,
    resumed: Option<(RunDir, Config)>,
    chosen: &Chosen,
    recordings: &Checksums,
) -> Result<RunDir> {
    let config = &chosen.config;
    if let Some((run, saved)) = resumed {
        refuse_other_config(&saved, config)?;
        run.check_recordings(recordings)?;
        return Ok(run);
    }
    if let Some(place) = &chosen.place {
        let run = RunDir::create(place.run(), config, recordings)?;
        search::keep(&run, &chosen.race)?;
        return Ok(run);
    }
    let wanted = wanted_folder(request, config);
    if request.run.is_some() {
        ensure!(
            RunDir::is_free(&wanted),
            "{} exists; add --resume to continue it, or name another folder",
            wanted.display()
        );
        return Ok(RunDir::create(&wanted, config, recordings)?);
    }
    loop {
        match RunDir::create(&first_free(&wanted), config, recordings) {
            // Another process was faster with the same name.
            Err(RunError::Busy(_)) => {}
            created => return Ok(created?),
        }
    }
}

/// The first run under the config's name that was begun with this config; those in `taken` are
/// spoken for.
fn begun(request: &Request, taken: &BTreeSet<PathBuf>) -> Option<PathBuf> {
    // What is wrong with the config will be told when it is trained.
    let (config, _) = resolve(request).ok()?;
    let is_ours = |path: &PathBuf| {
        let saved = match search::is_searching(path) {
            true => search::config_of(path),
            false => RunDir::open(path).and_then(|run| run.config()).ok(),
        };
        !taken.contains(path) && saved.is_some_and(|saved| is_of(&saved, &config))
    };
    numbered(&wanted_folder(request, &config))
        .take_while(|path| !RunDir::is_free(path) || search::is_searching(path))
        .find(is_ours)
}
