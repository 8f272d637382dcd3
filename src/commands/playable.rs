//! Opens whatever holds a network: a run's folder, or a model file of any known format.
//!
//! Knows nothing of what is then done with it.

use crate::config::{Config, DataConfig, Knob};
use crate::device::{self, DeviceChoice};
use crate::formats::{self, Model};
use crate::models::EffectModel;
use crate::network::{Architecture, Control, Network};
use crate::training::run_dir::RunDir;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::Path;

/// A network and where it came from.
#[derive(Debug)]
pub struct Playable {
    /// What the engine plays.
    pub network: Network,
    /// What else is known of it.
    pub source: Source,
}

/// Where a network came from.
#[derive(Debug)]
pub enum Source {
    /// A training run: its best weights.
    Run(Box<Run>),
    /// A model file.
    File(Box<Model>),
}

/// A run that was loaded.
#[derive(Debug)]
pub struct Run {
    /// Its folder.
    pub folder: RunDir,
    /// Its resolved config.
    pub config: Config,
    /// Its network on the processor.
    pub model: EffectModel,
}

impl Playable {
    /// Opens a run's folder or a model file.
    ///
    /// # Errors
    /// Neither is there, the run has no weights, or the file uses something unknown.
    pub fn open(path: &Path) -> Result<Self> {
        if path.is_file() {
            let model = formats::read(path).with_context(|| path.display().to_string())?;
            return Ok(Self {
                network: model.network.clone(),
                source: Source::File(Box::new(model)),
            });
        }
        if !path.exists() {
            bail!(
                "{}: no such run or model file; `effigy runs` lists runs",
                path.display()
            );
        }
        let folder = RunDir::open(path)?;
        let (model, config) = folder.load_best(&device::select(DeviceChoice::Flex)?.device)?;
        Ok(Self {
            network: describe(&folder, &model, &config)?,
            source: Source::Run(Box::new(Run {
                folder,
                config,
                model,
            })),
        })
    }

    /// The run, where it came from one.
    pub fn run(&self) -> Option<&Run> {
        match &self.source {
            Source::Run(run) => Some(run),
            Source::File(_) => None,
        }
    }

    /// Puts the size that players use at `size` (0 smallest, 1 full) of a slimmable network in
    /// its place.
    ///
    /// # Errors
    /// The network has one size only, or `size` is not between 0 and 1.
    pub fn resize(&mut self, size: f64) -> Result<()> {
        if !(0.0..=1.0).contains(&size) {
            bail!("--size {size} is not between 0 (smallest) and 1 (full)");
        }
        let Architecture::Slimmable(slimmable) = &self.network.architecture else {
            bail!(
                "--size {size}: this is a {} of one size; leave --size out",
                self.network.family()
            );
        };
        if let Some(chosen) = slimmable.select(size) {
            self.network = chosen.clone();
        }
        Ok(())
    }
}

/// A run's network as numbers.
///
/// # Errors
/// The run's config names no rate.
pub fn describe(folder: &RunDir, model: &EffectModel, config: &Config) -> Result<Network> {
    let rate = config.data.sample_rate.with_context(|| {
        format!(
            "{}: names no data.sample_rate; add the rate of the recordings it learned from",
            folder.file("config.toml").display()
        )
    })?;
    Ok(model.describe(rate, controls(&config.data)))
}

/// The knobs of a run, by default in the middle of what was learned.
pub fn controls(data: &DataConfig) -> Vec<Control> {
    let control = |knob: Knob| Control {
        default: 0.5 * (knob.min + knob.max),
        name: knob.name,
        min: knob.min,
        max: knob.max,
    };
    data.knobs().into_iter().map(control).collect()
}

/// Positions of the knobs in their order; those that are not `given` stand at their defaults.
///
/// # Errors
/// A name that is no knob of the network, a value that is no number.
pub fn positions(controls: &[Control], given: &BTreeMap<String, f32>) -> Result<Vec<f32>> {
    for (name, value) in given {
        if !controls.iter().any(|control| control.name == *name) {
            let names: Vec<&str> = controls.iter().map(|c| c.name.as_str()).collect();
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
    let value = |control: &Control| given.get(&control.name).copied().unwrap_or(control.default);
    Ok(controls.iter().map(value).collect())
}
