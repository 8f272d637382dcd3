//! Settings of the effect that moves by itself. Knows no other network.

use super::parts::check_warm_up;
use super::settings::NetworkConfig;
use crate::config::WindowConfig;
use crate::config::error::{ConfigError, check_range};
use crate::network::{Modulated, MovedPart};
use serde::{Deserialize, Serialize};

/// `kind = "modulated"`: a filter on the dry sound and another behind a delay, a chain of all-pass filters
/// or a gain that an oscillator moves: chorus, flanger, vibrato; phaser; tremolo. Found by analysis before
/// the first epoch and brought nearer in every epoch, by Gauss–Newton steps on all of it together; each
/// recording has a phase of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModulatedConfig {
    /// What moves: "delay", "gain", or `{ all-pass = { stages = 4 } }`. Left out: what explains the
    /// recordings best, which the run's own config then names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<MovedPart>,
    /// Most harmonics of the oscillator's curve.
    pub harmonics: usize,
    /// Whether a second oscillator of a rate of its own, faster and unrelated, moves it, too. Where `part` is left
    /// out the recordings say so, and the run's own config then does.
    pub second: bool,
    /// Taps of both filters.
    pub taps: usize,
    /// As [`RecurrentConfig::warm_up`](super::RecurrentConfig::warm_up).
    pub warm_up: usize,
}

/// Harmonics of a second oscillator.
pub const SECOND_HARMONICS: usize = 3;

impl Default for ModulatedConfig {
    fn default() -> Self {
        Self {
            part: None,
            harmonics: 32,
            second: false,
            taps: 80,
            warm_up: 4096,
        }
    }
}

impl NetworkConfig for ModulatedConfig {
    fn check(&self, _: &WindowConfig) -> Result<(), ConfigError> {
        check_range("model.harmonics", self.harmonics, 1, 64)?;
        check_range("model.taps", self.taps, 1, 512)?;
        if let Some(MovedPart::AllPass { stages }) = self.part {
            check_range("model.part.all-pass.stages", stages, 1, 24)?;
        }
        check_warm_up(self.warm_up)
    }

    fn weights(&self, _: &WindowConfig) -> usize {
        let second = if self.second {
            Modulated::second_len(SECOND_HARMONICS)
        } else {
            0
        };
        3 + 2 * self.harmonics + second + 2 * self.taps
    }

    /// Its own knobs are phases, rate and depth.
    fn takes_controls(&self) -> bool {
        false
    }

    fn width(&self) -> usize {
        self.taps
    }

    fn set_width(&mut self, width: usize) {
        self.taps = width;
    }

    fn has_memory(&self) -> bool {
        true
    }

    fn warm_up(&mut self) -> Option<&mut usize> {
        Some(&mut self.warm_up)
    }
}
