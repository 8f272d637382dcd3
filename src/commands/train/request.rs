//! What `effigy train` is asked for. Knows nothing of training.

use crate::config::{Budget, Config, Player};
use std::path::{Path, PathBuf};

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
    /// auto (times a few steps on the processor and on every GPU, and takes the fastest), flex, ndarray,
    /// wgpu[:n] or cuda[:n]; several, such as wgpu:0,wgpu:1, share every batch [default: the config's]
    #[arg(long)]
    pub device: Option<String>,
    /// Race several networks first, in this time altogether ("5m") or as many optimiser steps ("20000
    /// steps"), and train the best to the end; short for --set search.budget=5m
    #[arg(long, value_name = "TIME")]
    pub budget: Option<Budget>,
    /// Race only networks that this player can play; short for --set search.for=nam
    #[arg(long = "for", value_name = "any|nam|aidax")]
    pub player: Option<Player>,
    /// Leave the run without a report.html
    #[arg(long)]
    pub no_report: bool,
    /// Exit with code 1 unless the test ESR is at most this
    #[arg(long, value_name = "ESR")]
    pub require_esr: Option<f64>,
    /// Write curves for TensorBoard into the run's folder, too
    #[arg(long)]
    pub tensorboard: bool,
    /// The config itself, complete, in place of a file of it.
    #[arg(skip)]
    pub resolved: Option<Box<Config>>,
    /// Where the run's folder will stand once all is done, for its report to tell.
    #[arg(skip)]
    pub stands: Option<PathBuf>,
}

impl Request {
    /// The same for one config of several.
    pub(super) fn with(&self, config: &Path) -> Self {
        Self {
            configs: Vec::new(),
            config: Some(config.to_path_buf()),
            ..self.clone()
        }
    }

    /// The one config; may be left out when resuming a run.
    pub(super) fn config(&self) -> Option<&PathBuf> {
        self.config.as_ref().or(self.configs.first())
    }

    /// `a.b=c`, applied to the config in order.
    pub(super) fn overrides(&self) -> Vec<String> {
        let mut overrides = self.overrides.clone();
        overrides.extend(self.seed.map(|seed| format!("seed={seed}")));
        overrides.extend(
            self.budget
                .map(|budget| format!("search.budget=\"{budget}\"")),
        );
        overrides.extend(self.player.map(|player| format!("search.for={player}")));
        if !self.freeze.is_empty() {
            overrides.push(format!("training.freeze={:?}", self.freeze));
        }
        overrides
    }
}
