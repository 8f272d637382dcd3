//! The plain description of a trained network: its architecture and its weights as numbers.
//!
//! The network code turns into it and comes from it, the engine plays it, the file formats read
//! and write it. It knows no tensor, no file and no arithmetic beyond counting: sizes, weights,
//! multiply-adds, receptive field, latency.
//!
//! Every description that comes from outside goes through [`Network::validate`] before anything
//! is allocated for it: a hostile file can lie about sizes, and all counting here is checked.

mod activation;
mod bounds;
mod error;
mod function;
mod knob_range;
mod layer;
mod linear;
mod part;
mod sequential;
mod slimmable;
mod wavenet;
mod window;

pub use crate::audio::AudioChannels;
pub use crate::dsp::modulation::Part as MovedPart;

pub use activation::Activation;
pub use bounds::{MAX_CHANNELS, MAX_DEPTH, MAX_HISTORY, MAX_LAYERS, MAX_TAIL, MAX_WEIGHTS};
pub use error::DescriptionError;
pub use function::Function;
pub use knob_range::KnobRange;
pub use layer::{
    Affine, Branches, Conv1d, Delay, Film, Gru, Join, Layer, Lstm, Modulated, Residual, S4d, Split,
    TemporalFilm,
};
pub use sequential::Sequential;
pub use slimmable::{Slimmable, Submodel};
pub use wavenet::{Gating, LayerArray, LayerFilms, PostStackHead, WaveFilm, WaveLayer, WaveNet};
pub use window::{Dense, WindowNetwork};

pub(crate) use bounds::bounded;
pub(crate) use layer::{Glu, MAX_MOVING_DELAY, with_layer};
pub(crate) use part::Part;

use crate::limits::MAX_SAMPLE_RATE;
use bounds::{channels, numbers, too_large};
use serde::{Deserialize, Serialize};

/// A trained network, ready to be played or written to a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// What it is made of.
    pub architecture: Architecture,
    /// The rate it was trained at, in hertz.
    pub sample_rate: u32,
    /// Channels of sound that it hears and makes at once.
    #[serde(default, skip_serializing_if = "AudioChannels::is_mono")]
    pub audio_channels: AudioChannels,
    /// Knobs, in the order the network takes them.
    #[serde(default)]
    pub controls: Vec<Control>,
    /// How many samples the output lags behind what it predicts: a network trained to look ahead
    /// (the convolution networks of the seeds) gives at time t the wet sample of time
    /// t − `delay_samples`. On top of what the architecture itself needs;
    /// [`Network::latency_samples`] gives the sum.
    #[serde(default)]
    pub delay_samples: usize,
    /// Impulse response of a filter that all output goes through, its newest tap first: the
    /// loudspeaker, the echo or the room behind the rest. Empty where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tail: Vec<f32>,
}

/// One knob, in what the network hears of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// What the knob is called ("gain").
    pub name: String,
    /// The lowest value seen in training.
    pub min: f32,
    /// The highest value seen in training.
    pub max: f32,
    /// Where it stands unless told otherwise.
    pub default: f32,
    /// What it shows where the network hears 0 and 1. Absent: what the network hears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<KnobRange>,
}

impl Control {
    /// What the network hears where the knob shows `number`.
    pub fn heard(&self, number: f32) -> f32 {
        self.range.map_or(number, |range| range.heard(number))
    }

    /// The same in what the knob shows.
    pub fn shown(&self) -> Control {
        let [min, max, default] =
            [self.min, self.max, self.default].map(|heard| self.number(heard));
        Control {
            name: self.name.clone(),
            min: min.min(max),
            max: max.max(min),
            default,
            range: None,
        }
    }

    /// What the knob shows where the network hears `heard`.
    pub fn number(&self, heard: f32) -> f32 {
        self.range.map_or(heard, |range| range.number(heard))
    }
}

/// The kinds of network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Architecture {
    /// Stacks of dilated convolutions whose layers all feed one head.
    WaveNet(WaveNet),
    /// One layer after another: recurrent networks, convolution networks, TCN, state space,
    /// filters and clippers, FIR.
    Sequential(Sequential),
    /// Window in, window out: the seeds' dense networks.
    Window(WindowNetwork),
    /// One capture in several sizes.
    Slimmable(Slimmable),
}

/// Silence after which a memory has settled: half a second, as in players of the field. Training,
/// tests and players all start from there.
pub const fn settling_samples(sample_rate: u32) -> usize {
    sample_rate as usize / 2
}

/// Weights under the name that `training.freeze` takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// `branches.0.encoder`, …
    pub name: String,
    /// Lengths of its axes.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f32>,
}

impl Network {
    /// A network of one channel without knobs or lag.
    pub fn new(architecture: Architecture, sample_rate: u32) -> Self {
        Self {
            architecture,
            sample_rate,
            audio_channels: AudioChannels::MONO,
            controls: Vec::new(),
            delay_samples: 0,
            tail: Vec::new(),
        }
    }

    /// Checks that all sizes fit together, that every list of numbers has the length its sizes
    /// call for, that every number is finite and that the totals are within bounds.
    ///
    /// # Errors
    /// The first fault found, saying where it is.
    pub fn validate(&self) -> Result<(), DescriptionError> {
        self.validate_at(0)
    }

    fn validate_at(&self, depth: usize) -> Result<(), DescriptionError> {
        if !(1..=MAX_SAMPLE_RATE).contains(&self.sample_rate) {
            let why = format!(
                "is {} Hz; it must be 1 to {MAX_SAMPLE_RATE} Hz",
                self.sample_rate
            );
            return Err(DescriptionError::invalid("sample_rate", why));
        }
        if depth > MAX_DEPTH {
            return Err(too_large("nesting of networks", depth, MAX_DEPTH));
        }
        for control in &self.controls {
            let finite = [control.min, control.max, control.default]
                .iter()
                .all(|v| v.is_finite());
            if !finite || control.min > control.max {
                let why = "needs finite min ≤ max and a finite default";
                return Err(DescriptionError::invalid(
                    format!("control \"{}\"", control.name),
                    why,
                ));
            }
            if control.range.is_some_and(|range| !range.is_valid()) {
                return Err(DescriptionError::invalid(
                    format!("range of control \"{}\"", control.name),
                    "needs two finite numbers that differ",
                ));
            }
        }
        bounded("taps of the tail", Some(self.tail.len()), MAX_TAIL)?;
        numbers("tail", &self.tail, Some(self.tail.len()))?;
        let audio = self.audio_channels;
        if !audio.is_known() {
            let why = "give one dry and one wet channel, or two wet and one or two dry";
            return Err(DescriptionError::invalid("audio_channels", why));
        }
        if !audio.is_mono() && !self.tail.is_empty() {
            let why = "is one filter, for a network of one channel";
            return Err(DescriptionError::invalid("tail", why));
        }
        if let Architecture::Slimmable(slimmable) = &self.architecture {
            if !self.tail.is_empty() {
                let why = "belongs to one size; a network of several has none";
                return Err(DescriptionError::invalid("tail", why));
            }
            return slimmable.check_sizes(self, depth);
        }
        self.architecture.check_bounds(depth)?;
        let inputs = self.architecture.input_channels();
        if inputs != audio.dry {
            channels("network input", inputs, audio.dry + self.controls.len())?;
        }
        let whole = self.architecture.part();
        let outputs = whole.check(inputs, self.controls.len())?;
        channels("network output", outputs, audio.wet)
    }

    /// The same without its tail.
    pub fn without_tail(&self) -> Self {
        Self {
            tail: Vec::new(),
            ..self.clone()
        }
    }

    /// Numbers learned, as [`Part::cost`] counts them; a slimmable network counts all its sizes.
    pub fn weight_count(&self) -> usize {
        let cost = self.architecture.part().cost();
        cost.map_or(usize::MAX, |c| c.weights.saturating_add(self.tail.len()))
    }

    /// Multiply-adds per sample in the direct form (a tail is played by FFT); a slimmable network
    /// counts its full size.
    pub fn macs_per_sample(&self) -> usize {
        let network = self.full();
        let cost = network.architecture.part().cost();
        cost.map_or(usize::MAX, |c| c.macs.saturating_add(network.tail.len()))
    }

    /// How many input samples influence one output sample, the present one included; `None` for
    /// recurrent and state-space networks, which never forget entirely.
    pub fn receptive_field(&self) -> Option<usize> {
        let network = self.full();
        let context = network.architecture.part().context()?;
        context.checked_add(network.tail.len().max(1))
    }

    /// How many samples the output lags behind what was asked: the architecture's own look-ahead
    /// plus what it was trained with.
    pub fn latency_samples(&self) -> usize {
        let network = self.full();
        let own = match &network.architecture {
            Architecture::Window(window) => window.window_len.saturating_sub(1),
            _ => 0,
        };
        own.saturating_add(network.delay_samples)
    }

    /// The network itself, or the full size of a slimmable one.
    pub fn full(&self) -> &Network {
        match &self.architecture {
            Architecture::Slimmable(slimmable) => slimmable.select(f64::INFINITY).unwrap_or(self),
            _ => self,
        }
    }

    /// The network itself, or the sizes of a slimmable one, smallest first.
    pub fn sizes(&self) -> Vec<&Network> {
        match &self.architecture {
            Architecture::Slimmable(slimmable) => {
                let sizes = slimmable.submodels.iter();
                sizes.map(|s| s.network.as_ref()).collect()
            }
            _ => vec![self],
        }
    }

    /// The name people know this kind of network by.
    pub fn family(&self) -> &'static str {
        self.architecture.family()
    }

    /// What moves in it by a clock of its own, where something does; of a stereo effect on the left.
    pub fn modulated(&self) -> Option<&Modulated> {
        let Architecture::Sequential(sequential) = &self.architecture else {
            return None;
        };
        match sequential.layers.as_slice() {
            [Layer::Branches(sides)] => moved(sides.branches.first()?),
            layers => moved(layers),
        }
    }

    /// By how much what moves is ahead on the right of a stereo effect, radians; 0 of others.
    pub fn ahead(&self) -> f64 {
        let right = match &self.architecture {
            Architecture::Sequential(sequential) => match sequential.layers.as_slice() {
                [Layer::Branches(sides)] => sides.branches.get(1).and_then(|side| moved(side)),
                _ => None,
            },
            _ => None,
        };
        right.map_or(0.0, |right| f64::from(right.ahead))
    }
}

/// What moves, where it is all that there is.
fn moved(layers: &[Layer]) -> Option<&Modulated> {
    match layers {
        [Layer::Modulated(modulated)] => Some(modulated),
        _ => None,
    }
}

impl Architecture {
    /// What every kind can say of itself.
    pub(crate) fn part(&self) -> &dyn Part {
        match self {
            Self::WaveNet(wavenet) => wavenet,
            Self::Sequential(sequential) => sequential,
            Self::Window(window) => window,
            Self::Slimmable(slimmable) => slimmable,
        }
    }

    /// The shape in one line ("2 arrays: 16 channels, 10 layers, kernel 3, Tanh; …").
    pub fn shape(&self) -> String {
        self.part().shape()
    }

    /// Channels of input: the audio, and the knobs where they enter as channels.
    pub fn input_channels(&self) -> usize {
        match self {
            Self::WaveNet(wavenet) => wavenet.input_channels,
            Self::Sequential(sequential) => sequential.input_channels,
            Self::Window(_) => 1,
            Self::Slimmable(slimmable) => {
                let full = slimmable.submodels.last();
                full.map_or(1, |s| s.network.architecture.input_channels())
            }
        }
    }

    /// The name people know this kind of network by.
    pub fn family(&self) -> &'static str {
        match self {
            Self::WaveNet(_) => "WaveNet",
            Self::Sequential(sequential) => sequential.family(),
            Self::Window(_) => "Window",
            Self::Slimmable(_) => "SlimmableContainer",
        }
    }

    /// Bounds on the totals, checked before anything walks the weights.
    fn check_bounds(&self, depth: usize) -> Result<(), DescriptionError> {
        if let Self::WaveNet(WaveNet {
            condition: Some(condition),
            ..
        }) = self
        {
            if depth >= MAX_DEPTH {
                return Err(too_large("nesting of networks", depth + 1, MAX_DEPTH));
            }
            let checked = condition.check_bounds(depth + 1);
            checked.map_err(|e| e.within("condition"))?;
        }
        // Layers nest; the walk over them must not exhaust the stack.
        let layers = self.part().depth(MAX_DEPTH + 1);
        bounded("nesting of layers", Some(layers), MAX_DEPTH)?;
        let cost = self.part().cost();
        bounded("layer count", cost.map(|c| c.layers), MAX_LAYERS)?;
        bounded("weight count", cost.map(|c| c.weights), MAX_WEIGHTS)?;
        bounded(
            "history over all channels",
            cost.map(|c| c.history),
            MAX_HISTORY,
        )
    }
}
