//! One training run, complete, and the checks that need more than one table.

use super::{
    Baselines, ConfigError, DataConfig, LossConfig, MetadataConfig, ModelConfig, Player,
    SearchConfig, Stereo, TrainingConfig, WindowConfig,
};
use crate::network::MAX_WEIGHTS;
use serde::{Deserialize, Serialize};

/// One training run, complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names the run and its folder `checkpoints/<name>`: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Seeds weights, window order and generated signals.
    #[serde(default = "one")]
    pub seed: u64,
    /// `auto`, `flex`, `ndarray`, `wgpu[:n]` or `cuda[:n]`, or several that share every batch, such as
    /// `wgpu:0,wgpu:1`; the command line's `--device` wins over it.
    #[serde(default = "auto")]
    pub device: String,
    /// Which recordings or generated signals to learn from and to test on.
    pub data: DataConfig,
    /// How spans are cut into training windows.
    #[serde(default)]
    pub windows: WindowConfig,
    /// The network.
    pub model: ModelConfig,
    /// What training minimises.
    #[serde(default)]
    pub loss: LossConfig,
    /// Optimiser, schedule, length.
    #[serde(default)]
    pub training: TrainingConfig,
    /// Races networks before one of them is trained to the end; absent: trains `model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchConfig>,
    /// Classical rows shown beside the network.
    #[serde(default)]
    pub baselines: Baselines,
    /// What an exported file says about the capture.
    #[serde(default, skip_serializing_if = "MetadataConfig::is_empty")]
    pub metadata: MetadataConfig,
}

fn one() -> u64 {
    1
}

fn auto() -> String {
    "auto".to_string()
}

impl Config {
    /// Checks every value against what is allowed.
    ///
    /// # Errors
    /// [`ConfigError::Value`] names the first key that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let named = !self.name.is_empty()
            && !self.name.starts_with('.')
            && self
                .name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !named {
            return Err(ConfigError::value(
                "name",
                &self.name,
                "letters, digits, '-', '_' and '.', not starting with '.'",
            ));
        }
        self.data.check()?;
        self.windows.check()?;
        self.model.check(&self.windows)?;
        let weights = self.model.weights(&self.windows);
        if weights > MAX_WEIGHTS {
            let got = format!("a network of {weights} weights");
            let allowed = format!("at most {MAX_WEIGHTS} weights, as many as can be played");
            return Err(ConfigError::value("model", got, allowed));
        }
        if !self.model.takes_controls() && !self.data.knobs().is_empty() {
            let kinds = ModelConfig::kinds(|network| network.takes_controls(), "or");
            let allowed = format!("{kinds} when pairs name controls");
            return Err(ConfigError::value("model.kind", self.model.kind(), allowed));
        }
        self.check_stereo()?;
        if let (ModelConfig::Tailed(_), Some(_)) = (&self.model, &self.search) {
            let allowed = "no [search] beside it: the networks that are tried have no tail";
            return Err(ConfigError::value("model.tail", "given", allowed));
        }
        self.training.check(&self.windows, &self.model)?;
        self.loss.check(self.training.step(&self.windows))?;
        self.search.as_ref().map_or(Ok(()), SearchConfig::check)?;
        self.baselines.check()?;
        self.metadata.check()
    }

    /// What cannot be learned across both sides of a stereo effect.
    fn check_stereo(&self) -> Result<(), ConfigError> {
        if self.data.stereo != Stereo::Joint {
            return Ok(());
        }
        let beside = "where data.stereo = \"joint\"";
        if let ModelConfig::Tailed(_) = &self.model {
            let allowed = format!(
                "no tail {beside}: kind = \"fir\" alone learns an echo or a room across both sides"
            );
            return Err(ConfigError::value("model.tail", "given", allowed));
        }
        if !self.model.takes_stereo() {
            let kinds = ModelConfig::kinds(|network| network.takes_stereo(), "or");
            let allowed = format!("{kinds} {beside}");
            return Err(ConfigError::value("model.kind", self.model.kind(), allowed));
        }
        if self.training.downward {
            let allowed = format!("false {beside}: the chain that teaches it has one channel");
            return Err(ConfigError::value("training.downward", true, allowed));
        }
        match &self.search {
            Some(search) if search.player != Player::Any => {
                let allowed = format!(
                    "\"any\" {beside}: players of other formats play each channel by itself"
                );
                Err(ConfigError::value("search.for", search.player, allowed))
            }
            _ => Ok(()),
        }
    }
}
