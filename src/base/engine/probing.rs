//! A network on the measuring bench: how it behaves when it is left alone.

use super::{Engine, EngineError};
use crate::audio::SampleRate;
use crate::dsp::probe::{self, Behaviour};
use crate::network::{Architecture, DescriptionError, Network};

/// Plays what [`probe::behaviour`] asks for, knobs at `controls` (none: their defaults).
///
/// # Errors
/// The engine cannot play the network.
pub fn probe(network: &Network, controls: &[f32]) -> Result<Behaviour, EngineError> {
    let mut engine = Engine::new(network)?;
    if !controls.is_empty() {
        engine.set_controls(controls)?;
    }
    let rate = SampleRate::new(network.sample_rate).ok_or_else(|| {
        DescriptionError::invalid("sample_rate", "is 0; it must be at least 1 Hz")
    })?;
    // Windows on a grid answer by where they stand.
    let grid = matches!(network.full().architecture, Architecture::Window(_));
    let forgets = network.receptive_field().filter(|_| !grid);
    let mut play = |dry: &[f32]| engine.play_from_rest(dry);
    Ok(probe::behaviour(&mut play, rate, forgets))
}
