//! How loud a network is and how much it compresses, as players of `.nam` files want to know it.
//!
//! The field takes both figures on a second of pink noise that is part of its trainer. That
//! recording is not ours to ship and nothing says how it was drawn, so the standard signal here
//! is another second of pink noise of the same level; the field's own can be given as a file.

use crate::audio::level::amplitude;
use crate::audio::{SampleRate, decode};
use crate::effects::signals::{self, Noise, NoiseColour, Signal};
use crate::engine::{Engine, EngineError};
use crate::formats::nam::{self, Loudness};
use crate::network::Network;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// RMS level of the field's signal, and so of the standard signal.
const LEVEL_DBFS: f64 = -14.968;
/// Draws the noise.
const SEED: u64 = 1;

/// The standard signal: one second of pink noise (from 20 Hz up) at −14.968 dBFS RMS.
///
/// # Errors
/// A rate at which no signal can be made.
pub fn standard_signal(rate: SampleRate) -> Result<Vec<f32>> {
    let noise = Signal::Noise(Noise {
        colour: NoiseColour::Pink,
        level_dbfs: 0.0,
    });
    let mut signal = signals::render(&noise, rate, 1.0, SEED)?;
    let power: f64 = signal.iter().map(|x| f64::from(*x).powi(2)).sum();
    let rms = (power / signal.len().max(1) as f64).sqrt();
    let factor = (amplitude(LEVEL_DBFS) / rms) as f32;
    signal.iter_mut().for_each(|x| *x *= factor);
    Ok(signal)
}

/// The first channel of a file that takes the place of the standard signal.
///
/// # Errors
/// It cannot be read or has another rate than the network.
pub fn signal_from(path: &Path, rate: SampleRate) -> Result<Vec<f32>> {
    let audio = decode::read(path)?.audio;
    if audio.sample_rate() != rate {
        bail!(
            "{}: {}, but the network runs at {rate}; give the signal at that rate",
            path.display(),
            audio.sample_rate()
        );
    }
    let channel = audio.into_channels().into_iter().next();
    channel.with_context(|| format!("{}: has no channel", path.display()))
}

/// Both figures of a network, played from silence; `None` where it is silent.
///
/// # Errors
/// The network cannot be played.
pub fn measure(network: &Network, signal: &[f32]) -> Result<Option<Loudness>, EngineError> {
    let play = |input: &[f32]| {
        let mut engine = Engine::new(network)?;
        engine.prewarm();
        let mut output = vec![0.0; input.len()];
        engine.process(input, &mut output);
        Ok::<_, EngineError>(output)
    };
    let loudness = nam::loudness(signal, play)?;
    let gain = nam::gain(signal, play)?;
    Ok(loudness.is_finite().then_some(Loudness { loudness, gain }))
}
