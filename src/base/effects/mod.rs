//! Reference effects of known truth, and the signals to feed them: dry/wet pairs for tests,
//! benchmarks and first experiments, where what a network should learn can be written down.
//!
//! Knows no files, networks or command lines. All effects work on one channel, but for those that act
//! across two, are causal and deterministic, compute in `f64` and start from silence. None oversamples: the
//! distortions are exact static curves at the given rate, aliasing included, because a truth
//! that can be stated in one line is worth more here than a prettier sound.

mod compressor;
mod delays;
mod distortion;
mod filter;
mod modulation;
mod plain;
mod reverb;
mod room;
pub mod signals;
mod stereo;
mod telephone;

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

pub use self::compressor::Compressor;
pub use self::delays::Echo;
pub use self::distortion::{Fuzz, Overdrive};
pub use self::filter::LowPass;
pub use self::modulation::{Chorus, Phaser, Tremolo};
pub use self::plain::{Delay, Gain, InvertPolarity};
pub use self::reverb::Reverb;
pub use self::room::Room;
pub use self::stereo::{PingPong, Sides, Width};
pub use self::telephone::Telephone;
use crate::audio::{AudioChannels, SampleRate};

/// A parameter outside its range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{owner}: {parameter} = {value} is not allowed; give a number from {low} to {high}")]
pub struct ParameterError {
    /// The effect or signal, as in a configuration.
    pub owner: &'static str,
    /// The parameter, as in a configuration.
    pub parameter: &'static str,
    /// The value given.
    pub value: f64,
    /// The smallest value allowed.
    pub low: f64,
    /// The largest value allowed.
    pub high: f64,
}

/// What mixes, tones and gains are where they are left out.
fn half() -> f64 {
    0.5
}

/// Checks `value` against its range; NaN is in no range.
fn within(
    owner: &'static str,
    parameter: &'static str,
    value: f64,
    range: RangeInclusive<f64>,
) -> Result<(), ParameterError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(ParameterError {
        owner,
        parameter,
        value,
        low: *range.start(),
        high: *range.end(),
    })
}

/// An effect with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Effect {
    /// Removes high frequencies.
    LowPass(LowPass),
    /// Soft clipping with a tone control.
    Overdrive(Overdrive),
    /// Asymmetric hard clipping.
    Fuzz(Fuzz),
    /// Reduces loud parts.
    Compressor(Compressor),
    /// A narrow band with soft saturation.
    Telephone(Telephone),
    /// Repeats that fade.
    Echo(Echo),
    /// A small room.
    Reverb(Reverb),
    /// A long room, or a loudspeaker: noise that fades.
    Room(Room),
    /// A copy whose delay sways.
    Chorus(Chorus),
    /// Notches that wander.
    Phaser(Phaser),
    /// A gain that sways.
    Tremolo(Tremolo),
    /// A change of level.
    Gain(Gain),
    /// Multiplication by −1.
    InvertPolarity(InvertPolarity),
    /// A whole number of samples later.
    Delay(Delay),
    /// An effect for each side.
    Sides(Sides),
    /// Repeats that go from side to side.
    PingPong(PingPong),
    /// Sides nearer together or further apart.
    Width(Width),
    /// Several effects, one after another.
    Chain(Chain),
}

/// Effects applied one after another, the first one first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// The effects; none leave the sound unchanged.
    pub effects: Vec<Effect>,
}

/// What every effect can do. Rates are in hertz.
trait Unit {
    /// Holds every parameter to its range.
    fn check(&self, hz: f64) -> Result<(), ParameterError>;

    /// The wet sound, as long as the dry one. Parameters have been checked.
    fn run(&self, dry: &[f32], hz: f64) -> Vec<f32>;

    /// The same of all channels, each by itself where the effect is not one across them.
    fn run_channels(&self, dry: &[Vec<f32>], hz: f64) -> Vec<Vec<f32>> {
        dry.iter().map(|channel| self.run(channel, hz)).collect()
    }

    /// Whether the wet of a sum is the sum of the wets.
    fn is_linear(&self) -> bool;

    /// Whether the wet depends on when the dry begins.
    fn is_time_varying(&self) -> bool {
        false
    }

    /// Samples by which the wet lags as a whole.
    fn latency_samples(&self) -> usize {
        0
    }

    /// Channels that it needs at least, and makes of these.
    fn audio_channels(&self) -> AudioChannels {
        AudioChannels::MONO
    }
}

impl Effect {
    /// Holds every parameter to its range at this rate.
    ///
    /// # Errors
    /// [`ParameterError`] for the first parameter that is out of range.
    pub fn check(&self, rate: SampleRate) -> Result<(), ParameterError> {
        self.unit().check(f64::from(rate.hz()))
    }

    /// The wet sound for one dry channel, of the same length: what rings on after its end is
    /// cut. Sample `n` depends on no dry sample after `n`. Of a stereo effect the left side.
    ///
    /// # Errors
    /// [`ParameterError`] for the first parameter that is out of range.
    pub fn process(&self, dry: &[f32], rate: SampleRate) -> Result<Vec<f32>, ParameterError> {
        self.check(rate)?;
        Ok(self.unit().run(dry, f64::from(rate.hz())))
    }

    /// The same of all dry channels, one or two, all of one length: as many wet ones, or of a stereo
    /// effect two.
    ///
    /// # Errors
    /// As [`Effect::process`].
    pub fn process_channels(
        &self,
        dry: &[Vec<f32>],
        rate: SampleRate,
    ) -> Result<Vec<Vec<f32>>, ParameterError> {
        self.check(rate)?;
        Ok(self.unit().run_channels(dry, f64::from(rate.hz())))
    }

    /// Channels that it needs at least, and makes of these; one and one: as many as it is given.
    pub fn audio_channels(&self) -> AudioChannels {
        self.unit().audio_channels()
    }

    /// Whether the wet of a sum of sounds is the sum of their wets.
    pub fn is_linear(&self) -> bool {
        self.unit().is_linear()
    }

    /// Whether the wet depends on when the dry begins: no network without a clock of its own
    /// can learn such an effect exactly.
    pub fn is_time_varying(&self) -> bool {
        self.unit().is_time_varying()
    }

    /// Samples by which the wet as a whole lags the dry; echoes and filters have none.
    pub fn latency_samples(&self) -> usize {
        self.unit().latency_samples()
    }

    fn unit(&self) -> &dyn Unit {
        match self {
            Self::LowPass(unit) => unit,
            Self::Overdrive(unit) => unit,
            Self::Fuzz(unit) => unit,
            Self::Compressor(unit) => unit,
            Self::Telephone(unit) => unit,
            Self::Echo(unit) => unit,
            Self::Reverb(unit) => unit,
            Self::Room(unit) => unit,
            Self::Chorus(unit) => unit,
            Self::Phaser(unit) => unit,
            Self::Tremolo(unit) => unit,
            Self::Gain(unit) => unit,
            Self::InvertPolarity(unit) => unit,
            Self::Delay(unit) => unit,
            Self::Sides(unit) => unit,
            Self::PingPong(unit) => unit,
            Self::Width(unit) => unit,
            Self::Chain(unit) => unit,
        }
    }
}

impl Unit for Chain {
    fn check(&self, hz: f64) -> Result<(), ParameterError> {
        self.effects.iter().try_for_each(|e| e.unit().check(hz))
    }

    fn run(&self, dry: &[f32], hz: f64) -> Vec<f32> {
        let mut sound = dry.to_vec();
        for effect in &self.effects {
            sound = effect.unit().run(&sound, hz);
        }
        sound
    }

    fn run_channels(&self, dry: &[Vec<f32>], hz: f64) -> Vec<Vec<f32>> {
        let mut sound = dry.to_vec();
        for effect in &self.effects {
            sound = effect.unit().run_channels(&sound, hz);
        }
        sound
    }

    fn is_linear(&self) -> bool {
        self.effects.iter().all(Effect::is_linear)
    }

    fn is_time_varying(&self) -> bool {
        self.effects.iter().any(Effect::is_time_varying)
    }

    fn latency_samples(&self) -> usize {
        self.effects.iter().map(Effect::latency_samples).sum()
    }

    /// What the first stereo effect makes, the others hear.
    fn audio_channels(&self) -> AudioChannels {
        let mut each = self.effects.iter().map(Effect::audio_channels);
        each.find(|channels| !channels.is_mono())
            .unwrap_or_default()
    }
}

/// Applies a function with memory to every sample.
fn each(dry: &[f32], mut step: impl FnMut(f64) -> f64) -> Vec<f32> {
    dry.iter().map(|&x| step(f64::from(x)) as f32).collect()
}
