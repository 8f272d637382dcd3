//! Loss, optimiser, schedule and length of training.

use super::error::{ConfigError, check_range};
use super::{ModelConfig, WindowConfig};
use serde::{Deserialize, Serialize};

/// The `[loss]` table: weights of the terms that are added up. Absent altogether: ESR alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// Mean squared error.
    pub mse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Error-to-signal ratio of the batch, Σ(wet−p)² / Σ wet². Scale-free, so one learning
    /// rate serves quiet and loud recordings.
    pub esr: f64,
    /// Squared mean error over mean squared wet: a constant offset.
    pub dc: f64,
    /// Mean of log cosh(wet − p): quadratic near zero, linear far from it.
    pub log_cosh: f64,
    /// Mean squared error after pre-emphasis, x[t] − `pre_emphasis`·x[t−1], on both sides: treble
    /// weighs as much as it is heard.
    pub pre_emphasised_mse: f64,
    /// ESR after pre-emphasis.
    pub pre_emphasised_esr: f64,
    /// Multi-resolution STFT: spectral convergence and log magnitude at FFT lengths 1024, 2048
    /// and 512. Deaf to the sign: never use it alone.
    pub multi_resolution_stft: f64,
    /// The same after pre-emphasis, as in the field's WaveNet recipes.
    pub pre_emphasised_multi_resolution_stft: f64,
    /// Coefficient of the pre-emphasis.
    pub pre_emphasis: f64,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            mse: 0.0,
            mae: 0.0,
            esr: 1.0,
            dc: 0.0,
            log_cosh: 0.0,
            pre_emphasised_mse: 0.0,
            pre_emphasised_esr: 0.0,
            multi_resolution_stft: 0.0,
            pre_emphasised_multi_resolution_stft: 0.0,
            pre_emphasis: 0.85,
        }
    }
}

impl LossConfig {
    /// The shortest window that the multi-resolution STFT can be taken of: the longest FFT's
    /// half is mirrored at the edges.
    pub const STFT_WINDOW_LEN: usize = 1025;

    /// Names and weights of all terms.
    pub fn terms(&self) -> [(&'static str, f64); 9] {
        [
            ("mse", self.mse),
            ("mae", self.mae),
            ("esr", self.esr),
            ("dc", self.dc),
            ("log_cosh", self.log_cosh),
            ("pre_emphasised_mse", self.pre_emphasised_mse),
            ("pre_emphasised_esr", self.pre_emphasised_esr),
            ("multi_resolution_stft", self.multi_resolution_stft),
            (
                "pre_emphasised_multi_resolution_stft",
                self.pre_emphasised_multi_resolution_stft,
            ),
        ]
    }

    /// `step`: the key that says how many samples one loss is taken of, and its value.
    pub(super) fn check(&self, step: (&str, usize)) -> Result<(), ConfigError> {
        check_range("loss.pre_emphasis", self.pre_emphasis, 0.0, 1.0)?;
        let stft = self.multi_resolution_stft + self.pre_emphasised_multi_resolution_stft;
        // One sample more: pre-emphasis shortens the window by one.
        let (key, len) = step;
        if stft > 0.0 && len <= Self::STFT_WINDOW_LEN {
            let allowed = format!("more than {} with an STFT loss", Self::STFT_WINDOW_LEN);
            return Err(ConfigError::value(key, len, allowed));
        }
        for (name, weight) in self.terms() {
            check_range(&format!("loss.{name}"), weight, 0.0, 1e9)?;
        }
        let sum: f64 = self.terms().iter().map(|(_, weight)| weight).sum();
        if sum > 0.0 {
            return Ok(());
        }
        Err(ConfigError::value(
            "loss",
            "all weights 0",
            "one weight above 0",
        ))
    }
}

/// The `[training]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Passes over all windows.
    pub epochs: usize,
    /// Windows per optimiser step.
    pub batch_size: usize,
    /// Output samples of a window per optimiser step, for networks with memory: a window is
    /// then walked through in steps of this many, the memory carried from one to the next.
    /// Divides `windows.window_len`. Absent: one step for the whole window.
    pub step_len: Option<usize>,
    /// `adam`, `adam-w` or `sgd`.
    pub optimiser: Optimiser,
    /// Largest learning rate of the schedule.
    pub learning_rate: f64,
    /// How the learning rate moves.
    pub schedule: Schedule,
    /// Steps over which the learning rate rises linearly from zero.
    pub warm_up_steps: usize,
    /// L2 penalty: this times the weight is added to the gradient (for `adam-w`: decoupled).
    /// Kernels only, never biases, scales or shifts.
    pub weight_decay: f64,
    /// Largest global norm of all gradients together; absent: no clipping.
    pub clip_norm: Option<f64>,
    /// Decay per step of an exponential moving average of the weights, such as 0.999; the
    /// average is what is validated, kept and tested. Absent: the newest weights are.
    pub average: Option<f64>,
    /// One window in this many begins with a memory of random content instead of silence's, for networks
    /// with memory: so that the network finds back from wherever a sound may lead it. For effects that
    /// remember no longer than a window's warm-up. Absent: none.
    pub stray_starts: Option<usize>,
    /// Learns what lies below the recorded levels, down to silence, from a chain of filters and
    /// clippers that is fitted to the recordings first. For effects that answer silence with silence.
    pub downward: bool,
    /// Trains as if the wet training spans together had this RMS level in dBFS, so that one
    /// recipe serves quiet and loud recordings. Losses see both sides scaled, and a WaveNet's
    /// output starts at the recording's own level; predictions and exports keep that level.
    pub target_level_dbfs: Option<f64>,
    /// Epochs without a better validation ESR after which training stops; absent: never.
    pub patience: Option<usize>,
    /// Layers that keep their weights (prefixes of parameter paths, as `effigy inspect`
    /// lists them).
    pub freeze: Vec<String>,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            epochs: 100,
            batch_size: 16,
            step_len: None,
            optimiser: Optimiser::Adam,
            learning_rate: 1e-3,
            schedule: Schedule::Constant,
            warm_up_steps: 0,
            weight_decay: 0.0,
            clip_norm: None,
            average: None,
            stray_starts: None,
            downward: false,
            target_level_dbfs: None,
            patience: None,
            freeze: Vec::new(),
        }
    }
}

/// Gradient descent rules. Adam's: β₁ 0.9, β₂ 0.999, ε 1e-8 (Kingma & Ba 2015).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimiser {
    /// Adam with the L2 penalty in the gradient.
    Adam,
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019).
    AdamW,
    /// Plain stochastic gradient descent.
    Sgd,
}

/// The learning rate over time, as a factor of `learning_rate`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// 1 throughout.
    Constant,
    /// Half a cosine from 1 to `final_factor` at the last step.
    Cosine {
        /// Where it ends.
        #[serde(default)]
        final_factor: f64,
    },
    /// `factor` to the power of the epoch.
    Exponential {
        /// Per epoch, such as 0.993.
        factor: f64,
    },
    /// A rise from 1/25 to 1 over the first `rise` of all steps, then half a cosine to
    /// 1/10,000 (Smith & Topin 2018).
    OneCycle {
        /// Share of the steps that rise.
        #[serde(default = "default_rise")]
        rise: f64,
    },
}

fn default_rise() -> f64 {
    0.3
}

impl TrainingConfig {
    /// The key that says how many samples one loss is taken of, and its value.
    pub(super) fn step(&self, windows: &WindowConfig) -> (&'static str, usize) {
        match self.step_len {
            Some(step_len) => ("training.step_len", step_len),
            None => ("windows.window_len", windows.window_len),
        }
    }

    /// Optimiser steps that one window takes.
    pub fn steps_per_window(&self, windows: &WindowConfig) -> usize {
        let (_, len) = self.step(windows);
        windows.window_len.div_ceil(len.max(1))
    }

    fn check_step_len(
        &self,
        windows: &WindowConfig,
        model: &ModelConfig,
    ) -> Result<(), ConfigError> {
        let Some(step_len) = self.step_len else {
            return Ok(());
        };
        let key = "training.step_len";
        if !model.has_memory() {
            let kinds = ModelConfig::kinds(|network| network.has_memory(), "and");
            let allowed = format!("absent; only {kinds} carry a memory on");
            return Err(ConfigError::value(key, step_len, allowed));
        }
        if !windows.window_len.is_multiple_of(step_len) {
            let allowed = format!("a divisor of windows.window_len, {}", windows.window_len);
            return Err(ConfigError::value(key, step_len, allowed));
        }
        Ok(())
    }

    pub(super) fn check(
        &self,
        windows: &WindowConfig,
        model: &ModelConfig,
    ) -> Result<(), ConfigError> {
        check_range("training.epochs", self.epochs, 1, 1_000_000)?;
        check_range("training.batch_size", self.batch_size, 1, 65_536)?;
        // One gigabyte for the samples of one step alone.
        let samples = self.batch_size.saturating_mul(windows.window_len);
        check_range(
            "training.batch_size × windows.window_len",
            samples,
            1,
            1 << 28,
        )?;
        self.check_step_len(windows, model)?;
        if let Some(decay) = self.average {
            check_range("training.average", decay, 0.0, 0.999_999)?;
        }
        if let Some(every) = self.stray_starts {
            check_range("training.stray_starts", every, 1, 1_000_000)?;
            if !model.has_memory() {
                let kinds = ModelConfig::kinds(|network| network.has_memory(), "and");
                let allowed = format!("absent; only {kinds} have a memory");
                return Err(ConfigError::value("training.stray_starts", every, allowed));
            }
        }
        if let Some(level) = self.target_level_dbfs {
            check_range("training.target_level_dbfs", level, -120.0, 20.0)?;
        }
        check_range("training.warm_up_steps", self.warm_up_steps, 0, 1 << 40)?;
        check_range("training.learning_rate", self.learning_rate, 1e-12, 1e3)?;
        check_range("training.weight_decay", self.weight_decay, 0.0, 1e3)?;
        if let Some(norm) = self.clip_norm {
            check_range("training.clip_norm", norm, 1e-12, 1e12)?;
        }
        if self.patience == Some(0) {
            return Err(ConfigError::value("training.patience", 0, "1 or more"));
        }
        match self.schedule {
            Schedule::Constant => Ok(()),
            Schedule::Cosine { final_factor: f } => {
                check_range("training.schedule.final_factor", f, 0.0, 1.0)
            }
            Schedule::Exponential { factor } => {
                check_range("training.schedule.factor", factor, 1e-6, 1.0)
            }
            Schedule::OneCycle { rise } => check_range("training.schedule.rise", rise, 0.0, 1.0),
        }
    }
}
