//! Opens whatever can be played: the network of a run, a model file of any known format, a
//! baseline that was saved or has just been fitted.
//!
//! Knows nothing of what is then done with it.

use super::controls;
use crate::audio::range::LevelRange;
use crate::audio::{AudioChannels, SampleRate};
use crate::config::{Config, Polarity};
use crate::data::pair::Reach;
use crate::device::{self, DeviceChoice};
use crate::formats::{self, Model};
use crate::models::{self, EffectModel, Imported};
use crate::network::{
    Architecture, Control, Conv1d, DescriptionError, KnobRange, Layer, Modulated, Network,
    Sequential, Weights, settling_samples,
};
use crate::regress::baseline::{Baseline, SavedBaseline};
use crate::training::run_dir::RunDir;
use crate::training::run_report::RunReport;
use crate::training::{evaluate, modulation};
use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Something that predicts wet sound from dry sound.
#[derive(Debug)]
pub struct Playable {
    /// The run's folder name, the baseline's name, or the file's stem.
    pub name: String,
    /// The run's folder or the model's file, where there is one.
    pub path: Option<PathBuf>,
    /// What it is.
    pub source: Source,
    /// Wall time of all epochs, or of a baseline's fit, where it is known.
    pub training_seconds: Option<f64>,
}

/// What it is.
#[derive(Debug)]
pub enum Source {
    /// A training run: its best weights.
    Run(Box<Run>),
    /// A model file.
    File(Box<Model>),
    /// A classical model.
    Baseline(Box<SavedBaseline>),
}

/// A run that was loaded.
#[derive(Debug)]
pub struct Run {
    /// Its folder.
    pub folder: RunDir,
    /// Its resolved config.
    pub config: Config,
    /// Its network.
    pub model: EffectModel,
    /// Where burn computes it.
    pub device: Device,
    /// Whether its predictions are burn's, on `device`, and not those of the engine, which plays it
    /// everywhere else.
    pub by_burn: bool,
}

impl Playable {
    /// Opens a run's folder, a model file, or a baseline that `effigy baseline` saved.
    ///
    /// # Errors
    /// None of them is there, the run has no weights, or the file uses something unknown.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.exists() {
            bail!(
                "{}: no such run or model file; `effigy runs` lists runs",
                path.display()
            );
        }
        if !path.is_file() {
            let device = device::select(DeviceChoice::Flex)?.device;
            return Self::of_run(RunDir::open(path)?, &device);
        }
        if SavedBaseline::recognises(path) {
            let saved = SavedBaseline::load(path)?;
            return Ok(Self {
                name: saved.baseline.to_string(),
                path: Some(path.to_path_buf()),
                source: Source::Baseline(Box::new(saved)),
                training_seconds: None,
            });
        }
        let model = formats::read(path)?;
        let stem = path.file_stem().unwrap_or(path.as_os_str());
        Ok(Self {
            name: stem.to_string_lossy().into_owned(),
            path: Some(path.to_path_buf()),
            source: Source::File(Box::new(model)),
            training_seconds: None,
        })
    }

    /// A run's best weights, to compute on `device`.
    ///
    /// # Errors
    /// The run has no weights, or its log is damaged.
    pub fn of_run(folder: RunDir, device: &Device) -> Result<Self> {
        let (model, config) = folder.load_best(device)?;
        Ok(Self {
            name: folder.name(),
            path: Some(folder.path().to_path_buf()),
            training_seconds: Some(folder.metrics()?.iter().map(|row| row.seconds).sum()),
            source: Source::Run(Box::new(Run {
                folder,
                config,
                model,
                device: device.clone(),
                by_burn: false,
            })),
        })
    }

    /// The levels of dry that it learned from, where that is known.
    ///
    /// # Errors
    /// A run whose report is damaged.
    pub fn heard(&self) -> Result<Option<LevelRange>> {
        match self.run() {
            Some(run) => Ok(RunReport::read(&run.folder)?.and_then(|report| report.heard)),
            None => Ok(None),
        }
    }

    /// The latency that was removed from all recordings that it learned from, in samples, where that is
    /// known and one.
    ///
    /// # Errors
    /// A run whose report is damaged.
    pub fn latency(&self) -> Result<Option<i64>> {
        let Some(run) = self.run() else {
            return Ok(None);
        };
        let report = RunReport::read(&run.folder)?;
        let all = report.iter().flat_map(|report| &report.latencies);
        let mut all = all.map(|found| found.latency_samples);
        let first = all.next();
        Ok(first.filter(|first| all.all(|other| other == *first)))
    }

    /// This, a run's network predicting where `choice` says: on the processor it is played by
    /// the engine, as files and baselines are whatever it says.
    ///
    /// # Errors
    /// The device is not there.
    pub fn on(mut self, choice: DeviceChoice) -> Result<Self> {
        let by_burn = !matches!(choice, DeviceChoice::Auto | DeviceChoice::Flex);
        if let Source::Run(run) = &mut self.source
            && by_burn
        {
            let device = device::select(choice)?.device;
            run.model = run.folder.load_best(&device)?.0;
            run.device = device;
            run.by_burn = true;
        }
        Ok(self)
    }

    /// A baseline that was just fitted, in so many seconds, on recordings of that rate.
    pub fn fitted(baseline: Baseline, rate: SampleRate, seconds: f64) -> Self {
        Self {
            name: baseline.to_string(),
            path: None,
            source: Source::Baseline(Box::new(SavedBaseline {
                sample_rate_hz: rate.hz(),
                baseline,
            })),
            training_seconds: Some(seconds),
        }
    }

    /// Its path, or its name where it has none, for people.
    pub fn place(&self) -> String {
        let path = self.path.as_ref();
        path.map_or_else(|| self.name.clone(), |path| path.display().to_string())
    }

    /// The run, where it is one.
    pub fn run(&self) -> Option<&Run> {
        match &self.source {
            Source::Run(run) => Some(run),
            Source::File(_) | Source::Baseline(_) => None,
        }
    }

    /// What a model file holds, where it is one.
    pub fn file(&self) -> Option<&Model> {
        match &self.source {
            Source::File(model) => Some(model),
            Source::Run(_) | Source::Baseline(_) => None,
        }
    }

    /// The config of a run.
    pub fn config(&self) -> Option<&Config> {
        self.run().map(|run| &run.config)
    }

    /// What was done to an inverted wet side in training.
    pub fn polarity(&self) -> Polarity {
        self.config()
            .map_or(Polarity::default(), |c| c.data.polarity)
    }

    /// Channels of sound that it hears and makes at once.
    pub fn audio_channels(&self) -> AudioChannels {
        match &self.source {
            Source::Run(run) => run.model.audio_channels(),
            Source::File(model) => model.network.full().audio_channels,
            Source::Baseline(saved) => saved.baseline.audio_channels(),
        }
    }

    /// Whether it is a network and not a baseline.
    pub fn is_network(&self) -> bool {
        !matches!(self.source, Source::Baseline(_))
    }

    /// Whether it moves by a clock of its own.
    pub fn moves(&self) -> bool {
        match &self.source {
            Source::Run(run) => run.model.modulated().is_some(),
            Source::File(model) => model.network.modulated().is_some(),
            Source::Baseline(_) => false,
        }
    }

    /// The network as numbers, in all its sizes.
    ///
    /// # Errors
    /// A baseline that is no filter has none; a run's config names no rate.
    pub fn network(&self) -> Result<Network> {
        match &self.source {
            Source::Run(run) => {
                let rate = run.config.data.sample_rate.with_context(|| {
                    format!(
                        "{}: names no data.sample_rate; add the rate of the recordings it \
                         learned from",
                        run.folder.file("config.toml").display()
                    )
                })?;
                Ok(run.model.describe(rate, self.controls()))
            }
            Source::File(model) => Ok(model.network.clone()),
            Source::Baseline(saved) => linear(saved).with_context(|| {
                format!(
                    "{}: a saved baseline that is no filter holds no network; infer, evaluate and \
                     compare take it",
                    self.place()
                )
            }),
        }
    }

    /// The network in all its sizes as one that can be trained, and the config that builds it:
    /// from a file on `device`, of a run where it computes.
    ///
    /// # Errors
    /// Names what can only be played, not trained here.
    pub fn trainable(&self, device: &Device) -> Result<Imported, DescriptionError> {
        match &self.source {
            Source::Run(run) => Ok(Imported {
                model: run.model.clone(),
                config: run.config.model.clone(),
            }),
            Source::File(model) => models::import(&model.network, device),
            Source::Baseline(_) => Err(DescriptionError::invalid(
                self.name.as_str(),
                "is a baseline, no network",
            )),
        }
    }

    /// The weights by the names they have in training; none where the network can only be
    /// played.
    ///
    /// # Errors
    /// The processor cannot be had.
    pub fn weights(&self) -> Result<Vec<Weights>> {
        if let Some(model) = self.file().filter(|model| !model.tensors.is_empty()) {
            return Ok(model.tensors.clone());
        }
        let device = device::select(DeviceChoice::Flex)?.device;
        let trainable = self.trainable(&device);
        Ok(trainable.map_or(Vec::new(), |trainable| trainable.model.weights()))
    }

    /// The rate it was made for.
    pub fn sample_rate(&self) -> Option<SampleRate> {
        let hz = match &self.source {
            Source::Run(run) => run.config.data.sample_rate?,
            Source::File(model) => model.network.sample_rate,
            Source::Baseline(saved) => saved.sample_rate_hz,
        };
        SampleRate::new(hz)
    }

    /// Refuses recordings of another rate.
    ///
    /// # Errors
    /// Names both rates.
    pub fn check_rate(&self, recordings: SampleRate) -> Result<()> {
        match self.sample_rate() {
            Some(rate) if rate != recordings => bail!(
                "{} was made for {rate}, the recordings have {recordings}; convert them first",
                self.name
            ),
            _ => Ok(()),
        }
    }

    /// Its knobs.
    pub fn controls(&self) -> Vec<Control> {
        match &self.source {
            Source::Run(run) => match run.model.modulated() {
                Some(modulated) => Modulated::controls(modulated.has_second()),
                None => controls::of_config(&run.config.data),
            },
            Source::File(model) => model.network.controls.clone(),
            Source::Baseline(_) => Vec::new(),
        }
    }

    /// The numbers of its knobs at which it hears 0 and 1, where they are others.
    pub fn knob_ranges(&self) -> BTreeMap<String, KnobRange> {
        let knobs = self.controls().into_iter();
        knobs.filter_map(|c| Some((c.name, c.range?))).collect()
    }

    /// Of each knob that shows more or less than was learned from, what to say of that. What moves by
    /// itself has no such bounds.
    pub fn beyond(&self, given: &BTreeMap<String, f32>) -> Vec<String> {
        match self.moves() {
            true => Vec::new(),
            false => controls::beyond(&self.controls(), given),
        }
    }

    /// What its knobs show, by name, those not `given` in their middle or default position.
    ///
    /// # Errors
    /// A knob it has not, or a value that is no number.
    pub fn positions(&self, given: &BTreeMap<String, f32>) -> Result<BTreeMap<String, f32>> {
        let knobs = self.controls();
        let positions = controls::positions(&knobs, given).with_context(|| self.name.clone())?;
        let shown = knobs.into_iter().zip(positions);
        Ok(shown
            .map(|(c, heard)| (c.name.clone(), c.number(heard)))
            .collect())
    }

    /// How far it listens around an output sample.
    pub fn reach(&self) -> Reach {
        match &self.source {
            Source::Run(run) => evaluate::reach(&run.model),
            Source::Baseline(saved) => Reach {
                context: saved.baseline.receptive_field() - 1,
                ..Reach::default()
            },
            Source::File(model) => reach(&model.network),
        }
    }
}

/// A gain or a filter as a network.
fn linear(saved: &SavedBaseline) -> Option<Network> {
    let oldest_first =
        |taps: &[f64]| -> Vec<f32> { taps.iter().rev().map(|&tap| tap as f32).collect() };
    let audio = saved.baseline.audio_channels();
    let weight: Vec<f32> = match &saved.baseline {
        Baseline::Gain { gain } => vec![*gain as f32],
        Baseline::Fir { taps, .. } => oldest_first(taps),
        Baseline::Stereo { filters, .. } => {
            let each = filters.iter().flatten();
            each.flat_map(|taps| oldest_first(taps)).collect()
        }
        _ => return None,
    };
    let filter = Conv1d {
        kernel_size: weight.len() / (audio.dry * audio.wet),
        ..Conv1d::dense(audio.dry, audio.wet, weight, Vec::new())
    };
    let sequence = Sequential {
        input_channels: audio.dry,
        layers: vec![Layer::Conv1d(filter)],
    };
    let architecture = Architecture::Sequential(sequence);
    Some(Network {
        audio_channels: audio,
        ..Network::new(architecture, saved.sample_rate_hz)
    })
}

fn reach(network: &Network) -> Reach {
    let lookahead = network.latency_samples();
    let memory = match network.receptive_field() {
        Some(receptive_field) => receptive_field - 1,
        None => settling_samples(network.sample_rate),
    };
    let reach = Reach {
        context: memory.saturating_sub(lookahead),
        lookahead,
        ..Reach::default()
    };
    match network.modulated() {
        Some(_) => modulation::reach(reach),
        None => reach,
    }
}

/// The size that players use at `size` (0 smallest, 1 full) of a slimmable network.
///
/// # Errors
/// The network has one size only, or `size` is not between 0 and 1.
pub fn sized(network: &Network, size: f64) -> Result<Network> {
    if !(0.0..=1.0).contains(&size) {
        bail!("--size {size} is not between 0 (smallest) and 1 (full)");
    }
    let Architecture::Slimmable(slimmable) = &network.architecture else {
        bail!(
            "--size {size}: this is a {} of one size; leave --size out",
            network.family()
        );
    };
    Ok(slimmable.select(size).unwrap_or(network).clone())
}
