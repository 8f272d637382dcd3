//! Settings that several networks share.

use crate::config::error::{ConfigError, check_range};
use serde::{Deserialize, Serialize};

/// A function applied to every sample between layers, `"tanh"` or
/// `{ leaky-relu = { slope = 0.01 } }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Activation {
    /// x
    Identity,
    /// tanh x
    #[default]
    Tanh,
    /// x limited to ±1
    HardTanh,
    /// max(x, 0)
    Relu,
    /// x above 0, `slope`·x below
    LeakyRelu {
        /// Slope below 0, above 0 itself: a layer must be able to tell outputs apart.
        slope: f32,
    },
    /// x above 0, a learned slope per channel below, 0.25 at first
    PRelu,
    /// 1 / (1 + e^−x)
    Sigmoid,
    /// x · sigmoid x
    Silu,
    /// x · clamp(x + 3, 0, 6) / 6
    HardSwish,
    /// x / (1 + |x|)
    Softsign,
}

impl Activation {
    pub(super) fn check(self, key: &str) -> Result<(), ConfigError> {
        match self {
            Self::LeakyRelu { slope } => check_range(key, f64::from(slope), 1e-6, 1.0),
            _ => Ok(()),
        }
    }
}

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
