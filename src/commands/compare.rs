//! Networks and baselines over one and the same test samples, in one table.
//!
//! The first config (or run) says which samples. Every other one must come to the same samples
//! by its own config, alignment included; who would be tested on others is refused before
//! anything is trained.

use super::train;
use crate::audio::AudioChannels;
use crate::config::{self, BaselineConfig, Config, DataConfig};
use crate::data::load::{self, Excerpt, LatencyReport, Recordings};
use crate::data::pair::{Reach, Span};
use crate::device::DeviceChoices;
use crate::number;
use crate::playing::Playable;
use crate::playing::fitting;
use crate::playing::scoring::{ModelRow, Tester};
use crate::progress::{Event, Observer};
use crate::report::metrics::PairRows;
use crate::training::history::EpochRow;
use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Train or load several networks and baselines and test them on the same samples
///
/// Examples:
///   effigy compare --config lstm.toml wavenet.toml --baseline fir-128 fir-36-tanh
///   effigy compare --model checkpoints/a checkpoints/b
#[derive(Clone, Debug, Default, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub struct Request {
    /// Networks to train, each in a run folder of its own; the first one names the test spans.
    #[arg(long, short, value_name = "CONFIG", num_args = 1.., group = "what")]
    pub config: Vec<PathBuf>,
    /// Finished runs, saved baselines, or model files of other programs.
    #[arg(long, short, visible_alias = "run", value_name = "MODEL", num_args = 1.., group = "what")]
    pub model: Vec<PathBuf>,
    /// Baselines to fit: gain, fir-128, fir-36-tanh, volterra-3-4x64, … [default: those of the
    /// first config].
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    pub baseline: Vec<String>,
    /// Override a key of every config to be trained, such as training.epochs=50; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// auto, flex, ndarray, wgpu[:n] or cuda[:n] [default: the configs'].
    #[arg(long)]
    pub device: Option<String>,
    /// Folder of the new runs.
    #[arg(long, value_name = "DIR", default_value = train::CHECKPOINTS)]
    pub dir: PathBuf,
    /// Exit with code 1 unless the best network's ESR is at most this.
    #[arg(long, value_name = "ESR")]
    pub require_esr: Option<f64>,
}

/// All models, best first.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Wall time of the command.
    pub seconds: f64,
    /// Test samples over which every row was taken.
    pub samples: usize,
    /// Lowest ESR first.
    pub rows: Vec<ModelRow>,
    /// The same figures in the same order, pair by pair, where there are several test pairs.
    pub by_pair: Vec<PairRows>,
    /// The lowest ESR among networks, which `--require-esr` looks at.
    #[serde(with = "number::optional")]
    pub best_network_esr: Option<f64>,
    /// Wet delays that were removed.
    pub latencies: Vec<LatencyReport>,
}

/// Trains what is to be trained, loads the rest, tests all. `on_epoch` sees every finished epoch
/// of every run, with the run's folder, and whether it is the best of its run so far.
///
/// # Errors
/// A config, run, file or recording that is unfit; test samples that differ; training that
/// fails (runs completed before stay on disk).
pub fn compare(
    request: &Request,
    observer: &dyn Observer,
    mut on_epoch: impl FnMut(&Path, &EpochRow, bool),
) -> Result<Outcome> {
    let started = Instant::now();
    let plan = Plan::new(request, observer)?;
    let mut entries = train_all(&plan.configs, request, observer, &mut on_epoch)?;
    let lead = plan.lead;
    entries.extend(plan.loaded);
    for model in fitting::fit_possible(&plan.fit, &lead, plan.audio, observer)? {
        entries.push(Entry {
            model,
            recordings: lead.clone(),
        });
    }
    tell_apart(&mut entries);

    let reach = |networks: bool| {
        let those = entries.iter().map(|e| &e.model);
        let those = those.filter(|m| m.is_network() == networks);
        those.fold(Reach::default(), |reach, m| reach.max(m.reach()))
    };
    let any_stereo = entries.iter().any(|e| !e.model.audio_channels().is_mono());
    let mut tester = Tester::new(&lead, reach(true), reach(false), observer).with_sides(any_stereo);
    ensure!(
        tester.sample_count() > 0,
        "every test span is shorter than the longest memory among the networks ({} samples); \
         use longer test spans",
        reach(true).context + reach(true).lookahead
    );
    tester.identity()?;
    for entry in &entries {
        tester.score(&entry.model, &entry.recordings.test)?;
    }
    let models: Vec<&Playable> = entries.iter().map(|entry| &entry.model).collect();
    let rows = tester.with_costs(&models)?;
    let networks = rows[1..].iter().zip(&models);
    let networks = networks.filter(|(_, model)| model.is_network());
    let best_network_esr = networks
        .map(|(row, _)| row.row.metrics.esr)
        .min_by(f64::total_cmp);
    let (rows, by_pair) = best_first(&rows, &tester.by_pair());
    Ok(Outcome {
        samples: tester.sample_count(),
        rows,
        by_pair,
        best_network_esr,
        seconds: started.elapsed().as_secs_f64(),
        latencies: lead.latencies.clone(),
    })
}

/// Rows, and the same pair by pair, sorted by the ESR over all pairs.
fn best_first(rows: &[ModelRow], by_pair: &[PairRows]) -> (Vec<ModelRow>, Vec<PairRows>) {
    let esr = |i: &usize| rows[*i].row.metrics.esr;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|a, b| esr(a).total_cmp(&esr(b)));
    let pair = |pair: &PairRows| PairRows {
        label: pair.label.clone(),
        rows: order.iter().map(|i| pair.rows[*i].clone()).collect(),
    };
    let by_pair = by_pair.iter().map(pair).collect();
    (order.iter().map(|i| rows[*i].clone()).collect(), by_pair)
}

/// A model to be tested.
struct Entry {
    model: Playable,
    /// As its own config loads them.
    recordings: Arc<Recordings>,
}

/// Models of one name are called by their place instead.
fn tell_apart(entries: &mut [Entry]) {
    let names: Vec<String> = entries.iter().map(|e| e.model.name.clone()).collect();
    for Entry { model, .. } in entries {
        if names.iter().filter(|name| **name == model.name).count() > 1 {
            model.name = model.place();
        }
    }
}

/// Everything that is known before the first step of training.
struct Plan {
    /// What all are tested on and baselines are fitted on.
    lead: Arc<Recordings>,
    /// One per config to be trained.
    configs: Vec<(PathBuf, Config, Arc<Recordings>)>,
    /// What is there already.
    loaded: Vec<Entry>,
    /// Baselines to fit, and across which channels.
    fit: Vec<BaselineConfig>,
    audio: AudioChannels,
}

impl Plan {
    fn new(request: &Request, observer: &dyn Observer) -> Result<Self> {
        let named = request.baseline.iter().map(|name| name.parse());
        let named = named.collect::<Result<Vec<BaselineConfig>, _>>()?;
        let load = |path: &PathBuf| Ok((path.clone(), config::load(path, &request.overrides)?));
        let configs: Vec<(PathBuf, Config)> =
            request.config.iter().map(load).collect::<Result<_>>()?;
        let device = request
            .device
            .as_deref()
            .unwrap_or("auto")
            .parse::<DeviceChoices>()?
            .first();
        let open = |path: &PathBuf| Playable::open(path)?.on(device);
        let models: Vec<Playable> = request.model.iter().map(open).collect::<Result<_>>()?;

        let of_configs = configs.iter().map(|(path, config)| (path, config));
        let of_runs = models
            .iter()
            .filter_map(|model| Some((model.path.as_ref()?, model.config()?)));
        let Some((path, first)) = of_configs.chain(of_runs).next() else {
            bail!("nothing says what to test on; give --config FILE, or a run among --model");
        };
        let mut library = Library {
            seed: first.seed,
            known: Vec::new(),
        };
        let lead = library.recordings(path, first, observer)?;
        ensure!(
            !lead.test.is_empty(),
            "{}: names no test span, so there is nothing to compare on; add a [[data.test]] table",
            path.display()
        );
        let fit = if named.is_empty() {
            first.baselines.rows()
        } else {
            named
        };
        let mut data = first.data.clone();
        data.hear(lead.dry_channels);
        let mut plan = Self {
            audio: data.audio_channels(),
            lead: lead.clone(),
            configs: Vec::new(),
            loaded: Vec::new(),
            fit,
        };
        let (lead_path, lead_config) = (path.to_path_buf(), first.clone());
        for (path, config) in configs {
            let recordings = library.recordings(&path, &config, observer)?;
            plan.configs.push((path, config, recordings));
        }
        for model in models {
            model.check_rate(lead.sample_rate)?;
            let recordings = match (&model.path, model.config()) {
                (Some(path), Some(config)) => library.recordings(path, config, observer)?,
                _ => {
                    // A file's knobs have the numbers that it was learned with.
                    let mut own = lead_config.clone();
                    own.data.knob_ranges = match model.knob_ranges() {
                        ranges if ranges.is_empty() => own.data.knob_ranges,
                        ranges => ranges,
                    };
                    library.recordings(&lead_path, &own, observer)?
                }
            };
            // Before hours of training, not after.
            load::units(&recordings.test, model.audio_channels())
                .with_context(|| format!("{} on the test pairs", model.name))?;
            plan.loaded.push(Entry { model, recordings });
        }
        Ok(plan)
    }
}

/// Trains every config with the train command, as if each had been trained alone.
fn train_all(
    configs: &[(PathBuf, Config, Arc<Recordings>)],
    request: &Request,
    observer: &dyn Observer,
    on_epoch: &mut impl FnMut(&Path, &EpochRow, bool),
) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    for (path, config, recordings) in configs {
        let run = train::first_free(&request.dir.join(&config.name));
        observer.event(Event::Note(&format!("training {}", path.display())));
        let training = train::Request {
            config: Some(path.clone()),
            overrides: request.overrides.clone(),
            run: Some(run.clone()),
            device: request.device.clone(),
            save_every: 1,
            ..train::Request::default()
        };
        train::train(&training, observer, |row, best| on_epoch(&run, row, best))
            .with_context(|| failed(path, &entries))?;
        let devices: DeviceChoices = request.device.as_ref().unwrap_or(&config.device).parse()?;
        entries.push(Entry {
            model: Playable::open(&run)?.on(devices.first())?,
            recordings: recordings.clone(),
        });
    }
    Ok(entries)
}

/// What was being done, and what need not be done again.
fn failed(path: &Path, finished: &[Entry]) -> String {
    let finished: Vec<String> = finished.iter().map(|entry| entry.model.place()).collect();
    let path = path.display();
    if finished.is_empty() {
        return format!("training {path}");
    }
    format!(
        "training {path} ({} finished before; load them with --model)",
        finished.join(", ")
    )
}

/// Recordings by config: equal ones are loaded once, all must have one set of test samples.
struct Library {
    /// Of the first config: what is generated is the same for all.
    seed: u64,
    known: Vec<(PathBuf, DataConfig, Arc<Recordings>)>,
}

impl Library {
    fn recordings(
        &mut self,
        path: &Path,
        config: &Config,
        observer: &dyn Observer,
    ) -> Result<Arc<Recordings>> {
        // A run knows the rate that its config left to the files.
        let data = DataConfig {
            sample_rate: None,
            ..config.data.clone()
        };
        if let Some((.., known)) = self.known.iter().find(|(_, known, _)| *known == data) {
            return Ok(known.clone());
        }
        let recordings = load::load(&config.data, self.seed, observer);
        let recordings = recordings.with_context(|| path.display().to_string())?;
        if let Some((first, _, lead)) = self.known.first() {
            differing(lead, &recordings).map_or(Ok(()), |difference| {
                Err(anyhow!(
                    "{}: its test samples are not those of {}: {difference}; figures over other \
                     samples cannot be compared, so give both the same data.test and latency",
                    path.display(),
                    first.display()
                ))
            })?;
        }
        let recordings = Arc::new(recordings);
        self.known
            .push((path.to_path_buf(), data, recordings.clone()));
        Ok(recordings)
    }
}

/// In what the test samples of two configs differ; `None` when every sample is the same.
fn differing(lead: &Recordings, other: &Recordings) -> Option<String> {
    if lead.sample_rate != other.sample_rate {
        return Some(format!(
            "{} against {}",
            other.sample_rate, lead.sample_rate
        ));
    }
    let spans = |recordings: &Recordings| -> Vec<Span> {
        let excerpts = recordings.test.iter();
        excerpts
            .flat_map(|e: &Excerpt| e.channels.clone())
            .collect()
    };
    let (mine, theirs) = (spans(lead), spans(other));
    let shape = |r: &Recordings| r.test.iter().map(|e| e.channels.len()).collect::<Vec<_>>();
    if shape(lead) != shape(other) {
        let count = |r: &Recordings| format!("{} pairs", r.test.len());
        return Some(format!("{} against {}", count(other), count(lead)));
    }
    let differ = |(a, b): &(&Span, &Span)| facts(a) != facts(b);
    let (a, b) = mine.iter().zip(&theirs).find(differ)?;
    Some(format!(
        "{} from sample {} on, against {} from sample {} on{}",
        b.pair().name(),
        b.samples().start,
        a.pair().name(),
        a.samples().start,
        latencies(lead, other)
    ))
}

/// What must be equal: the samples, and whether there is anything before and after them.
fn facts(span: &Span) -> (&[f32], &[f32], bool, bool) {
    let (pair, range) = (span.pair(), span.samples());
    (
        &pair.dry()[range.clone()],
        &pair.wet()[range.clone()],
        range.start == 0,
        range.end == pair.len(),
    )
}

fn latencies(lead: &Recordings, other: &Recordings) -> String {
    let of = |recordings: &Recordings| -> Vec<i64> {
        let reports = recordings.latencies.iter();
        reports.map(|r| r.latency_samples).collect()
    };
    if of(lead) == of(other) {
        return String::new();
    }
    format!(", latencies {:?} against {:?}", of(other), of(lead))
}
