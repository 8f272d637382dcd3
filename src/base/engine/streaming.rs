//! The player of one channel, or of both sides of a stereo effect, block by block.

use super::EngineError;
use super::block::{Block, CHUNK};
use super::long_filter::LongFilter;
use super::node::{Node, Plannable};
use super::plan::Plan;
use crate::audio::AudioChannels;
use crate::network::{Architecture, Network, settling_samples};
use crate::simd::Isa;

/// A network that plays one channel of audio, or several at once ([`Engine::audio_channels`]).
#[derive(Debug)]
pub struct Engine {
    net: Box<dyn Node>,
    tail: Option<LongFilter>,
    block: Block,
    /// Rows the network reads: the audio, and the knobs where they enter as channels.
    inputs: usize,
    network: Facts,
    controls: Vec<f32>,
}

/// What the engine remembers of the description.
#[derive(Clone, Debug)]
struct Facts {
    sample_rate: u32,
    audio_channels: AudioChannels,
    latency_samples: usize,
    receptive_field: Option<usize>,
    prewarm_samples: usize,
    is_on_grid: bool,
    control_names: Vec<String>,
}

impl Engine {
    /// Plans `network` (the full size of a slimmable one) for the fastest instruction set of this
    /// machine, knobs at their defaults, nothing heard yet.
    ///
    /// # Errors
    /// The description is not valid.
    pub fn new(network: &Network) -> Result<Self, EngineError> {
        Self::with_isa(network, Isa::detect())
    }

    /// As [`Engine::new`], for one instruction set (plain Rust where the machine lacks it).
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn with_isa(network: &Network, isa: Isa) -> Result<Self, EngineError> {
        network.validate()?;
        let network = network.full();
        let controls: Vec<f32> = network.controls.iter().map(|c| c.default).collect();
        let plan = Plan::new(isa, controls.len());
        let inputs = network.architecture.input_channels();
        let net = network.architecture.node(inputs, &plan)?;
        let tail = match network.tail.as_slice() {
            [] => None,
            taps => Some(LongFilter::new(taps, 0.0, &plan)?),
        };
        let audio_channels = network.audio_channels;
        let rows = inputs.max(audio_channels.wet);
        let block = Block::new(net.widest().max(rows), &plan)?;
        let network = Facts {
            sample_rate: network.sample_rate,
            audio_channels,
            latency_samples: network.latency_samples(),
            receptive_field: network.receptive_field(),
            prewarm_samples: prewarm_samples(network),
            is_on_grid: plan.is_on_grid(),
            control_names: network.controls.iter().map(|c| c.name.clone()).collect(),
        };
        let mut engine = Self {
            net,
            tail,
            block,
            inputs,
            network,
            controls,
        };
        engine.apply_controls();
        Ok(engine)
    }

    /// The rate the network was trained at, in hertz. Audio at another rate must be resampled.
    pub fn sample_rate(&self) -> u32 {
        self.network.sample_rate
    }

    /// Channels of sound that it hears and makes.
    pub fn audio_channels(&self) -> AudioChannels {
        self.network.audio_channels
    }

    /// How many samples the output lags behind the input.
    pub fn latency_samples(&self) -> usize {
        self.network.latency_samples
    }

    /// How many input samples influence one output sample; `None`: all before it.
    pub fn receptive_field(&self) -> Option<usize> {
        self.network.receptive_field
    }

    /// Whether rounding depends on where the first sample was: parts of a recording that are
    /// played on their own then agree to rounding only, not to the last bit.
    pub(super) fn is_on_grid(&self) -> bool {
        self.network.is_on_grid
    }

    /// How many zero samples [`Engine::prewarm`] plays.
    pub fn prewarm_samples(&self) -> usize {
        self.network.prewarm_samples
    }

    /// Moves the knobs, in the description's order. Takes effect with the next sample.
    ///
    /// # Errors
    /// The wrong number of values, or a value that is not finite.
    pub fn set_controls(&mut self, values: &[f32]) -> Result<(), EngineError> {
        let names = &self.network.control_names;
        if values.len() != names.len() {
            let (got, expected) = (values.len(), names.len());
            return Err(EngineError::Controls {
                got,
                expected,
                names: names.join(", "),
            });
        }
        if let Some((name, value)) = names.iter().zip(values).find(|(_, v)| !v.is_finite()) {
            return Err(EngineError::ControlValue {
                name: name.clone(),
                value: *value,
            });
        }
        self.controls.copy_from_slice(values);
        self.apply_controls();
        Ok(())
    }

    fn apply_controls(&mut self) {
        self.net.set_controls(&self.controls);
    }

    /// Plays silence until the network has settled, as players of the field do on loading:
    /// one receptive field, or half a second for networks with unlimited memory.
    pub fn prewarm(&mut self) {
        let mut left = self.network.prewarm_samples;
        while left > 0 {
            let len = left.min(CHUNK);
            for row in 0..self.network.audio_channels.dry {
                self.block.row_mut(row, len).fill(0.0);
            }
            self.pass(len);
            left -= len;
        }
    }

    /// Plays a block of any length, of one channel.
    ///
    /// Input that is not finite counts as silence: one such sample must not stay in a recurrent
    /// state for ever.
    ///
    /// # Panics
    /// `input` and `output` differ in length, or the network hears or makes several channels.
    pub fn process(&mut self, input: &[f32], output: &mut [f32]) {
        self.process_channels(&[input], &mut [output]);
    }

    /// Plays a block of any length, of all channels that the network hears, into all that it makes.
    ///
    /// # Panics
    /// The channels are not [`Engine::audio_channels`], or differ in length.
    pub fn process_channels(&mut self, input: &[&[f32]], output: &mut [&mut [f32]]) {
        let AudioChannels { dry, wet } = self.network.audio_channels;
        assert_eq!(input.len(), dry, "channels of input");
        assert_eq!(output.len(), wet, "channels of output");
        let total = input.first().map_or(0, |channel| channel.len());
        let one_length = input.iter().all(|channel| channel.len() == total)
            && output.iter().all(|channel| channel.len() == total);
        assert!(one_length, "input and output of one length are needed");
        for from in (0..total).step_by(CHUNK) {
            let to = (from + CHUNK).min(total);
            for (row, channel) in input.iter().enumerate() {
                self.take(row, &channel[from..to]);
            }
            self.pass(to - from);
            for (row, channel) in output.iter_mut().enumerate() {
                channel[from..to].copy_from_slice(self.block.row(row, to - from));
            }
        }
    }

    /// Plays a whole sound from rest, knobs as they stand: after [`Engine::prewarm`], latency taken
    /// off, as long as `input`. A stereo effect hears it on all channels; the answer is one of those
    /// that it makes, from 0.
    pub fn play_from_rest(&mut self, input: &[f32], channel: usize) -> Vec<f32> {
        self.reset();
        self.prewarm();
        let AudioChannels { dry, wet } = self.network.audio_channels;
        let latency = self.latency_samples();
        let mut late = input.to_vec();
        late.resize(input.len() + latency, 0.0);
        let mut output = vec![vec![0.0; late.len()]; wet];
        let heard = vec![late.as_slice(); dry];
        let mut made: Vec<&mut [f32]> = output.iter_mut().map(Vec::as_mut_slice).collect();
        self.process_channels(&heard, &mut made);
        let mut answer = output.swap_remove(channel);
        answer.drain(..latency);
        answer
    }

    /// Plays `input` and drops the output.
    pub(super) fn hear(&mut self, input: &[&[f32]]) {
        let total = input.first().map_or(0, |channel| channel.len());
        for from in (0..total).step_by(CHUNK) {
            let to = (from + CHUNK).min(total);
            for (row, channel) in input.iter().enumerate() {
                self.take(row, &channel[from..to]);
            }
            self.pass(to - from);
        }
    }

    /// Puts `input` into a row.
    fn take(&mut self, row: usize, input: &[f32]) {
        for (to, from) in self.block.row_mut(row, input.len()).iter_mut().zip(input) {
            *to = audible(*from);
        }
    }

    /// One pass over what stands in the first rows.
    fn pass(&mut self, len: usize) {
        let sound = self.network.audio_channels.dry;
        if self.inputs > sound {
            for (i, value) in self.controls.iter().enumerate() {
                self.block.row_mut(sound + i, len).fill(*value);
            }
        }
        self.net.process(&mut self.block, len);
        if let Some(tail) = &mut self.tail {
            tail.process(&mut self.block, len);
        }
    }

    /// Forgets everything heard; the knobs stay. Not prewarmed.
    pub fn reset(&mut self) {
        self.net.reset();
        if let Some(tail) = &mut self.tail {
            tail.reset();
        }
    }
}

/// The sample, or silence where it is below −300 dBFS or not finite.
#[inline]
fn audible(x: f32) -> f32 {
    let size = x.abs();
    if (1e-15..=f32::MAX).contains(&size) {
        x
    } else {
        0.0
    }
}

fn prewarm_samples(network: &Network) -> usize {
    match (&network.architecture, network.receptive_field()) {
        // Windows stand on a grid from the first sample on, which silence before it would shift.
        (Architecture::Window(_), _) => 0,
        (_, Some(receptive_field)) => receptive_field - 1,
        (_, None) => settling_samples(network.sample_rate),
    }
}
