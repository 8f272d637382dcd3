//! Streaming inference: a described network plays audio block by block.
//!
//! Plain arithmetic on slices, without tensors and without gradients. What someone would embed
//! in a plugin: [`Engine::load`] (or [`Engine::new`] for a network at hand), then
//! [`Engine::prewarm`], [`Engine::process`], [`Engine::reset`], [`Engine::latency_samples`].
//! Whole recordings are faster through an [`OfflinePlayer`]. Knows nothing of files (`load`
//! stands with the formats), training or the command line.
//!
//! Everything is allocated when the engine is made; [`Engine::process`] neither allocates nor
//! locks, takes blocks of any length, and gives the same samples, bit for bit, however a signal
//! is cut into blocks.
//!
//! Denormal numbers: processors are up to a hundred times slower on them, and a decaying state
//! would stay among them for long. Rust gives no sound way to switch them off for a while, so
//! they are kept from arising instead: input below −300 dBFS counts as silence and states that
//! decay (recurrent, state space) are cut to zero at −500 dB after every pass.

mod activation;
mod block;
mod matrix;
mod offline;
mod ops;
mod plan;
mod recurrent;
pub mod reference;
mod sequence;
mod state_space;
pub mod timing;
mod wavenet;
mod window;

pub use offline::OfflinePlayer;

use crate::network::{Architecture, DescriptionError, Network};
use crate::simd::Isa;
use block::{Block, CHUNK};
use plan::{Plan, Planned};

/// Why a network cannot be played.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EngineError {
    /// The description is not a network.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// The wrong number of knob positions.
    #[error("{got} control values given, the network has {expected}: {names}")]
    Controls {
        /// Values given.
        got: usize,
        /// Knobs.
        expected: usize,
        /// Their names.
        names: String,
    },
    /// A knob position that is no number.
    #[error("control {name} = {value}; a finite number is needed")]
    ControlValue {
        /// The knob.
        name: String,
        /// What was given.
        value: f32,
    },
}

/// A network that plays one channel of audio.
#[derive(Debug)]
pub struct Engine {
    net: Planned,
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
    latency_samples: usize,
    receptive_field: Option<usize>,
    prewarm_samples: usize,
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
        let controls = control_values(network, &[])?;
        let plan = Plan::new(isa, controls.len());
        let net = Planned::new(&network.architecture, &plan)?;
        let inputs = network.architecture.input_channels();
        let block = Block::new(net.widest().max(inputs), &plan)?;
        let network = Facts {
            sample_rate: network.sample_rate,
            latency_samples: network.latency_samples(),
            receptive_field: network.receptive_field(),
            prewarm_samples: prewarm_samples(network),
            control_names: network.controls.iter().map(|c| c.name.clone()).collect(),
        };
        let mut engine = Self {
            net,
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

    /// How many samples the output lags behind the input.
    pub fn latency_samples(&self) -> usize {
        self.network.latency_samples
    }

    /// How many input samples influence one output sample; `None`: all before it.
    pub fn receptive_field(&self) -> Option<usize> {
        self.network.receptive_field
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
            self.block.row_mut(0, len).fill(0.0);
            self.pass(len);
            left -= len;
        }
    }

    /// Plays a block of any length.
    ///
    /// Input that is not finite counts as silence: one such sample must not stay in a recurrent
    /// state for ever.
    ///
    /// # Panics
    /// `input` and `output` differ in length.
    pub fn process(&mut self, input: &[f32], output: &mut [f32]) {
        assert_eq!(
            input.len(),
            output.len(),
            "input and output of one length are needed"
        );
        for (input, output) in input.chunks(CHUNK).zip(output.chunks_mut(CHUNK)) {
            self.take(input);
            self.pass(input.len());
            output.copy_from_slice(self.block.row(0, input.len()));
        }
    }

    /// Plays a whole signal: prewarmed, in time with the input (latency taken off), as long as
    /// it, with knobs at `controls` (none: their defaults).
    ///
    /// # Errors
    /// The description is not valid; as [`Engine::set_controls`].
    pub fn play(
        network: &Network,
        controls: &[f32],
        input: &[f32],
    ) -> Result<Vec<f32>, EngineError> {
        let mut player = OfflinePlayer::new(network, 1)?;
        if !controls.is_empty() {
            player.set_controls(controls)?;
        }
        let mut output = [Vec::with_capacity(input.len())];
        player.push(&[input], &mut output);
        player.finish(&mut output);
        let [output] = output;
        Ok(output)
    }

    /// Plays `input` and drops the output.
    fn hear(&mut self, input: &[f32]) {
        for input in input.chunks(CHUNK) {
            self.take(input);
            self.pass(input.len());
        }
    }

    /// Puts `input` into the first row.
    fn take(&mut self, input: &[f32]) {
        for (to, from) in self.block.row_mut(0, input.len()).iter_mut().zip(input) {
            *to = audible(*from);
        }
    }

    /// One pass over what stands in the first row.
    fn pass(&mut self, len: usize) {
        if self.inputs > 1 {
            for (i, value) in self.controls.iter().enumerate() {
                self.block.row_mut(1 + i, len).fill(*value);
            }
        }
        self.net.process(&mut self.block, len);
    }

    /// Forgets everything heard; the knobs stay. Not prewarmed.
    pub fn reset(&mut self) {
        self.net.reset();
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
        (_, None) => network.sample_rate as usize / 2,
    }
}

/// Knob positions: those given, or the defaults where none are given.
pub(crate) fn control_values(network: &Network, given: &[f32]) -> Result<Vec<f32>, EngineError> {
    if given.is_empty() {
        return Ok(network.controls.iter().map(|c| c.default).collect());
    }
    if given.len() != network.controls.len() {
        let names: Vec<&str> = network.controls.iter().map(|c| c.name.as_str()).collect();
        let (got, expected) = (given.len(), network.controls.len());
        return Err(EngineError::Controls {
            got,
            expected,
            names: names.join(", "),
        });
    }
    Ok(given.to_vec())
}
