//! The plain description of a trained network: its architecture and its weights as numbers.
//!
//! The network code turns into it and comes from it, the engine plays it, the file formats read
//! and write it. It knows no tensor, no file and no arithmetic beyond counting: sizes, weights,
//! multiply-adds, receptive field, latency.
//!
//! Every description that comes from outside goes through [`Network::validate`] before anything
//! is allocated for it: a hostile file can lie about sizes, and all counting here is checked.

mod activation;
mod layer;
mod recurrent;
mod shape;
mod wavenet;
mod window;

pub use activation::Activation;
pub use layer::{Affine, Branches, Conv1d, Delay, Film, Join, Layer, Residual, Sequential, Split};
pub use recurrent::{Gru, Lstm, S4d};
pub use wavenet::{Gating, LayerArray, LayerFilms, PostStackHead, WaveFilm, WaveLayer, WaveNet};
pub use window::{Dense, WindowNetwork};

use serde::{Deserialize, Serialize};

/// The most weights a network may hold: 268 MB of `f32`, six times the widest of the seeds'.
pub const MAX_WEIGHTS: usize = 1 << 26;
/// The most samples of history a network may hold over all channels: 134 MB of `f32`. The engine
/// allocates a small multiple of it.
pub const MAX_HISTORY: usize = 1 << 25;
/// The widest layer.
pub const MAX_CHANNELS: usize = 1 << 16;
/// The most layers, branches included: far above any network in use, low enough that the
/// bookkeeping per layer cannot add up to much.
pub const MAX_LAYERS: usize = 1 << 14;
/// The deepest nesting of networks in networks.
pub const MAX_DEPTH: usize = 16;

/// Why a description is not a network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DescriptionError {
    /// A list of numbers has the wrong length for the sizes beside it.
    #[error("{what} holds {got} numbers, its sizes call for {expected}")]
    Length {
        /// The thing ("layer 3: conv weight").
        what: String,
        /// Numbers given.
        got: usize,
        /// Numbers called for.
        expected: usize,
    },
    /// Two parts do not fit together.
    #[error("{what} has {got} channels, {expected} are needed there")]
    Channels {
        /// The thing.
        what: String,
        /// Channels given.
        got: usize,
        /// Channels called for.
        expected: usize,
    },
    /// A size or a total is beyond what is accepted.
    #[error("{what} is {got}; at most {allowed} is accepted")]
    TooLarge {
        /// The thing.
        what: String,
        /// The value, "more than 2^64" when it does not fit a number.
        got: String,
        /// The bound.
        allowed: usize,
    },
    /// A value makes no sense.
    #[error("{what}: {why}")]
    Invalid {
        /// The thing.
        what: String,
        /// What is wrong with it and what is allowed.
        why: String,
    },
}

impl DescriptionError {
    /// A value that makes no sense: what is wrong with it and what is allowed.
    pub fn invalid(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid {
            what: what.into(),
            why: why.into(),
        }
    }

    /// Says where in the network the fault is.
    pub fn within(self, place: &str) -> Self {
        let at = |what: String| format!("{place}: {what}");
        match self {
            Self::Length {
                what,
                got,
                expected,
            } => Self::Length {
                what: at(what),
                got,
                expected,
            },
            Self::Channels {
                what,
                got,
                expected,
            } => Self::Channels {
                what: at(what),
                got,
                expected,
            },
            Self::TooLarge { what, got, allowed } => Self::TooLarge {
                what: at(what),
                got,
                allowed,
            },
            Self::Invalid { what, why } => Self::Invalid {
                what: at(what),
                why,
            },
        }
    }
}

/// A trained network, ready to be played or written to a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// What it is made of.
    pub architecture: Architecture,
    /// The rate it was trained at, in hertz.
    pub sample_rate: u32,
    /// Knobs, in the order the network takes them.
    #[serde(default)]
    pub controls: Vec<Control>,
    /// How many samples the output lags behind what it predicts: a network trained to look ahead
    /// (the convolution networks of the seeds) gives at time t the wet sample of time
    /// t − `delay_samples`. On top of what the architecture itself needs;
    /// [`Network::latency_samples`] gives the sum.
    #[serde(default)]
    pub delay_samples: usize,
}

/// One knob.
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

/// One capture in several sizes, smallest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slimmable {
    /// The sizes; the last one is the full network.
    pub submodels: Vec<Submodel>,
}

/// One size of a [`Slimmable`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submodel {
    /// This size is used while the size knob is below this value (0..1).
    pub max_value: f64,
    /// The network of this size.
    pub network: Box<Network>,
}

impl Slimmable {
    /// The network for a size knob at `size` (0: smallest, 1: full); `None` without submodels.
    pub fn select(&self, size: f64) -> Option<&Network> {
        let chosen = self.submodels.iter().find(|s| size < s.max_value);
        chosen.or(self.submodels.last()).map(|s| s.network.as_ref())
    }
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

/// Totals gathered over a network, all checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Numbers learned.
    pub weights: usize,
    /// Multiply-adds per output sample.
    pub macs: usize,
    /// Past samples held, over all channels of all layers.
    pub history: usize,
    /// Layers.
    pub layers: usize,
}

impl Cost {
    /// Adds another part's totals; `None` on overflow.
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            weights: self.weights.checked_add(other.weights)?,
            macs: self.macs.checked_add(other.macs)?,
            history: self.history.checked_add(other.history)?,
            layers: self.layers.checked_add(other.layers)?,
        })
    }
}

/// What every part can say of itself. Only [`Network::validate`] makes it trustworthy.
pub(crate) trait Part {
    /// Checks sizes against each other and against the lists of numbers; gives output channels.
    ///
    /// `controls`: number of knobs the network has.
    fn check(&self, in_channels: usize, controls: usize) -> Result<usize, DescriptionError>;

    /// Totals; `None` where they overflow.
    fn cost(&self) -> Option<Cost>;

    /// Samples before the present one that can influence the output; `None`: all of them.
    fn context(&self) -> Option<usize>;
}

impl Network {
    /// A network without knobs or lag.
    pub fn new(architecture: Architecture, sample_rate: u32) -> Self {
        Self {
            architecture,
            sample_rate,
            controls: Vec::new(),
            delay_samples: 0,
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
        if self.sample_rate == 0 {
            return Err(DescriptionError::invalid(
                "sample_rate",
                "is 0; it must be at least 1 Hz",
            ));
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
        }
        if let Architecture::Slimmable(slimmable) = &self.architecture {
            return slimmable.check(self, depth);
        }
        self.architecture.check_bounds(depth)?;
        let inputs = self.architecture.input_channels();
        if inputs != 1 && inputs != 1 + self.controls.len() {
            let expected = 1 + self.controls.len();
            return Err(DescriptionError::Channels {
                what: "network input".into(),
                got: inputs,
                expected,
            });
        }
        let outputs = self.architecture.check(inputs, self.controls.len())?;
        if outputs != 1 {
            let what = "network output".into();
            return Err(DescriptionError::Channels {
                what,
                got: outputs,
                expected: 1,
            });
        }
        Ok(())
    }

    /// Numbers learned, as [`Part::cost`] counts them; a slimmable network counts all its sizes.
    pub fn weight_count(&self) -> usize {
        self.architecture.cost().map_or(usize::MAX, |c| c.weights)
    }

    /// Multiply-adds per sample; a slimmable network counts its full size.
    pub fn macs_per_sample(&self) -> usize {
        self.full()
            .architecture
            .cost()
            .map_or(usize::MAX, |c| c.macs)
    }

    /// How many input samples influence one output sample, the present one included; `None` for
    /// recurrent and state-space networks, which never forget entirely.
    pub fn receptive_field(&self) -> Option<usize> {
        self.full().architecture.context()?.checked_add(1)
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
}

impl Slimmable {
    fn check(&self, outer: &Network, depth: usize) -> Result<(), DescriptionError> {
        let Some(last) = self.submodels.last() else {
            return Err(DescriptionError::invalid(
                "submodels",
                "is empty; give at least one size",
            ));
        };
        let ascending = self
            .submodels
            .windows(2)
            .all(|w| w[0].max_value < w[1].max_value);
        let last_covers = last.max_value >= 1.0;
        if !ascending || !last_covers {
            let why = "max_value must ascend and end at 1 or above";
            return Err(DescriptionError::invalid("submodels", why));
        }
        let mut weights = 0usize;
        for (i, submodel) in self.submodels.iter().enumerate() {
            let place = format!("submodel {i}");
            let network = &submodel.network;
            if let Architecture::Slimmable(_) = network.architecture {
                let why = "is a container itself; give networks";
                return Err(DescriptionError::invalid(place, why));
            }
            network
                .validate_at(depth + 1)
                .map_err(|e| e.within(&place))?;
            if network.sample_rate != outer.sample_rate {
                let why = format!(
                    "runs at {} Hz, the container at {} Hz",
                    network.sample_rate, outer.sample_rate
                );
                return Err(DescriptionError::invalid(place, why));
            }
            weights = weights.saturating_add(network.weight_count());
        }
        bounded("weight count", Some(weights), MAX_WEIGHTS)
    }
}

impl Architecture {
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
            condition
                .check_bounds(depth + 1)
                .map_err(|e| e.within("condition"))?;
        }
        if let Self::Sequential(sequential) = self {
            sequential.check_depth()?;
        }
        let cost = self.cost();
        bounded("layer count", cost.map(|c| c.layers), MAX_LAYERS)?;
        bounded("weight count", cost.map(|c| c.weights), MAX_WEIGHTS)?;
        bounded(
            "history over all channels",
            cost.map(|c| c.history),
            MAX_HISTORY,
        )
    }
}

impl Part for Architecture {
    fn check(&self, in_channels: usize, controls: usize) -> Result<usize, DescriptionError> {
        match self {
            Self::WaveNet(wavenet) => wavenet.check(in_channels, controls),
            Self::Sequential(sequential) => sequential.check(in_channels, controls),
            Self::Window(window) => window.check(in_channels, controls),
            Self::Slimmable(_) => {
                let why = "a slimmable container can only stand at the top, not inside a network";
                Err(DescriptionError::invalid("architecture", why))
            }
        }
    }

    fn cost(&self) -> Option<Cost> {
        match self {
            Self::WaveNet(wavenet) => wavenet.cost(),
            Self::Sequential(sequential) => sequential.cost(),
            Self::Window(window) => window.cost(),
            Self::Slimmable(slimmable) => {
                let costs = slimmable
                    .submodels
                    .iter()
                    .map(|s| s.network.architecture.cost());
                total(costs)
            }
        }
    }

    fn context(&self) -> Option<usize> {
        match self {
            Self::WaveNet(wavenet) => wavenet.context(),
            Self::Sequential(sequential) => sequential.context(),
            Self::Window(window) => window.context(),
            Self::Slimmable(slimmable) => {
                slimmable.submodels.last()?.network.architecture.context()
            }
        }
    }
}

/// The sum of costs; `None` when one is unknown or the sum overflows.
pub(crate) fn total(costs: impl IntoIterator<Item = Option<Cost>>) -> Option<Cost> {
    costs
        .into_iter()
        .try_fold(Cost::default(), |sum, cost| sum.plus(cost?))
}

fn too_large(what: &str, got: usize, allowed: usize) -> DescriptionError {
    DescriptionError::TooLarge {
        what: what.into(),
        got: got.to_string(),
        allowed,
    }
}

/// An error when `got` overflowed or is above `allowed`.
pub(crate) fn bounded(
    what: &str,
    got: Option<usize>,
    allowed: usize,
) -> Result<(), DescriptionError> {
    match got {
        Some(got) if got <= allowed => Ok(()),
        Some(got) => Err(too_large(what, got, allowed)),
        None => {
            let got = "more than a 64-bit number holds".into();
            Err(DescriptionError::TooLarge {
                what: what.into(),
                got,
                allowed,
            })
        }
    }
}

/// An error when a size is 0 or above `allowed`.
pub(crate) fn size(what: &str, got: usize, allowed: usize) -> Result<(), DescriptionError> {
    if got == 0 {
        return Err(DescriptionError::invalid(
            what,
            "is 0; it must be at least 1",
        ));
    }
    bounded(what, Some(got), allowed)
}

/// An error unless `numbers` holds `expected` finite numbers.
pub(crate) fn numbers(
    what: &str,
    numbers: &[f32],
    expected: Option<usize>,
) -> Result<(), DescriptionError> {
    bounded(what, expected, MAX_WEIGHTS)?;
    let expected = expected.unwrap_or_default();
    if numbers.len() != expected {
        let (what, got) = (what.into(), numbers.len());
        return Err(DescriptionError::Length {
            what,
            got,
            expected,
        });
    }
    match numbers.iter().position(|n| !n.is_finite()) {
        Some(at) => {
            let why = format!("number {at} is {}; weights must be finite", numbers[at]);
            Err(DescriptionError::invalid(what, why))
        }
        None => Ok(()),
    }
}

/// An error unless `got` channels are the `expected` ones.
pub(crate) fn channels(what: &str, got: usize, expected: usize) -> Result<(), DescriptionError> {
    if got == expected {
        return Ok(());
    }
    Err(DescriptionError::Channels {
        what: what.into(),
        got,
        expected,
    })
}
