//! `bench train`: how long a training step takes here, and what fraction of the processor's
//! multiply-add peak, measured in the same run, that uses.

pub(super) mod memory;
mod rival;
mod subject;
mod timing;

pub use subject::{Subject, preset, preset_names};
pub use timing::{StepSeconds, Trainer, median};

use crate::config::LossConfig;
use crate::device::{self, DeviceError, Selected};
use crate::kernels;
use crate::kernels::gpu::{self, Launches, counted};
use crate::models::Work;
use crate::progress::{Observer, Task};
use crate::simd::peak::{self, FmaPeak};
use crate::simd::{self, Isa};
use anyhow::{Result, bail, ensure};
use burn::module::Module;
use rival::{Rival, Started};
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Measure how fast networks train on this machine
///
/// Times whole training steps (forward, backward, optimiser): seconds, samples per second, GFLOP/s
/// and their fraction of this machine's multiply-add peak, measured in the same run, and the
/// peak of memory. The sound is generated; no recordings are read.
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Request {
    /// Presets; `all` stands for every one. Empty: the configs, or every preset without any.
    #[arg(long, value_delimiter = ',', help = preset_help())]
    pub preset: Vec<String>,
    /// Configs, separated by commas, whose networks, windows, batch sizes and losses are measured.
    #[arg(long, value_delimiter = ',')]
    pub config: Vec<PathBuf>,
    /// Change a value of every config, such as model.hidden_size=16.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Windows per step, instead of the preset's or config's.
    #[arg(long)]
    pub batch: Option<usize>,
    /// Output samples per window, instead of the preset's or config's.
    #[arg(long)]
    pub window: Option<usize>,
    /// Steps to measure, after two that warm up; the figures are medians.
    #[arg(long, default_value_t = 9)]
    pub steps: usize,
    /// Add the multi-resolution STFT loss.
    #[arg(long)]
    pub stft: bool,
    /// Also time the same step composed of the tensor library's own operators (slow).
    #[arg(long)]
    pub composed: bool,
    /// Also measure what the card's memory and arithmetic can do.
    #[arg(long)]
    pub roofline: bool,
    /// Vary batch size, window length and channels, one at a time.
    #[arg(long)]
    pub sweep: bool,
    /// Alternate with another trainer, such as "python3 benches/pytorch_step.py".
    #[arg(long, value_name = "PROGRAM")]
    pub against: Option<String>,
    /// flex, ndarray, wgpu[:n], cuda[:n] or auto.
    #[arg(long, default_value = "flex")]
    pub device: String,
}

fn preset_help() -> String {
    format!(
        "Networks, separated by commas: all, {} [default: all, or the configs' alone]",
        preset_names()
    )
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The processor.
    pub processor: String,
    /// Where it trained.
    pub device: String,
    /// The vector instruction set of the fused operators and of the peak.
    pub isa: String,
    /// The peak, before the first row.
    pub peak: FmaPeak,
    /// The peak again after the last row: a machine that was disturbed shows here.
    pub peak_after: FmaPeak,
    /// Of the card's memory, GB/s, measured in this run; absent where it does not train on one or
    /// has no timer.
    pub card_bandwidth: Option<f64>,
    /// Multiply-adds of the card, GFLOP/s.
    pub card_gflops: Option<f64>,
    /// What was composed of the tensor library's operators for want of kernels.
    pub without_kernels: Vec<String>,
    /// How the arithmetic was counted.
    pub counting: &'static str,
    /// One per network.
    pub rows: Vec<Row>,
}

/// How operations are counted, in words for the reader of a figure.
pub const COUNTING: &str = "2 operations per multiply-add of weights with signals: forward once, \
backward once for the weights' gradients and once for the signals' (not the network input's); \
context included, activations, loss, optimiser and recomputation not";

/// One network's speed.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The preset, the config's name, or what a sweep varied.
    pub name: String,
    /// The `kind` of network.
    pub network: &'static str,
    /// Learned numbers.
    pub weights: usize,
    /// Windows per step.
    pub batch: usize,
    /// Output samples per window.
    pub window_len: usize,
    /// Samples that enter per window.
    pub input_len: usize,
    /// Steps measured; all times are medians over them.
    pub steps: usize,
    /// The median step and its parts.
    #[serde(flatten)]
    pub seconds: StepSeconds,
    /// The fastest step.
    pub fastest_seconds: f64,
    /// Output samples trained on per second.
    pub samples_per_second: f64,
    /// Operations counted per step, see [`COUNTING`].
    pub operations: f64,
    /// 10⁹ of them per second of the whole step.
    pub gflops: f64,
    /// Of the peak of all cores; absent where the step does not run on the processor.
    pub fraction_of_peak: Option<f64>,
    /// The largest resident set of the process during this row, where the system tells.
    pub peak_resident_bytes: Option<u64>,
    /// What a step launches; absent where it runs on the processor.
    pub launches: Option<Launches>,
    /// The same step composed of the tensor library's operators.
    pub composed: Option<Other>,
    /// The same network in another trainer.
    pub against: Option<Other>,
}

/// Another way to the same step.
#[derive(Clone, Debug, Serialize)]
pub struct Other {
    /// What took the step; why it did not, where `steps` is 0.
    pub trainer: String,
    /// Steps measured.
    pub steps: usize,
    /// Their median.
    pub step_seconds: f64,
    /// This over the row's own time: how many times faster effigy is.
    pub ratio: f64,
    /// What a step launches, where that can be counted.
    pub launches: Option<Launches>,
}

/// Measures.
///
/// # Errors
/// A preset, config or device that does not exist, a loss that is not a number, a failing
/// `against`, an interrupt.
pub fn bench_train(request: &Request, observer: &dyn Observer) -> Result<Outcome> {
    ensure!(
        request.steps > 0,
        "--steps 0: at least 1 step must be measured"
    );
    let subjects = subjects(request)?;
    // As `train` does.
    kernels::hold_freed_memory();
    let choice = request.device.parse()?;
    let selected = device::select(choice)?;
    let isa = Isa::detect();
    let peak = peak::measure(isa);
    let task = Task::begin(
        observer,
        "measuring training steps",
        Some(subjects.len() as u64),
    );
    let mut rows = Vec::new();
    for subject in &subjects {
        task.status(&subject.name);
        let row = || measure(request, subject, &selected, &peak, &task);
        let row = device::watched(&selected.device, row).map_err(|reason| DeviceError::Failed {
            work: subject.name.clone(),
            id: selected.id.clone(),
            reason,
        })?;
        rows.push(row?);
        task.advance(1);
    }
    drop(task);
    let (card_bandwidth, card_gflops) = match request.roofline {
        true => gpu::roofline(&selected.device),
        false => (None, None),
    };
    Ok(Outcome {
        processor: simd::processor(),
        device: selected.id,
        isa: isa.to_string(),
        peak,
        peak_after: peak::measure(isa),
        card_bandwidth,
        card_gflops,
        without_kernels: kernels::composed_on_cards(),
        counting: COUNTING,
        rows,
    })
}

fn subjects(request: &Request) -> Result<Vec<Subject>> {
    let mut subjects = Vec::new();
    for path in &request.config {
        subjects.push(subject::from_config(path, &request.overrides)?);
    }
    if request.config.is_empty() && !request.overrides.is_empty() {
        bail!("--set changes a config; give one with --config FILE");
    }
    let everything = request.config.is_empty() && request.preset.is_empty();
    if everything || request.preset.iter().any(|name| name == "all") {
        for (name, _) in subject::presets() {
            subjects.push(preset(name)?);
        }
    } else {
        for name in &request.preset {
            subjects.push(preset(name)?);
        }
    }
    let subjects = subjects.into_iter().map(|mut subject| {
        if let Some(batch) = request.batch {
            subject = subject.with_batch(batch);
        }
        if let Some(window) = request.window {
            subject = subject.with_window(window);
        }
        if request.stft {
            subject.loss.multi_resolution_stft = 1.0;
            subject.name += " + stft";
        }
        subject
    });
    let subjects: Vec<Subject> = if request.sweep {
        subjects.flat_map(|subject| subject.sweep()).collect()
    } else {
        subjects.collect()
    };
    for subject in &subjects {
        check(subject)?;
    }
    Ok(subjects)
}

/// The most output samples in a step: a quarter of an hour at 48 kHz.
const MOST_SAMPLES: usize = 900 * 48_000;

fn check(subject: &Subject) -> Result<()> {
    let (batch, window) = (subject.training.batch_size, subject.windows.window_len);
    if batch == 0 || window == 0 {
        bail!("--batch {batch} and --window {window}: both must be at least 1");
    }
    if batch.saturating_mul(window) > MOST_SAMPLES {
        bail!("--batch {batch} of --window {window} samples: at most {MOST_SAMPLES} per step");
    }
    let stft =
        subject.loss.multi_resolution_stft + subject.loss.pre_emphasised_multi_resolution_stft;
    if stft > 0.0 && window <= LossConfig::STFT_WINDOW_LEN {
        let least = LossConfig::STFT_WINDOW_LEN + 1;
        bail!("--window {window}: the config's STFT loss needs at least {least} samples");
    }
    if subject.model.has_fixed_window() && window % 2 == 1 {
        bail!(
            "--window {window}: a {} network needs an even length",
            subject.model.kind()
        );
    }
    Ok(())
}

/// A trainer's turn beside another: the last of its steps is measured. It rests first, since threads that
/// wait for more work keep the processors busy for some milliseconds after a step, at the other's cost, and
/// then takes steps until caches, threads and processors are as awake as in the middle of a training run.
fn turn<T>(mut step: impl FnMut() -> Result<T>) -> Result<T> {
    const REST: Duration = Duration::from_millis(30);
    const WAKING: Duration = Duration::from_millis(60);
    std::thread::sleep(REST);
    let begun = Instant::now();
    while begun.elapsed() < WAKING {
        step()?;
    }
    step()
}

fn measure(
    request: &Request,
    subject: &Subject,
    selected: &Selected,
    peak: &FmaPeak,
    task: &Task<'_>,
) -> Result<Row> {
    const UNMEASURED: usize = 2;
    let steps = request.steps;
    kernels::release_memory();
    memory::reset();
    let mut trainer = Trainer::new(subject, &selected.device);
    let input_len = trainer.input_len();
    let (weights, work) = match trainer.model() {
        Some(model) => (model.num_params(), model.work(subject.windows.window_len)),
        None => (0, Work::default()),
    };
    let mut rival = start_rival(request, subject, input_len, &selected.id)?;
    let mut times = Vec::new();
    let mut rival_times = Vec::new();
    for step in 0..UNMEASURED + steps {
        ensure!(task.go_on().is_ok(), "interrupted");
        let (seconds, rival_seconds) = match &mut rival {
            Some(Started::Ready(rival)) => {
                let seconds = turn(|| trainer.step())?;
                (seconds, Some(turn(|| rival.step())?))
            }
            _ => (trainer.step()?, None),
        };
        if step >= UNMEASURED {
            times.push(seconds);
            rival_times.extend(rival_seconds);
        }
    }
    let peak_resident_bytes = memory::peak();
    let seconds = StepSeconds::median(&times);
    let own = seconds.step_seconds;
    let on_processor = ["flex", "ndarray"].contains(&selected.id.as_str());
    let launches = (!on_processor)
        .then(|| launches(&mut trainer))
        .transpose()?;
    let compose = || composed(&mut trainer, own, task);
    let composed = request.composed.then(compose).transpose()?;
    let batch = subject.training.batch_size;
    let operations = 2.0 * batch as f64 * (work.forward + work.backward) as f64;
    let gflops = operations / own * 1e-9;
    Ok(Row {
        name: subject.name.clone(),
        network: subject.model.kind(),
        weights,
        batch,
        window_len: subject.windows.window_len,
        input_len,
        steps,
        seconds,
        fastest_seconds: times.iter().map(|s| s.step_seconds).fold(own, f64::min),
        samples_per_second: (batch * subject.windows.window_len) as f64 / own,
        operations,
        gflops,
        fraction_of_peak: on_processor.then(|| gflops / peak.all_cores_gflops),
        peak_resident_bytes,
        launches,
        composed,
        against: rival.map(|rival| compared(rival, rival_times, own)),
    })
}

fn start_rival(
    request: &Request,
    subject: &Subject,
    input_len: usize,
    device: &str,
) -> Result<Option<Started>> {
    let start = |command: &String| Rival::start(command, subject, input_len, device);
    request.against.as_ref().map(start).transpose()
}

fn compared(rival: Started, times: Vec<f64>, own: f64) -> Other {
    let trainer = match rival {
        Started::Ready(rival) => rival.trainer.clone(),
        Started::Unknown(why) => why,
    };
    let (steps, step_seconds) = (times.len(), median(times));
    Other {
        trainer,
        steps,
        step_seconds,
        ratio: step_seconds / own,
        launches: None,
    }
}

/// What a step launches.
fn launches(trainer: &mut Trainer<'_>) -> Result<Launches> {
    let (step, launches) = counted(|| trainer.step());
    step.map(|_| launches)
}

/// The composed form of the same step: one step unmeasured, then up to three, but no new one
/// after half a minute.
fn composed(trainer: &mut Trainer<'_>, own: f64, task: &Task<'_>) -> Result<Other> {
    const STEPS: usize = 3;
    const PATIENCE: f64 = 30.0;
    let mut times = Vec::new();
    let mut launches = None;
    let start = Instant::now();
    for step in 0..=STEPS {
        ensure!(task.go_on().is_ok(), "interrupted");
        let (seconds, count) = counted(|| kernels::composed::only(|| trainer.step()));
        let seconds = seconds?.step_seconds;
        if step > 0 {
            times.push(seconds);
            launches = (count.all() > 0).then_some(count);
        }
        if !times.is_empty() && start.elapsed().as_secs_f64() > PATIENCE {
            break;
        }
    }
    let (steps, step_seconds) = (times.len(), median(times));
    Ok(Other {
        trainer: "composed of burn's operators".to_string(),
        steps,
        step_seconds,
        ratio: step_seconds / own,
        launches,
    })
}
