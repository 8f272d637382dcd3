//! The player of one channel, block by block.

use super::EngineError;
use super::block::{Block, CHUNK};
use super::long_filter::LongFilter;
use super::node::{Node, Plannable};
use super::plan::Plan;
use crate::network::{Architecture, Network, settling_samples};
use crate::simd::Isa;

/// A network that plays one channel of audio.
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
        let block = Block::new(net.widest().max(inputs), &plan)?;
        let network = Facts {
            sample_rate: network.sample_rate,
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

    /// Plays a whole sound from rest, knobs as they stand: after [`Engine::prewarm`], latency taken
    /// off, as long as `input`.
    pub fn play_from_rest(&mut self, input: &[f32]) -> Vec<f32> {
        self.reset();
        self.prewarm();
        let latency = self.latency_samples();
        let mut output = vec![0.0; input.len() + latency];
        let mut late = input.to_vec();
        late.resize(output.len(), 0.0);
        self.process(&late, &mut output);
        output.drain(..latency);
        output
    }

    /// Plays `input` and drops the output.
    pub(super) fn hear(&mut self, input: &[f32]) {
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
