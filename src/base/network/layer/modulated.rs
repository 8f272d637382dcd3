//! A delay, a chain of all-pass filters or a gain that a slow oscillator moves, with filters around.

use crate::dsp::modulation::{
    LEAD, MOST_FEEDBACK, Modulation, Motion, Oscillator, Part as Moved, SWAYED, Second,
};
use crate::network::Control;
use crate::network::bounds::{bounded, channels, numbers, size};
use crate::network::error::DescriptionError;
use crate::network::part::{Cost, Part};
use serde::{Deserialize, Serialize};

/// `y = dry filter ∗ x + wet filter ∗ part(x)` on one channel, the part's value being
/// `centre + Σ_k curve[2k]·cos((k+1)·φ) + curve[2k+1]·sin((k+1)·φ)` at `φ = 2π·rate·t + phase`.
///
/// A second oscillator adds `Σ second[…]·cos(j·φ + k·ψ) + second[…]·sin(j·φ + k·ψ)` at `ψ = 2π·its rate·t + its phase`,
/// harmonic by harmonic (`k` from 1), `j` from −2 to 2.
///
/// Where the network has the knobs of [`Modulated::controls`], they are the phase in radians, with the
/// first sample after `silence`, factors on the rates and on the curves, and of a second oscillator the phase;
/// without knobs the phases are 0 with the very first sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modulated {
    /// What is moved.
    pub part: Moved,
    /// Cycles per sample, the logarithm of the value's mean (in samples of delay, in cycles per sample of
    /// all-pass filters; of a gain the mean itself), and how much of the part's output enters again.
    pub numbers: Vec<f32>,
    /// Amplitudes of harmonics, cosine and sine.
    pub curve: Vec<f32>,
    /// Of a second oscillator cycles per sample, then its amplitudes; empty: there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub second: Vec<f32>,
    /// The newest tap first; empty: no dry sound.
    pub dry_filter: Vec<f32>,
    /// The same behind the part. A delay's begins 8 samples before it.
    pub wet_filter: Vec<f32>,
    /// Samples of silence that are played before a recording, as its rate asks for.
    pub silence: usize,
    /// Radians by which the oscillator is ahead of its phase: on the right of a stereo effect.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ahead: f32,
}

fn is_zero(x: &f32) -> bool {
    *x == 0.0
}

/// Most harmonics, taps and stages.
const MAX_HARMONICS: usize = 256;
const MAX_TAPS: usize = 1 << 14;
const MAX_STAGES: usize = 64;

/// The longest delay in samples: 60 ms at 192 kHz.
pub(crate) const MAX_DELAY: usize = 11_520;

impl Modulated {
    /// Cycles per sample.
    pub const RATE: usize = 0;
    /// The mean of the value.
    pub const CENTRE: usize = 1;
    /// How much enters again.
    pub const FEEDBACK: usize = 2;

    /// The motion, in samples and cycles per sample.
    pub fn motion(&self) -> Motion {
        let number = |at: usize| self.numbers.get(at).map_or(0.0, |x| f64::from(*x));
        Motion {
            part: self.part,
            centre: number(Self::CENTRE),
            oscillator: Oscillator {
                rate_hz: number(Self::RATE).clamp(0.0, 0.5),
                curve: self.curve.iter().map(|x| f64::from(*x)).collect(),
            },
            second: self.second.split_first().map(|(rate, curve)| Second {
                rate_hz: f64::from(*rate).clamp(0.0, 0.5),
                phase: 0.0,
                curve: curve.iter().map(|x| f64::from(*x)).collect(),
            }),
            feedback: number(Self::FEEDBACK).clamp(-MOST_FEEDBACK, MOST_FEEDBACK),
        }
    }

    /// The effect, in samples and cycles per sample.
    pub fn effect(&self) -> Modulation {
        let doubles = |taps: &[f32]| taps.iter().map(|x| f64::from(*x)).collect();
        Modulation {
            motion: self.motion(),
            dry_filter: doubles(&self.dry_filter),
            wet_filter: doubles(&self.wet_filter),
        }
    }

    /// Where the knobs stand for these phases, this factor on the rates, and the depth that was learned.
    pub fn as_learned(phase: f32, rate: f32, second_phase: Option<f32>) -> Vec<f32> {
        [phase, rate, 1.0].into_iter().chain(second_phase).collect()
    }

    /// Phase, rate and depth; of two oscillators the second's phase, too.
    pub fn controls(with_second: bool) -> Vec<Control> {
        let control = |name: &str, max: f32, default: f32| Control {
            range: None,
            name: name.into(),
            min: 0.0,
            max,
            default,
        };
        let turn = std::f32::consts::TAU;
        vec![
            control("phase", turn, 0.0),
            control("rate", 4.0, 1.0),
            control("depth", 2.0, 1.0),
        ]
        .into_iter()
        .chain(with_second.then(|| control("second-phase", turn, 0.0)))
        .collect()
    }

    /// Numbers of a second oscillator with so many harmonics.
    pub fn second_len(harmonics: usize) -> usize {
        1 + harmonics * SWAYED
    }

    fn stages(&self) -> usize {
        match self.part {
            Moved::AllPass { stages } => stages,
            _ => 0,
        }
    }
}

impl Part for Modulated {
    fn check(&self, inputs: usize, _: usize) -> Result<usize, DescriptionError> {
        channels("modulated layer input", inputs, 1)?;
        numbers("numbers", &self.numbers, Some(3))?;
        bounded("curve", Some(self.curve.len()), 2 * MAX_HARMONICS)?;
        numbers("curve", &self.curve, Some(self.curve.len() & !1))?;
        bounded("second", Some(self.second.len()), 1 + MAX_HARMONICS)?;
        let whole = self.second.len().saturating_sub(1) / SWAYED * SWAYED;
        let second = 1.min(self.second.len()) + whole;
        numbers("second", &self.second, Some(second))?;
        bounded(
            "taps of the dry filter",
            Some(self.dry_filter.len()),
            MAX_TAPS,
        )?;
        size("taps of the wet filter", self.wet_filter.len(), MAX_TAPS)?;
        numbers("dry_filter", &self.dry_filter, Some(self.dry_filter.len()))?;
        numbers("wet_filter", &self.wet_filter, Some(self.wet_filter.len()))?;
        bounded("stages", Some(self.stages()), MAX_STAGES)?;
        bounded("silence", Some(self.silence), crate::network::MAX_TAIL)?;
        numbers("ahead", &[self.ahead], Some(1))?;
        Ok(1)
    }

    fn cost(&self) -> Option<Cost> {
        let taps = self.dry_filter.len().checked_add(self.wet_filter.len())?;
        let curves = self.curve.len().checked_add(self.second.len())?;
        let own = self.numbers.len().checked_add(curves)?;
        Some(Cost {
            weights: taps.checked_add(own)?,
            // A cubic reads four samples, twice where some enters again; a stage multiplies twice.
            macs: taps.checked_add(8)?.checked_add(2 * self.stages())?,
            history: taps.checked_add(MAX_DELAY + LEAD as usize)?,
            layers: 1,
        })
    }

    /// Its clock never stands still.
    fn context(&self) -> Option<usize> {
        None
    }

    fn shape(&self) -> String {
        match self.part {
            Moved::Delay => "moving delay".into(),
            Moved::AllPass { stages } => format!("{stages} moving all-pass filters"),
            Moved::Gain => "moving gain".into(),
        }
    }
}
