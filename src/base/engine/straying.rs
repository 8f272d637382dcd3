//! A network that was led astray: whether silence leads it back, wherever its memory may stand. A sound
//! that nobody has tried may lead it there, and a howl that does not end is the worst that a player
//! can hear. Knows nothing of how a network comes to such a state.

use super::{Engine, EngineError};
use crate::audio::level::{amplitude, mean_power_around};
use crate::dsp::probe::{Idle, Strays};
use crate::network::{Architecture, Layer, Network};
use crate::random::Noise;

/// States that are tried.
const STATES: u32 = 16;
/// Seconds of silence, and of its end, when the memory has to be back.
const SECONDS: [f64; 2] = [3.0, 0.5];
/// What is louder then, beside what is there at rest, in dBFS, was not led back.
const LOST_DBFS: f64 = -60.0;
/// A cell's states against their draws, which have the power of 1.
const CELL: f32 = 2.0;

/// From how many of some states drawn at random `network`, knobs at `controls` (none: their defaults), does
/// not come back to `idle` on this channel of its answer. `None` without LSTM or GRU layers.
///
/// # Errors
/// The engine cannot play the network.
pub(super) fn strays(
    network: &Network,
    controls: &[f32],
    channel: usize,
    idle: &Idle,
) -> Result<Option<Strays>, EngineError> {
    let mut astray = network.full().clone();
    let mut draws = Noise::new(1);
    let [all, end] = SECONDS.map(|seconds| (seconds * f64::from(network.sample_rate)) as usize);
    let (mut lost, mut loudest) = (0, 0.0f64);
    let mut sound = vec![0.0; all];
    let mut settled = None;
    for _ in 0..STATES {
        let Architecture::Sequential(sequential) = &mut astray.architecture else {
            return Ok(None);
        };
        if !lead_astray(&mut sequential.layers, &mut draws) {
            return Ok(None);
        }
        let mut engine = Engine::new(&astray)?;
        if !controls.is_empty() {
            engine.set_controls(controls)?;
        }
        let mut answer = played(&mut engine, &sound, channel);
        if settled.is_none() && answer.iter().all(|&x| x == 0.0) {
            // A gain says nothing in silence: it is to say of a tone what it says when it was not led
            // astray.
            sound = tone(all);
            let mut engine_at_rest = Engine::new(network.full())?;
            if !controls.is_empty() {
                engine_at_rest.set_controls(controls)?;
            }
            settled = Some(played(&mut engine_at_rest, &sound, channel));
            engine.reset();
            answer = played(&mut engine, &sound, channel);
        }
        let ending = &answer[all - end..];
        let left = match &settled {
            None => mean_power_around(ending, idle.dc).sqrt(),
            Some(settled) => {
                let pairs = ending.iter().zip(&settled[all - end..]);
                let apart: Vec<f32> = pairs.map(|(a, b)| a - b).collect();
                mean_power_around(&apart, 0.0).sqrt()
            }
        };
        // At rest there may be sound as well.
        let rest = 2.0 * amplitude(idle.rms_dbfs);
        let is_back = left <= amplitude(LOST_DBFS).max(rest);
        if !is_back {
            lost += 1;
            loudest = loudest.max(left);
        }
    }
    Ok(Some(Strays {
        tried: STATES,
        lost,
        loudest,
    }))
}

/// Draws a state for every memory; whether there is one.
fn lead_astray(layers: &mut [Layer], draws: &mut Noise) -> bool {
    let mut any = false;
    for layer in layers {
        any |= match layer {
            Layer::Lstm(lstm) => {
                let units = lstm.hidden_size;
                lstm.initial_hidden = draws.by_ref().take(units).collect();
                // Three even draws have the power of 1.
                let mut cell = || CELL * draws.by_ref().take(3).sum::<f32>();
                lstm.initial_cell = (0..units).map(|_| cell()).collect();
                true
            }
            Layer::Gru(gru) => {
                gru.initial_hidden = draws.by_ref().take(gru.hidden_size).collect();
                true
            }
            Layer::Residual(residual) => lead_astray(&mut residual.body, draws),
            Layer::Branches(branches) => {
                let branches = branches.branches.iter_mut();
                branches.fold(false, |any, branch| lead_astray(branch, draws) | any)
            }
            _ => false,
        };
    }
    any
}

/// A tone that swells and fades, at −20 dBFS at most.
fn tone(samples: usize) -> Vec<f32> {
    let at = |n: usize| 0.1 * (n as f32 * 1e-3).sin() * (n as f32 * 0.05).sin();
    (0..samples).map(at).collect()
}

/// What the engine answers to a sound as it stands, on one channel.
fn played(engine: &mut Engine, sound: &[f32], channel: usize) -> Vec<f32> {
    let channels = engine.audio_channels();
    let mut made = vec![vec![0.0; sound.len()]; channels.wet];
    let mut rows: Vec<&mut [f32]> = made.iter_mut().map(Vec::as_mut_slice).collect();
    engine.process_channels(&vec![sound; channels.dry], &mut rows);
    made.swap_remove(channel)
}
