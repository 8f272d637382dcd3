//! Playing whole recordings with all cores.
//!
//! Channels are independent (the two sides of a stereo effect are played by one engine), so they are
//! played side by side. Where there are more cores than channels, time is divided as well: a network with a finite receptive field forgets, so an
//! engine that has heard one receptive field of context gives the same samples, bit for bit, as
//! one that heard everything. The recording is taken in stretches, a stretch is cut into parts
//! that begin with their context, and the first part goes on where the last stretch ended.
//! Networks that never forget, and those on a grid (of windows, or of the blocks of a long
//! filter), play each channel in order.

use super::block::CHUNK;
use super::{Engine, EngineError};
use crate::audio::AudioChannels;
use crate::network::Network;
use std::thread;

/// Parts shorter than this many receptive fields would mostly compute context.
const SHORTEST_PART: usize = 4;
/// A part in the middle of a recording has this many receptive fields: 6 % is context.
const WANTED_PART: usize = 16;
/// Bounds on the length of a part in samples: work enough for a thread's start not to matter,
/// and memory enough for every core's part.
const PART_LEN: (usize, usize) = (1 << 14, 1 << 20);

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
    voices: Vec<Voice>,
    audio_channels: AudioChannels,
    threads: usize,
    receptive_field: usize,
    /// Samples of each channel that are played at a time.
    stretch: usize,
    /// Whether anything was played.
    started: bool,
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

/// The engines of what is played at once, one channel or a stereo effect, and what they have yet to
/// play.
#[derive(Debug)]
struct Voice {
    /// The first continues where the last stretch ended; each further one takes a part.
    engines: Vec<Engine>,
    /// Of every channel that is heard.
    pending: Vec<Vec<f32>>,
    /// How many samples of them were played since the last push.
    done: usize,
    /// Output samples before the one that answers the first input sample.
    early: usize,
}

/// A part of what one voice plays, a slice for each channel.
struct Part<'a> {
    engine: &'a mut Engine,
    /// What to hear first, from nothing; `None`: the engine goes on.
    context: Option<Vec<&'a [f32]>>,
    input: Vec<&'a [f32]>,
    output: Vec<&'a mut [f32]>,
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
        let on_grid = Engine::new(network)?.is_on_grid();
        let finite = network.receptive_field().filter(|_| !on_grid);
        // As few parts as give every core the same number of them.
        let parts = match finite {
            Some(_) => threads / gcd(threads, voices.max(1)),
            None => 1,
        };
        let mut made = Vec::with_capacity(voices);
        for _ in 0..voices {
            let engines = (0..parts).map(|_| Engine::new(network));
            made.push(Voice {
                engines: engines.collect::<Result<Vec<_>, _>>()?,
                pending: vec![Vec::new(); audio_channels.dry],
                done: 0,
                early: network.latency_samples(),
            });
        }
        let receptive_field = finite.unwrap_or(1);
        let (shortest, longest) = PART_LEN;
        let part = WANTED_PART.saturating_mul(receptive_field);
        Ok(Self {
            voices: made,
            audio_channels,
            threads,
            receptive_field,
            stretch: parts.saturating_mul(part.clamp(shortest, longest)),
            started: false,
        })
    }

    /// Moves the knobs of all channels. What was pushed and not yet given back is played with
    /// the new positions: to change them at a certain sample, use an [`Engine`]. Before the first
    /// push, they hold for the silence before the recording as well.
    ///
    /// # Errors
    /// As [`Engine::set_controls`].
    pub fn set_controls(&mut self, values: &[f32]) -> Result<(), EngineError> {
        let voices = self.voices.iter_mut();
        let mut engines = voices.flat_map(|voice| &mut voice.engines);
        engines.try_for_each(|engine| engine.set_controls(values))
    }

    /// Channels that are made.
    pub fn outputs(&self) -> usize {
        self.voices.len() * self.audio_channels.wet
    }

    /// Takes a block of every channel that is heard and appends to every one that is made what could be
    /// played so far, which may be nothing.
    ///
    /// # Panics
    /// `block` has another number of channels than the player was made for, `output` another than
    /// [`OfflinePlayer::outputs`], or the block's channels differ in length.
    pub fn push(&mut self, block: &[impl AsRef<[f32]>], output: &mut [Vec<f32>]) {
        let channels = self.voices.len() * self.audio_channels.dry;
        assert_eq!(block.len(), channels, "channels pushed");
        assert_eq!(output.len(), self.outputs(), "channels to append to");
        let len = block.first().map_or(0, |samples| samples.as_ref().len());
        let heard = self.voices.iter_mut().flat_map(|voice| &mut voice.pending);
        for (pending, samples) in heard.zip(block) {
            let samples = samples.as_ref();
            assert_eq!(samples.len(), len, "samples of every channel");
            pending.extend_from_slice(samples);
        }
        while self.waiting() >= self.stretch {
            self.play(self.stretch, output);
        }
        for voice in &mut self.voices {
            for pending in &mut voice.pending {
                pending.drain(..voice.done);
            }
            voice.done = 0;
        }
    }

    /// Appends the rest, so that the output is as long as all that was pushed.
    ///
    /// # Panics
    /// `output` has another number of channels than [`OfflinePlayer::outputs`].
    pub fn finish(mut self, output: &mut [Vec<f32>]) {
        assert_eq!(output.len(), self.outputs(), "channels to append to");
        for voice in &mut self.voices {
            // The answer to the last samples comes while silence follows them.
            let latency = voice.engines.first().map_or(0, Engine::latency_samples);
            for pending in &mut voice.pending {
                pending.resize(pending.len() + latency, 0.0);
            }
        }
        while self.waiting() > 0 {
            self.play(self.waiting().min(self.stretch), output);
        }
    }

    /// Samples of each channel that were pushed and not played.
    fn waiting(&self) -> usize {
        let first = self.voices.first();
        first.map_or(0, |v| v.pending.first().map_or(0, Vec::len) - v.done)
    }

    /// Plays the next `len` samples of every channel.
    fn play(&mut self, len: usize, output: &mut [Vec<f32>]) {
        let shortest = SHORTEST_PART * self.receptive_field.max(CHUNK);
        let context = self.receptive_field - 1;
        if !self.started {
            let first = self.voices.iter_mut().flat_map(|v| v.engines.first_mut());
            first.for_each(Engine::prewarm);
            self.started = true;
        }
        let wet = self.audio_channels.wet;
        let mut parts = Vec::new();
        for (voice, output) in self.voices.iter_mut().zip(output.chunks_mut(wet)) {
            voice.divide(len, shortest, context, output, &mut parts);
        }
        run(parts, self.threads);
        for (voice, output) in self.voices.iter_mut().zip(output.chunks_mut(wet)) {
            voice.played(len, shortest, output);
        }
    }
}

impl Voice {
    /// The length of all parts but the last, and their number, for the next `len` samples.
    fn cut(&self, len: usize, shortest: usize) -> (usize, usize) {
        let most = (len / shortest).clamp(1, self.engines.len());
        let part_len = len.div_ceil(most).max(1);
        (part_len, len.div_ceil(part_len))
    }

    /// Appends the next `len` samples to `parts`, to be played into the end of `output`.
    fn divide<'a>(
        &'a mut self,
        len: usize,
        shortest: usize,
        context: usize,
        output: &'a mut [Vec<f32>],
        parts: &mut Vec<Part<'a>>,
    ) {
        let (part_len, count) = self.cut(len, shortest);
        let begins = parts.len();
        let (pending, done) = (&self.pending, self.done);
        let heard = |from: usize, to: usize| -> Vec<&[f32]> {
            let stretch = pending.iter().map(|channel| &channel[done..done + len]);
            stretch.map(|channel| &channel[from..to]).collect()
        };
        for (i, engine) in self.engines.iter_mut().take(count).enumerate() {
            let at = i * part_len;
            parts.push(Part {
                engine,
                // A part is longer than its context, so this lies within the stretch.
                context: (i > 0).then(|| heard(at - context, at)),
                input: heard(at, (at + part_len).min(len)),
                output: Vec::new(),
            });
        }
        for channel in output {
            let start = channel.len();
            channel.resize(start + len, 0.0);
            let pieces = channel[start..].chunks_mut(part_len);
            for (part, piece) in parts[begins..].iter_mut().zip(pieces) {
                part.output.push(piece);
            }
        }
    }

    /// Counts what was played and takes from `output` what came early.
    fn played(&mut self, len: usize, shortest: usize, output: &mut [Vec<f32>]) {
        let (_, parts) = self.cut(len, shortest);
        // Whichever engine played the end of the stretch begins the next.
        self.engines.swap(0, parts.saturating_sub(1));
        self.done += len;
        let early = self.early.min(len);
        for channel in output {
            let start = channel.len() - len;
            channel.drain(start..start + early);
        }
        self.early -= early;
    }
}

impl Part<'_> {
    fn play(mut self) {
        if let Some(context) = self.context {
            self.engine.reset();
            self.engine.hear(&context);
        }
        self.engine.process_channels(&self.input, &mut self.output);
    }
}

/// Plays the parts, on at most `threads` threads.
fn run(parts: Vec<Part>, threads: usize) {
    let threads = threads.min(parts.len());
    if threads < 2 {
        return parts.into_iter().for_each(Part::play);
    }
    // Parts are of one length but for the last of each voice, so dealing them out is fair.
    let mut hands: Vec<Vec<Part>> = (0..threads).map(|_| Vec::new()).collect();
    for (i, part) in parts.into_iter().enumerate() {
        hands[i % threads].push(part);
    }
    thread::scope(|scope| {
        for hand in hands {
            scope.spawn(|| hand.into_iter().for_each(Part::play));
        }
    });
}

/// The greatest common divisor.
fn gcd(a: usize, b: usize) -> usize {
    match b {
        0 => a,
        _ => gcd(b, a % b),
    }
}
