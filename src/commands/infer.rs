//! Plays new audio through a network, block by block, in bounded memory: on the streaming engine
//! with all cores, or, when asked to, on one of burn's devices.

use super::playable::{self, Playable, Source};
use crate::audio::decode::AudioReader;
use crate::audio::encode::AudioWriter;
use crate::audio::{SampleFormat, SampleRate};
use crate::device::{self, DeviceChoice};
use crate::dsp::resample::Resampler;
use crate::engine::{Engine, OfflinePlayer};
use crate::models::predict::Predictor;
use crate::models::{self, EffectModel};
use crate::network::Network;
use crate::progress::{Event, Observer};
use crate::regress::baseline::{self, Baseline, SavedBaseline};
use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What to play, and where the result goes.
#[derive(Clone, Debug)]
pub struct InferRequest {
    /// The run whose best weights are used, a model file, or a saved baseline.
    pub model: PathBuf,
    /// Sound files of any rate and any number of channels.
    pub inputs: Vec<PathBuf>,
    /// A `.wav` file for a single input, else a folder.
    pub output: PathBuf,
    /// Sample format; absent: the input's.
    pub format: Option<SampleFormat>,
    /// Frames read at a time.
    pub block_len: usize,
    /// Which size of a slimmable network plays, 0 the smallest to 1 the full one; absent: the
    /// full one.
    pub size: Option<f64>,
    /// [`ENGINE`], or where burn is to compute.
    pub device: String,
    /// Where the knobs stand; those not named stand in the middle of what was learned.
    pub controls: BTreeMap<String, f32>,
}

/// The streaming engine, as the value of `--device`.
pub const ENGINE: &str = "engine";

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct InferOutcome {
    /// The run's folder or the model file.
    pub model: PathBuf,
    /// What played: the engine or one of burn's devices.
    pub device: String,
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
    let opened = Opened::open(request)?;
    let mut files = Vec::new();
    for (input, output) in request.inputs.iter().zip(targets) {
        let player = Player {
            opened: &opened,
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
        model: request.model.clone(),
        device: opened.device,
        seconds: started.elapsed().as_secs_f64(),
        files,
    })
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

/// What plays, ready for any number of channels.
struct Opened {
    backend: Backend,
    /// Its name.
    device: String,
    /// The rate it was made for.
    rate: Option<SampleRate>,
    /// Where the knobs stand.
    controls: Vec<f32>,
}

/// What computes.
enum Backend {
    Engine(Box<Network>),
    Burn {
        model: Box<EffectModel>,
        device: Device,
        /// Zeros that a memory hears first, as on the engine.
        silence: usize,
    },
    Baseline(Baseline),
}

impl Opened {
    /// A run, a model file or a saved baseline.
    fn open(request: &InferRequest) -> Result<Self> {
        if SavedBaseline::recognises(&request.model) {
            return Self::baseline(request);
        }
        let mut playable = Playable::open(&request.model)?;
        if let Some(size) = request.size {
            playable.resize(size)?;
        }
        let network = &playable.network;
        let controls = playable::positions(&network.controls, &request.controls)?;
        let rate = SampleRate::new(network.sample_rate);
        let (backend, device) = match request.device.as_str() {
            ENGINE => (
                Backend::Engine(Box::new(network.clone())),
                ENGINE.to_string(),
            ),
            name => burn(&playable, request.size, name)?,
        };
        Ok(Self {
            backend,
            device,
            rate,
            controls,
        })
    }

    fn baseline(request: &InferRequest) -> Result<Self> {
        let saved = SavedBaseline::load(&request.model)?;
        let controls = playable::positions(&[], &request.controls)?;
        if request.size.is_some() || request.device != ENGINE {
            bail!(
                "{}: a saved baseline has one size and plays on the processor; leave --size and \
                 --device out",
                request.model.display()
            );
        }
        Ok(Self {
            backend: Backend::Baseline(saved.baseline),
            device: "processor".to_string(),
            rate: SampleRate::new(saved.sample_rate_hz),
            controls,
        })
    }
}

/// The network on one of burn's devices, and the device's name.
fn burn(playable: &Playable, size: Option<f64>, name: &str) -> Result<(Backend, String)> {
    let choice: DeviceChoice = name
        .parse()
        .map_err(|e| anyhow::anyhow!("{e}; or {ENGINE}, which is the default"))?;
    let selected = device::select(choice)?;
    // A size that was chosen is a network of its own.
    let model = match &playable.source {
        Source::Run(run) if size.is_none() => run.folder.load_best(&selected.device)?.0,
        _ => {
            let imported = models::import(&playable.network, &selected.device);
            imported
                .with_context(|| format!("on {}; leave --device out", selected.id))?
                .model
        }
    };
    let silence = match model.receptive_field() {
        Some(_) => 0,
        None => Engine::new(&playable.network)?.prewarm_samples(),
    };
    let backend = Backend::Burn {
        model: Box::new(model),
        device: selected.device,
        silence,
    };
    Ok((backend, selected.id))
}

struct Player<'a> {
    opened: &'a Opened,
    observer: &'a dyn Observer,
}

impl Player<'_> {
    fn play(&self, input: &Path, output: &Path, request: &InferRequest) -> Result<InferredFile> {
        let mut reader = AudioReader::open(input)?;
        let (file_rate, channels) = (reader.sample_rate(), reader.channel_count());
        let rate = self.opened.rate.unwrap_or(file_rate);
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
    networks: Networks<'a>,
    from_model: Resampler,
    channels: usize,
}

/// The model, once per channel, without latency: out comes as much as goes in.
enum Networks<'a> {
    Engine(OfflinePlayer),
    Burn(Vec<Predictor<'a>>),
    Baseline(Vec<baseline::Player>),
}

impl<'a> Networks<'a> {
    fn new(opened: &'a Opened, channels: usize) -> Result<Self> {
        let controls = &opened.controls;
        Ok(match &opened.backend {
            Backend::Engine(network) => {
                let mut offline = OfflinePlayer::new(network, channels)?;
                offline.set_controls(controls)?;
                Self::Engine(offline)
            }
            Backend::Burn {
                model,
                device,
                silence,
            } => {
                let silence = vec![0.0; *silence];
                let network = |_| Predictor::new(model, device, controls, &silence);
                Self::Burn((0..channels).map(network).collect())
            }
            Backend::Baseline(baseline) => {
                let player = |_| baseline::Player::new(baseline);
                Self::Baseline((0..channels).map(player).collect())
            }
        })
    }

    fn push(&mut self, dry: &[Vec<f32>], wet: &mut [Vec<f32>]) {
        match self {
            Self::Engine(offline) => offline.push(dry, wet),
            Self::Burn(networks) => {
                for ((network, dry), wet) in networks.iter_mut().zip(dry).zip(wet) {
                    network.push(dry, wet);
                }
            }
            Self::Baseline(players) => {
                for ((player, dry), wet) in players.iter_mut().zip(dry).zip(wet) {
                    player.push(dry, wet);
                }
            }
        }
    }

    fn finish(self, wet: &mut [Vec<f32>]) {
        match self {
            Self::Engine(offline) => offline.finish(wet),
            Self::Burn(networks) => {
                for (network, wet) in networks.into_iter().zip(wet) {
                    network.finish(wet);
                }
            }
            Self::Baseline(players) => {
                for (mut player, wet) in players.into_iter().zip(wet) {
                    player.finish(wet);
                }
            }
        }
    }
}

impl<'a> Chain<'a> {
    fn new(player: &Player<'a>, file: SampleRate, model: SampleRate, n: usize) -> Result<Self> {
        Ok(Self {
            to_model: Resampler::new(file, model, n)?,
            networks: Networks::new(player.opened, n)?,
            from_model: Resampler::new(model, file, n)?,
            channels: n,
        })
    }

    fn push(&mut self, block: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let empty = || vec![Vec::new(); self.channels];
        let (mut dry, mut wet, mut out) = (empty(), empty(), empty());
        self.to_model.process(block, &mut dry)?;
        self.networks.push(&dry, &mut wet);
        self.from_model.process(&wet, &mut out)?;
        Ok(out)
    }

    fn finish(mut self) -> Result<Vec<Vec<f32>>> {
        let empty = || vec![Vec::new(); self.channels];
        let (mut dry, mut wet, mut out) = (empty(), empty(), empty());
        self.to_model.finish(&mut dry)?;
        self.networks.push(&dry, &mut wet);
        self.networks.finish(&mut wet);
        self.from_model.process(&wet, &mut out)?;
        self.from_model.finish(&mut out)?;
        Ok(out)
    }
}
