//! Playing each channel from beginning to end, several side by side.

use crate::engine::{Engine, EngineError};
use crate::network::Network;
use std::thread;

/// Blocks shorter than this are not worth a thread's start.
const SHORTEST: usize = 1 << 12;

/// An engine for each voice.
#[derive(Debug)]
pub(super) struct InOrder {
    engines: Vec<Engine>,
    /// Channels that an engine hears, and that it makes.
    channels: (usize, usize),
    threads: usize,
    started: bool,
}

impl InOrder {
    /// # Errors
    /// The description is not valid.
    pub fn new(network: &Network, voices: usize, threads: usize) -> Result<Self, EngineError> {
        let engines = (0..voices).map(|_| Engine::new(network));
        let channels = network.audio_channels;
        Ok(Self {
            engines: engines.collect::<Result<_, _>>()?,
            channels: (channels.dry, channels.wet),
            threads,
            started: false,
        })
    }

    /// As [`Engine::set_controls`] of all.
    pub fn set_controls(&mut self, values: &[f32]) -> Result<(), EngineError> {
        let mut engines = self.engines.iter_mut();
        engines.try_for_each(|engine| engine.set_controls(values))
    }

    /// Plays a block.
    pub fn push(&mut self, block: &[&[f32]], output: &mut [Vec<f32>]) {
        let len = block.first().map_or(0, |samples| samples.len());
        if len == 0 {
            return;
        }
        let begins = !std::mem::replace(&mut self.started, true);
        let (dry, wet) = self.channels;
        let sides = block.chunks(dry).zip(output.chunks_mut(wet));
        let mut voices: Vec<Voice> = self
            .engines
            .iter_mut()
            .zip(sides)
            .map(|(engine, (heard, made))| Voice {
                engine,
                heard,
                made,
            })
            .collect();
        let play = |voices: &mut [Voice]| voices.iter_mut().for_each(|voice| voice.play(begins));
        let threads = self.threads.min(voices.len());
        if threads < 2 || len < SHORTEST {
            return play(&mut voices);
        }
        let each = voices.len().div_ceil(threads);
        thread::scope(|scope| {
            for voices in voices.chunks_mut(each) {
                scope.spawn(|| play(voices));
            }
        });
    }
}

/// What one engine plays of a block.
struct Voice<'a> {
    engine: &'a mut Engine,
    heard: &'a [&'a [f32]],
    made: &'a mut [Vec<f32>],
}

impl Voice<'_> {
    fn play(&mut self, begins: bool) {
        if begins {
            self.engine.prewarm();
        }
        play(self.engine, self.heard, self.made);
    }
}

/// Appends what the engine makes of a block to each channel.
pub(super) fn play(engine: &mut Engine, heard: &[&[f32]], made: &mut [Vec<f32>]) {
    let len = heard.first().map_or(0, |samples| samples.len());
    let grown = made.iter_mut().map(|channel| {
        let start = channel.len();
        channel.resize(start + len, 0.0);
        &mut channel[start..]
    });
    engine.process_channels(heard, &mut grown.collect::<Vec<_>>());
}
