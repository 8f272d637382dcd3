//! Where a training run starts from when it does not start anew: the best weights of another
//! run, or a model file that is to be fine-tuned.

use crate::config::{self, Config, ModelConfig};
use crate::device::{self, DeviceChoice};
use crate::formats::{self, Model};
use crate::models::{self, EffectModel, Imported};
use crate::network::{DescriptionError, KnobRange};
use crate::playing::Playable;
use crate::playing::playable::{Run, Source};
use crate::progress::{Event, Observer};
use anyhow::{Context, Result, anyhow, bail, ensure};
use burn::module::Module;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What `--init-from` names, opened.
pub(super) enum Start {
    /// A run.
    Run(Box<Run>),
    /// A model file.
    File {
        path: PathBuf,
        model: Box<Model>,
        /// As far as it can be trained here.
        imported: Result<Box<Imported>, DescriptionError>,
    },
}

/// What a recurrent network does with the dry sound, which its weights do not tell.
fn dry_in(model: &ModelConfig) -> Option<(bool, bool)> {
    match model {
        ModelConfig::Lstm(settings) | ModelConfig::Gru(settings) => {
            Some((settings.skip, settings.gain))
        }
        _ => None,
    }
}

/// Says of knobs that what was learned and what is to be learned from hear other numbers as 0 and 1.
fn other_numbers(theirs: &BTreeMap<String, KnobRange>, config: &Config, observer: &dyn Observer) {
    if *theirs != config.data.knob_ranges {
        observer.event(Event::Warning(
            "--init-from: its knobs have other data.knob_ranges: each stands elsewhere until it has learned \
             again",
        ));
    }
}

impl Start {
    /// Opens a run's folder or a model file.
    ///
    /// # Errors
    /// Neither is there.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let device = device::select(DeviceChoice::Flex)?.device;
        match Playable::open(path)?.source {
            Source::Run(run) => Ok(Self::Run(run)),
            Source::File(model) => Ok(Self::File {
                path: path.to_path_buf(),
                imported: models::import(&model.network, &device).map(Box::new),
                model,
            }),
            Source::Baseline(_) => bail!("{}: a saved baseline holds no network", path.display()),
        }
    }

    /// The config at `path`, its `[model]` completed by a model file.
    ///
    /// # Errors
    /// As [`config::load`]; a file whose network cannot be trained here, or that `[model]`
    /// contradicts.
    pub(super) fn config(&self, path: &Path, overrides: &[String]) -> Result<Config> {
        match self {
            Self::Run(run) => {
                let mut config = config::load(path, overrides)?;
                config
                    .model
                    .take_output_scale(run.config.model.output_scale());
                Ok(config)
            }
            Self::File {
                imported: Ok(imported),
                ..
            } => Ok(config::load_onto(path, overrides, &imported.config)?),
            // Weights by name fit any network that has these names.
            Self::File { model, .. } if !model.tensors.is_empty() => {
                Ok(config::load(path, overrides)?)
            }
            Self::File {
                path,
                imported: Err(error),
                ..
            } => Err(anyhow::Error::new(error.clone())
                .context(format!("--init-from {}", path.display()))),
        }
    }

    /// `model`, which was built from `config`, with the weights to start from.
    ///
    /// # Errors
    /// The weights are those of another network.
    pub(super) fn fill(
        &self,
        model: EffectModel,
        config: &Config,
        observer: &dyn Observer,
    ) -> Result<EffectModel> {
        let (path, file, imported) = match self {
            Self::Run(run) => {
                ensure!(
                    dry_in(&run.config.model) == dry_in(&config.model),
                    "--init-from needs a run with the same [model]; its model.skip or model.gain is another"
                );
                other_numbers(&run.config.data.knob_ranges, config, observer);
                return run
                    .folder
                    .load_best_into(model)
                    .context("--init-from needs a run with the same [model] and window_len");
            }
            Self::File {
                path,
                model,
                imported,
            } => (path, model, imported),
        };
        let network = &file.network;
        let (theirs, ours) = (network.full().controls.len(), config.data.knobs().len());
        if theirs != ours {
            bail!(
                "--init-from {}: its network has {theirs} knobs, the training pairs name {ours}",
                path.display()
            );
        }
        let (theirs, ours) = (network.full().audio_channels, config.data.audio_channels());
        if theirs != ours {
            bail!(
                "--init-from {}: its network is {theirs}, the training pairs are {ours}",
                path.display()
            );
        }
        let controls = network.full().controls.iter();
        let ranges = controls.filter_map(|c| Some((c.name.clone(), c.range?)));
        other_numbers(&ranges.collect(), config, observer);
        if config.data.sample_rate != Some(network.sample_rate) {
            let warning = format!(
                "{} was trained at {} Hz, the recordings have {} Hz: every filter in it is out of \
                 tune until it has learned again",
                path.display(),
                network.sample_rate,
                config.data.sample_rate.unwrap_or_default()
            );
            observer.event(Event::Warning(&warning));
        }
        if let Ok(imported) = imported {
            let record = imported.model.clone().into_record();
            return Ok(model.try_load_record(record)?);
        }
        let named = file.tensors.iter();
        let own = named.filter(|w| !w.name.starts_with(formats::safetensors::DESCRIBED));
        model.with_weights(own.cloned().collect()).map_err(|why| {
            anyhow!(
                "--init-from {}: [model] builds another network: {why}",
                path.display()
            )
        })
    }
}
