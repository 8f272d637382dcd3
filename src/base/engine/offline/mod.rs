//! Playing whole recordings with all cores.
//!
//! A network with a finite receptive field forgets, so an engine that has heard one receptive field of
//! context gives the same samples, bit for bit, as one that heard everything: its recordings are
//! played [in parts](in_parts). Networks that never forget, and those on a grid (of windows, or of the
//! blocks of a long filter), play each channel [in order](in_order). Channels are independent (the
//! two sides of a stereo effect are played by one engine), so these go side by side.

mod in_order;
mod in_parts;
mod workers;

use super::{Engine, EngineError};
use crate::audio::AudioChannels;
use crate::network::Network;
use in_order::InOrder;
use in_parts::InParts;
use std::thread;

/// Plays a recording of several channels, each through the network on its own, or all of those that
/// a stereo network hears through one, as fast as this machine can.
///
/// Blocks of any length go in through [`OfflinePlayer::push`]; [`OfflinePlayer::finish`] gives
/// what is left. In all, the output is as long as the input and in time with it: a network's
/// latency is taken off. It holds the samples, bit for bit, that a prewarmed [`Engine`] gives
/// for each channel, whatever the blocks and the number of cores. Memory does not grow with the
/// length of the recording.
#[derive(Debug)]
pub struct OfflinePlayer {
    way: Way,
    /// What is played by one engine.
    voices: usize,
    audio_channels: AudioChannels,
    latency: usize,
    /// Samples yet to come that answer none of the input.
    early: usize,
}

#[derive(Debug)]
enum Way {
    InOrder(InOrder),
    InParts(Box<InParts>),
}

impl Engine {
    /// Plays a whole signal of one channel: prewarmed, in time with the input (latency taken off), as long as
    /// it, with knobs at `controls` (none: their defaults).
    ///
    /// # Errors
    /// The description is not valid; as [`Engine::set_controls`].
    pub fn play(
        network: &Network,
        controls: &[f32],
        input: &[f32],
    ) -> Result<Vec<f32>, EngineError> {
        let mut output = Self::play_channels(network, controls, &[input])?;
        Ok(output.swap_remove(0))
    }

    /// The same of a signal of several channels, each on its own, or of all that a stereo network hears.
    ///
    /// # Errors
    /// As [`Engine::play`]; channels that the network does not hear.
    pub fn play_channels(
        network: &Network,
        controls: &[f32],
        input: &[&[f32]],
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        let mut player = OfflinePlayer::new(network, input.len())?;
        if !controls.is_empty() {
            player.set_controls(controls)?;
        }
        let len = input.first().map_or(0, |channel| channel.len());
        let made = (0..player.outputs()).map(|_| Vec::with_capacity(len));
        let mut output: Vec<Vec<f32>> = made.collect();
        player.push(input, &mut output);
        player.finish(&mut output);
        Ok(output)
    }
}

impl OfflinePlayer {
    /// A player for `channels` channels on all cores this process may use, knobs at their
    /// defaults.
    ///
    /// # Errors
    /// The description is not valid, or the channels are not those that a stereo network hears.
    pub fn new(network: &Network, channels: usize) -> Result<Self, EngineError> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Self::with_threads(network, channels, threads)
    }

    /// As [`OfflinePlayer::new`], on at most `threads` cores.
    ///
    /// # Errors
    /// As [`OfflinePlayer::new`].
    pub fn with_threads(
        network: &Network,
        channels: usize,
        threads: usize,
    ) -> Result<Self, EngineError> {
        let (network, threads) = (network.full(), threads.max(1));
        let audio_channels = network.audio_channels;
        let voices = match audio_channels.is_mono() {
            true => channels,
            false if channels == audio_channels.dry => 1,
            false => {
                return Err(EngineError::Channels {
                    got: channels,
                    expected: audio_channels.dry,
                });
            }
        };
        let first = Engine::new(network)?;
        let finite = network.receptive_field().filter(|_| !first.is_on_grid());
        let in_parts = match finite {
            Some(field) if threads > 1 && voices > 0 => {
                InParts::new((network, first), voices, field, threads)?
            }
            _ => None,
        };
        let way = match in_parts {
            Some(in_parts) => Way::InParts(Box::new(in_parts)),
            None => Way::InOrder(InOrder::new(network, voices, threads)?),
        };
        Ok(Self {
            way,
            voices,
            audio_channels,
            latency: network.latency_samples(),
            early: network.latency_samples(),
        })
    }

    /// Moves the knobs of all channels. What was pushed and not yet given back may be played with
    /// the new positions: to change them at a certain sample, use an [`Engine`]. Before the first
    /// push, they hold for the silence before the recording as well.
    ///
    /// # Errors
    /// As [`Engine::set_controls`].
    pub fn set_controls(&mut self, values: &[f32]) -> Result<(), EngineError> {
        match &mut self.way {
            Way::InOrder(way) => way.set_controls(values),
            Way::InParts(way) => way.set_controls(values),
        }
    }

    /// Channels that are made.
    pub fn outputs(&self) -> usize {
        self.voices * self.audio_channels.wet
    }

    /// Takes a block of every channel that is heard and appends to every one that is made what could be
    /// played so far, which may be nothing.
    ///
    /// # Panics
    /// `block` has another number of channels than the player was made for, `output` another than
    /// [`OfflinePlayer::outputs`], or the block's channels differ in length.
    pub fn push(&mut self, block: &[impl AsRef<[f32]>], output: &mut [Vec<f32>]) {
        let channels = self.voices * self.audio_channels.dry;
        assert_eq!(block.len(), channels, "channels pushed");
        assert_eq!(output.len(), self.outputs(), "channels to append to");
        let block: Vec<&[f32]> = block.iter().map(AsRef::as_ref).collect();
        let len = block.first().map_or(0, |samples| samples.len());
        for samples in &block {
            assert_eq!(samples.len(), len, "samples of every channel");
        }
        let before = lengths(output);
        match &mut self.way {
            Way::InOrder(way) => way.push(&block, output),
            Way::InParts(way) => way.push(&block, output),
        }
        self.take_early(&before, output);
    }

    /// Appends the rest, so that the output is as long as all that was pushed.
    ///
    /// # Panics
    /// `output` has another number of channels than [`OfflinePlayer::outputs`].
    pub fn finish(mut self, output: &mut [Vec<f32>]) {
        // The answer to the last samples comes while silence follows them.
        let silence = vec![vec![0.0; self.latency]; self.voices * self.audio_channels.dry];
        self.push(&silence, output);
        if let Way::InParts(way) = &mut self.way {
            let before = lengths(output);
            way.finish(output);
            self.take_early(&before, output);
        }
    }

    /// Takes what came early from what was appended behind `before`.
    fn take_early(&mut self, before: &[usize], output: &mut [Vec<f32>]) {
        let come = |(channel, before): (&Vec<f32>, &usize)| channel.len() - before;
        let come = output.iter().zip(before).map(come).min().unwrap_or(0);
        let early = self.early.min(come);
        for (channel, &before) in output.iter_mut().zip(before) {
            channel.drain(before..before + early);
        }
        self.early -= early;
    }
}

fn lengths(channels: &[Vec<f32>]) -> Vec<usize> {
    channels.iter().map(Vec::len).collect()
}
