//! Settings that several networks share.

use crate::config::error::{ConfigError, check_range};
use crate::network::Function;
use serde::{Deserialize, Serialize};

/// How knobs enter a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conditioning {
    /// Every layer is scaled and shifted, per channel, by values computed from the knobs.
    #[default]
    Film,
    /// As further inputs beside the sound.
    Concat,
}

pub(super) fn check_drive(drive: f32) -> Result<(), ConfigError> {
    check_range("model.drive", f64::from(drive), 1e-3, 1e4)
}

pub(super) fn check_warm_up(samples: usize) -> Result<(), ConfigError> {
    check_range("model.warm_up", samples, 0, 1 << 22)
}

pub(super) fn check_activation(key: &str, activation: Function) -> Result<(), ConfigError> {
    match activation {
        Function::LeakyRelu { slope } => check_range(key, f64::from(slope), 1e-6, 1.0),
        _ => Ok(()),
    }
}
