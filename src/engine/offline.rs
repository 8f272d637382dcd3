//! Playing long recordings with all cores.
//!
//! A network with a finite receptive field forgets: an engine that has heard one receptive field
//! of context gives the same samples, bit for bit, as one that heard everything. So a stretch of
//! audio is cut into one part per core, and every part begins with its context. Networks that
//! never forget, and those on a grid of windows, are played by one engine in order.

use super::{Engine, EngineError};
use crate::models::description::{Architecture, Network};

/// Parts shorter than this many receptive fields would mostly compute context.
const SHORTEST_PART: usize = 4;

/// Plays one channel in long stretches.
#[derive(Debug)]
pub struct OfflinePlayer {
    engines: Vec<Engine>,
    /// The last input samples before the next stretch; `None` when one engine plays all.
    context: Option<Vec<f32>>,
}

impl OfflinePlayer {
    /// A player on at most `threads` cores, prewarmed, knobs at their defaults.
    ///
    /// # Errors
    /// The description is not valid.
    pub fn new(network: &Network, threads: usize) -> Result<Self, EngineError> {
        let mut first = Engine::new(network)?;
        let window = matches!(network.full().architecture, Architecture::Window(_));
        let context = match first.receptive_field() {
            Some(receptive_field) if !window && threads > 1 => Some(vec![0.0; receptive_field - 1]),
            _ => None,
        };
        first.prewarm();
        let mut engines = vec![first];
        if context.is_some() {
            for _ in 1..threads {
                engines.push(Engine::new(network)?);
            }
        }
        Ok(Self { engines, context })
    }

    /// Moves the knobs.
    ///
    /// # Errors
    /// As [`Engine::set_controls`].
    pub fn set_controls(&mut self, values: &[f32]) -> Result<(), EngineError> {
        self.engines
            .iter_mut()
            .try_for_each(|engine| engine.set_controls(values))
    }

    /// How many samples the output lags behind the input.
    pub fn latency_samples(&self) -> usize {
        self.engines.first().map_or(0, Engine::latency_samples)
    }

    /// Plays the next stretch. Several seconds at a time keep all cores busy; any length gives
    /// the same samples.
    ///
    /// # Panics
    /// `input` and `output` differ in length.
    pub fn process(&mut self, input: &[f32], output: &mut [f32]) {
        assert_eq!(
            input.len(),
            output.len(),
            "input and output of one length are needed"
        );
        let Some(context) = &mut self.context else {
            if let Some(engine) = self.engines.first_mut() {
                engine.process(input, output);
            }
            return;
        };
        let shortest = (SHORTEST_PART * context.len()).max(1);
        let parts = (input.len() / shortest).clamp(1, self.engines.len());
        let part_len = input.len().div_ceil(parts).max(1);
        let before: &[f32] = context;
        std::thread::scope(|scope| {
            let parts = output
                .chunks_mut(part_len)
                .zip(&mut self.engines)
                .enumerate();
            for (i, (output, engine)) in parts {
                let start = i * part_len;
                scope.spawn(move || play_part(engine, before, input, start, output));
            }
        });
        // The last samples of context and input together are the next stretch's context.
        let kept = context.len().saturating_sub(input.len());
        let taken = context.len() - kept;
        context.rotate_left(taken);
        context[kept..].copy_from_slice(&input[input.len() - taken..]);
    }
}

/// Plays `input[start..]` for the length of `output`, after its context.
fn play_part(engine: &mut Engine, before: &[f32], input: &[f32], start: usize, output: &mut [f32]) {
    engine.reset();
    let from_before = before.len().saturating_sub(start);
    engine.hear(&before[before.len() - from_before..]);
    engine.hear(&input[start - (before.len() - from_before)..start]);
    engine.process(&input[start..start + output.len()], output);
}
