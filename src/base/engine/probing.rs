//! A network on the measuring bench: how it behaves when it is left alone.

use super::straying::strays;
use super::{Engine, EngineError};
use crate::audio::SampleRate;
use crate::dsp::probe::{self, Behaviour};
use crate::network::{Architecture, DescriptionError, Network};

/// Plays what [`probe::behaviour`] asks for, knobs at `controls` (none: their defaults). A stereo
/// network hears it on all its channels; of its two answers the one with more to be said against it is
/// told of.
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
    let mut side = |channel: usize| -> Result<Behaviour, EngineError> {
        let mut play = |dry: &[f32]| engine.play_from_rest(dry, channel);
        let found = probe::behaviour(&mut play, rate, forgets);
        let strays = strays(network, controls, channel, &found.idle)?;
        Ok(Behaviour { strays, ..found })
    };
    let left = side(0)?;
    if network.audio_channels.wet == 1 {
        return Ok(left);
    }
    let right = side(1)?;
    let blame = |side: &Behaviour| {
        let faults = side.faults();
        (
            faults.iter().filter(|fault| fault.is_grave()).count(),
            faults.len(),
        )
    };
    Ok(if blame(&right) > blame(&left) {
        right
    } else {
        left
    })
}
