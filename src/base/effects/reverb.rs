//! A small room after M. R. Schroeder, "Natural Sounding Artificial Reverberation" (JAES 10,
//! 1962): four parallel comb filters, then two all-pass filters in series.

use serde::{Deserialize, Serialize};

use super::delays::{DelayLine, whole_samples};
use super::{ParameterError, Unit, each, within};

/// Comb delays without a common period, within Schroeder's ratio of 1 to 1.5.
const COMB_MS: [f64; 4] = [14.3, 16.9, 19.1, 21.3];
const ALL_PASS_MS: [f64; 2] = [5.0, 1.7];
const ALL_PASS_GAIN: f64 = 0.7;

/// Adds a reverberation that has faded by 60 dB after `decay_seconds`:
/// `H = 1 − mix + mix · A₁A₂ · ¼ Σ z^−Mᵢ / (1 − gᵢ z^−Mᵢ)` with `gᵢ = 10^(−3 Mᵢ / (rate · decay))`
/// and `Aⱼ = (z^−Nⱼ − 0.7) / (1 − 0.7 z^−Nⱼ)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reverb {
    /// 0.02 to 0.3: time in which the combs fade by 60 dB.
    pub decay_seconds: f64,
    /// 0 (dry only) to 1 (room only).
    #[serde(default = "quarter")]
    pub mix: f64,
}

fn quarter() -> f64 {
    0.25
}

impl Unit for Reverb {
    fn check(&self, _: f64) -> Result<(), ParameterError> {
        within("reverb", "decay_seconds", self.decay_seconds, 0.02..=0.3)?;
        within("reverb", "mix", self.mix, 0.0..=1.0)
    }

    fn run(&self, dry: &[f32], hz: f64) -> Vec<f32> {
        let mut combs = COMB_MS.map(|ms| {
            let len = whole_samples(ms, hz);
            let gain = 10f64.powf(-3.0 * len as f64 / (hz * self.decay_seconds));
            (DelayLine::new(len), gain)
        });
        let mut all_passes = ALL_PASS_MS.map(|ms| DelayLine::new(whole_samples(ms, hz)));
        each(dry, |x| {
            let mut room = 0.0;
            for (line, gain) in &mut combs {
                let late = line.oldest();
                line.push(x + *gain * late);
                room += late / COMB_MS.len() as f64;
            }
            for line in &mut all_passes {
                let late = line.oldest();
                let inner = room + ALL_PASS_GAIN * late;
                line.push(inner);
                room = late - ALL_PASS_GAIN * inner;
            }
            (1.0 - self.mix) * x + self.mix * room
        })
    }

    fn is_linear(&self) -> bool {
        true
    }
}
