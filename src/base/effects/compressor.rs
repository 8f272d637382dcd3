//! A feed-forward compressor in the logarithmic domain (Giannoulis, Massberg and Reiss,
//! "Digital Dynamic Range Compressor Design", JAES 60, 2012: level detector, gain computer,
//! then smoothing of the gain in decibels).

use serde::{Deserialize, Serialize};

use super::filter::flush;
use super::{ParameterError, Unit, each, within};
use crate::audio::level::amplitude;

/// Smaller samples count as this, −120 dB: the logarithm of silence has no end.
const FLOOR: f64 = 1e-6;

/// Turns levels above a threshold down to `threshold + (level − threshold) / ratio`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compressor {
    /// −100 to 0: levels below pass unchanged.
    pub threshold_db: f64,
    /// 1 (nothing) to 100: decibels in for one decibel out above the threshold.
    pub ratio: f64,
    /// 0 to 1000: time in which a growing reduction covers 1 − 1/e of its way, in decibels.
    pub attack_ms: f64,
    /// 0 to 10 000: the same for a shrinking reduction.
    pub release_ms: f64,
    /// −60 to 60: added to every level.
    #[serde(default)]
    pub makeup_db: f64,
}

impl Compressor {
    /// How many decibels a steady level is turned down by, make-up apart; never negative.
    pub fn reduction_db(&self, level_db: f64) -> f64 {
        (level_db - self.threshold_db).max(0.0) * (1.0 - 1.0 / self.ratio)
    }
}

impl Unit for Compressor {
    fn check(&self, _: f64) -> Result<(), ParameterError> {
        let check = |parameter, value, range| within("compressor", parameter, value, range);
        check("threshold_db", self.threshold_db, -100.0..=0.0)?;
        check("ratio", self.ratio, 1.0..=100.0)?;
        check("attack_ms", self.attack_ms, 0.0..=1000.0)?;
        check("release_ms", self.release_ms, 0.0..=10_000.0)?;
        check("makeup_db", self.makeup_db, -60.0..=60.0)
    }

    fn run(&self, dry: &[f32], hz: f64) -> Vec<f32> {
        let (attack, release) = (keep(self.attack_ms, hz), keep(self.release_ms, hz));
        let mut reduction_db = 0.0;
        each(dry, |x| {
            let level_db = 20.0 * x.abs().max(FLOOR).log10();
            let wanted_db = self.reduction_db(level_db);
            let kept = if wanted_db > reduction_db {
                attack
            } else {
                release
            };
            reduction_db = flush(wanted_db + kept * (reduction_db - wanted_db));
            x * amplitude(self.makeup_db - reduction_db)
        })
    }

    fn is_linear(&self) -> bool {
        false
    }
}

/// The share of a distance that is left after one sample, for a time constant.
fn keep(ms: f64, hz: f64) -> f64 {
    (-1000.0 / (ms * hz)).exp()
}
