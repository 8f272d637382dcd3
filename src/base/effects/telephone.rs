//! The sound of a telephone line: the voice band, then soft saturation.

use serde::{Deserialize, Serialize};

use super::filter::Filter;
use super::{ParameterError, Unit, each, within};
use crate::audio::level::amplitude;

const LOW_HZ: f64 = 300.0;
const HIGH_HZ: f64 = 3400.0;

/// A two-pole high-pass at 300 Hz and low-pass at 3400 Hz, then `tanh(drive · x)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telephone {
    /// 0 to 40: amplification before the saturation.
    #[serde(default = "twelve")]
    pub drive_db: f64,
}

fn twelve() -> f64 {
    12.0
}

impl Unit for Telephone {
    fn check(&self, hz: f64) -> Result<(), ParameterError> {
        within(
            "telephone",
            "sample rate",
            hz,
            2.1 * HIGH_HZ..=f64::from(u32::MAX),
        )?;
        within("telephone", "drive_db", self.drive_db, 0.0..=40.0)
    }

    fn run(&self, dry: &[f32], hz: f64) -> Vec<f32> {
        let mut low = Filter::high_pass_2(LOW_HZ, hz);
        let mut high = Filter::low_pass_2(HIGH_HZ, hz);
        let drive = amplitude(self.drive_db);
        each(dry, |x| (drive * high.step(low.step(x))).tanh())
    }

    fn is_linear(&self) -> bool {
        false
    }
}
