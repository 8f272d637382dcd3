//! Plays new audio through a trained network, block by block, in bounded memory.

use crate::audio::decode::AudioReader;
use crate::audio::encode::AudioWriter;
use crate::audio::{SampleFormat, SampleRate};
use crate::config::{DataConfig, Knob};
use crate::device::{self, DeviceChoice};
use crate::dsp::resample::Resampler;
use crate::models::EffectModel;
use crate::models::predict::Predictor;
use crate::progress::{Event, Observer};
use crate::training::run_dir::RunDir;
use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What to play, and where the result goes.
#[derive(Clone, Debug)]
pub struct InferRequest {
    /// The run whose best weights are used.
    pub model: PathBuf,
    /// Sound files of any rate and any number of channels.
    pub inputs: Vec<PathBuf>,
    /// A `.wav` file for a single input, else a folder.
    pub output: PathBuf,
    /// Sample format; absent: the input's.
    pub format: Option<SampleFormat>,
    /// Frames read at a time.
    pub block_len: usize,
    /// Where to compute.
    pub device: String,
    /// Where the knobs stand; those not named stand in the middle of what was learned.
    pub controls: BTreeMap<String, f32>,
}

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct InferOutcome {
    /// The run's folder.
    pub run: PathBuf,
    /// Wall time of the command.
    pub seconds: f64,
    /// One entry per input.
    pub files: Vec<InferredFile>,
}

/// One processed file.
#[derive(Clone, Debug, Serialize)]
pub struct InferredFile {
    /// Read.
    pub input: PathBuf,
    /// Written.
    pub output: PathBuf,
    /// Samples per channel.
    pub frames: u64,
    /// Samples that an integer format cut to full scale.
    pub clipped: u64,
}

/// Plays every input through the network.
///
/// # Errors
/// A run without weights, a file that cannot be read or written; no half-written file stays.
pub fn infer(request: &InferRequest, observer: &dyn Observer) -> Result<InferOutcome> {
    let started = Instant::now();
    let targets = targets(request)?;
    let selected = device::select(request.device.parse::<DeviceChoice>()?)?;
    let run = RunDir::open(&request.model)?;
    let (model, config) = run.load_best(&selected.device)?;
    let rate = config.data.sample_rate.and_then(SampleRate::new);
    let controls = control_values(&config.data, &request.controls)?;
    let mut files = Vec::new();
    for (input, output) in request.inputs.iter().zip(targets) {
        let player = Player {
            model: &model,
            device: &selected.device,
            rate,
            controls: &controls,
            observer,
        };
        let file = player
            .play(input, &output, request)
            .with_context(|| format!("playing {}", input.display()))?;
        if file.clipped > 0 {
            let warning = format!(
                "{}: {} samples were cut to full scale; use --format f32 to keep them",
                output.display(),
                file.clipped
            );
            observer.event(Event::Warning(&warning));
        }
        files.push(file);
    }
    Ok(InferOutcome {
        run: run.path().to_path_buf(),
        seconds: started.elapsed().as_secs_f64(),
        files,
    })
}

/// Positions of a network's knobs in its order; those that are not `given` stand in the middle
/// of what was learned.
///
/// # Errors
/// A name that is no knob of the network, a value that is no number.
pub fn control_values(data: &DataConfig, given: &BTreeMap<String, f32>) -> Result<Vec<f32>> {
    let knobs = data.knobs();
    for (name, value) in given {
        if !knobs.iter().any(|knob| knob.name == *name) {
            let names: Vec<&str> = knobs.iter().map(|knob| knob.name.as_str()).collect();
            let there = match names.is_empty() {
                true => "it has none".to_string(),
                false => format!("there are {}", names.join(", ")),
            };
            bail!("the network has no control '{name}'; {there}");
        }
        if !value.is_finite() {
            bail!("control {name} is {value}; a finite number is needed");
        }
    }
    let middle = |knob: &Knob| 0.5 * (knob.min + knob.max);
    let value = |knob: &Knob| given.get(&knob.name).copied().unwrap_or(middle(knob));
    Ok(knobs.iter().map(value).collect())
}

/// Where each input's result goes; refuses to overwrite an input or to write two results to
/// one file.
fn targets(request: &InferRequest) -> Result<Vec<PathBuf>> {
    let is_file = request
        .output
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("wav"));
    if is_file && request.inputs.len() > 1 {
        bail!(
            "{} inputs cannot go to the one file {}; name a folder",
            request.inputs.len(),
            request.output.display()
        );
    }
    let mut targets: Vec<PathBuf> = Vec::new();
    for input in &request.inputs {
        let target = if is_file {
            request.output.clone()
        } else {
            let stem = input.file_stem().unwrap_or(input.as_os_str());
            request.output.join(stem).with_extension("wav")
        };
        let same = |a: &Path, b: &Path| match (a.canonicalize(), b.canonicalize()) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        };
        if request.inputs.iter().any(|i| same(i, &target)) {
            bail!("{} is an input; name another output", target.display());
        }
        if targets.contains(&target) {
            bail!(
                "two inputs would be written to {}; process them one at a time",
                target.display()
            );
        }
        targets.push(target);
    }
    Ok(targets)
}

/// What a result is stored as when nothing else is asked for: the input's format where WAV
/// players agree on it.
fn like_input(format: SampleFormat) -> SampleFormat {
    match format {
        SampleFormat::Int(8 | 16) => SampleFormat::Int(16),
        SampleFormat::Int(_) => SampleFormat::Int(24),
        SampleFormat::Float(_) => SampleFormat::Float(32),
    }
}

struct Player<'a> {
    model: &'a EffectModel,
    device: &'a Device,
    rate: Option<SampleRate>,
    controls: &'a [f32],
    observer: &'a dyn Observer,
}

impl Player<'_> {
    fn play(&self, input: &Path, output: &Path, request: &InferRequest) -> Result<InferredFile> {
        let mut reader = AudioReader::open(input)?;
        let (file_rate, channels) = (reader.sample_rate(), reader.channel_count());
        let rate = self.rate.unwrap_or(file_rate);
        if rate != file_rate {
            let note = format!(
                "{}: {file_rate} is resampled to the network's {rate} and back",
                input.display()
            );
            self.observer.event(Event::Note(&note));
        }
        let format = request.format.unwrap_or(like_input(reader.format()));
        let mut writer = AudioWriter::create(output, file_rate, channels, format)?;
        let mut chain = Chain::new(self, file_rate, rate, channels)?;
        self.observer.event(Event::Start {
            task: &input.display().to_string(),
            total: reader.frames(),
        });
        let mut block = Vec::new();
        let mut remaining = Remaining::default();
        loop {
            let frames = reader.read_block(&mut block, request.block_len)?;
            if frames == 0 {
                break;
            }
            if self.observer.stop_requested() {
                bail!("stopped; nothing was written to {}", output.display());
            }
            remaining.heard += frames as u64;
            let answered = chain.push(&block)?;
            remaining.write(&mut writer, answered)?;
            self.observer.event(Event::Advance(frames as u64));
        }
        let answered = chain.finish()?;
        remaining.write(&mut writer, answered)?;
        let written = writer.finish()?;
        self.observer.event(Event::Finish);
        Ok(InferredFile {
            input: input.to_path_buf(),
            output: output.to_path_buf(),
            frames: written.frames,
            clipped: written.clipped,
        })
    }
}

/// Keeps the output exactly as long as the input: two resamplings may each round up.
#[derive(Default)]
struct Remaining {
    heard: u64,
    written: u64,
}

impl Remaining {
    fn write(&mut self, writer: &mut AudioWriter, mut channels: Vec<Vec<f32>>) -> Result<()> {
        let allowed = usize::try_from(self.heard - self.written).unwrap_or(usize::MAX);
        for channel in &mut channels {
            channel.truncate(allowed);
        }
        self.written += channels.first().map_or(0, Vec::len) as u64;
        Ok(writer.write_block(&channels)?)
    }
}

/// Resampler → network → resampler, for all channels.
struct Chain<'a> {
    to_model: Resampler,
    networks: Vec<Predictor<'a>>,
    from_model: Resampler,
}

impl<'a> Chain<'a> {
    fn new(player: &Player<'a>, file: SampleRate, model: SampleRate, n: usize) -> Result<Self> {
        let network = || Predictor::new(player.model, player.device, player.controls, &[]);
        Ok(Self {
            to_model: Resampler::new(file, model, n)?,
            networks: (0..n).map(|_| network()).collect(),
            from_model: Resampler::new(model, file, n)?,
        })
    }

    fn push(&mut self, block: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let empty = || vec![Vec::new(); self.networks.len()];
        let (mut dry, mut wet, mut out) = (empty(), empty(), empty());
        self.to_model.process(block, &mut dry)?;
        for ((network, dry), wet) in self.networks.iter_mut().zip(&dry).zip(&mut wet) {
            network.push(dry, wet);
        }
        self.from_model.process(&wet, &mut out)?;
        Ok(out)
    }

    fn finish(mut self) -> Result<Vec<Vec<f32>>> {
        let empty = || vec![Vec::new(); self.networks.len()];
        let (mut dry, mut wet, mut out) = (empty(), empty(), empty());
        self.to_model.finish(&mut dry)?;
        for ((mut network, dry), wet) in self.networks.drain(..).zip(&dry).zip(&mut wet) {
            network.push(dry, wet);
            network.finish(wet);
        }
        self.from_model.process(&wet, &mut out)?;
        self.from_model.finish(&mut out)?;
        Ok(out)
    }
}
