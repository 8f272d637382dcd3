//! Where a training run starts from when it does not start anew: the best weights of another
//! run, or a model file that is to be fine-tuned.

use crate::config::{self, Config};
use crate::device::{self, DeviceChoice};
use crate::formats::{self, Model};
use crate::models::{self, EffectModel};
use crate::progress::{Event, Observer};
use crate::training::run_dir::RunDir;
use anyhow::{Context, Result, bail};
use burn::module::Module;
use burn::tensor::Device;
use std::path::{Path, PathBuf};

/// What `--init-from` names.
pub(super) enum Start {
    /// A run.
    Run(RunDir),
    /// A model file.
    File { path: PathBuf, model: Box<Model> },
}

impl Start {
    /// Opens a run's folder or a model file.
    ///
    /// # Errors
    /// Neither is there.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if !path.is_file() {
            return Ok(Self::Run(RunDir::open(path)?));
        }
        let model = formats::read(path).with_context(|| path.display().to_string())?;
        Ok(Self::File {
            path: path.to_path_buf(),
            model: Box::new(model),
        })
    }

    /// The config at `path`, its `[model]` completed by a model file.
    ///
    /// # Errors
    /// As [`config::load`]; a file whose network cannot be trained here, or that `[model]`
    /// contradicts.
    pub(super) fn config(&self, path: &Path, overrides: &[String]) -> Result<Config> {
        let (file, model) = match self {
            Self::File { path, model } => (path, model),
            Self::Run(run) => {
                let mut config = config::load(path, overrides)?;
                config.model.take_output_scale(&run.config()?.model);
                return Ok(config);
            }
        };
        let device = device::select(DeviceChoice::Flex)?.device;
        match models::import(&model.network, &device) {
            Ok(imported) => Ok(config::load_onto(path, overrides, &imported.config)?),
            // Weights by name fit any network that has these names.
            Err(_) if !model.tensors.is_empty() => Ok(config::load(path, overrides)?),
            Err(error) => {
                Err(anyhow::Error::new(error).context(format!("--init-from {}", file.display())))
            }
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
        device: &Device,
        observer: &dyn Observer,
    ) -> Result<EffectModel> {
        let (path, file) = match self {
            Self::Run(run) => {
                return run
                    .load_best_into(model)
                    .context("--init-from needs a run with the same [model] and window_len");
            }
            Self::File { path, model } => (path, model),
        };
        let network = &file.network;
        let (theirs, ours) = (network.full().controls.len(), config.data.knobs().len());
        if theirs != ours {
            bail!(
                "--init-from {}: its network has {theirs} knobs, the training pairs name {ours}",
                path.display()
            );
        }
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
        let named = match models::import(network, device) {
            Ok(imported) => {
                return Ok(model.try_load_record(imported.model.into_record())?);
            }
            Err(_) => file.tensors.iter(),
        };
        let own = named.filter(|w| !w.name.starts_with(formats::safetensors::DESCRIBED));
        model.with_weights(own.cloned().collect()).map_err(|why| {
            anyhow::anyhow!(
                "--init-from {}: [model] builds another network: {why}",
                path.display()
            )
        })
    }
}
