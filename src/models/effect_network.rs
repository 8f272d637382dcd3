//! What every network is asked, and how one is built from its settings. Knows no network.

use super::init::WeightInit;
use super::parts::Conv;
use super::state::State;
use super::work::Work;
use crate::config::{ModelConfig, WindowConfig};
use crate::network::{Architecture, AudioChannels, Control};
use burn::prelude::*;

/// A network: predicted windows for dry windows. Tensors are `[batch, channel, time]`; `dry` and `wet`
/// are the channels of sound that it hears and makes, 1 and 1 but for a stereo effect.
pub trait EffectNetwork: std::fmt::Debug {
    /// Predicted windows for dry windows.
    ///
    /// `[batch, dry + controls, context + n + lookahead]` → `[batch, wet, n]`, with `n` any length of
    /// at least 1 (where there is a [`EffectNetwork::fixed_window`]: exactly that).
    fn forward(&self, dry: Tensor<3>) -> Tensor<3>;

    /// The same, a memory starting from where `state` stands instead of from zero.
    fn forward_from(&self, dry: Tensor<3>, state: State) -> Tensor<3> {
        debug_assert!(state.is_empty(), "a state for a network without memory");
        self.forward(dry)
    }

    /// Channels of sound that it hears and makes at once.
    fn audio_channels(&self) -> AudioChannels {
        AudioChannels::MONO
    }

    /// How far back an output sample listens.
    fn reach(&self) -> Reach<'_>;

    /// Multiply-adds of one training window of `window_len` output samples.
    fn work(&self, window_len: usize) -> Work;

    /// Shape and weights as numbers. A rate and controls are for networks that hold several.
    fn architecture(&self, sample_rate: u32, controls: &[Control]) -> Architecture;

    /// The impulse response of what is behind [`EffectNetwork::architecture`], the newest tap
    /// first; empty: nothing.
    fn tail(&self) -> Vec<f32> {
        Vec::new()
    }

    /// How many of the samples that an output sample depends on lie in the future.
    fn lookahead(&self) -> usize {
        0
    }

    /// The only window length this network accepts; `None`: any.
    fn fixed_window(&self) -> Option<usize> {
        None
    }

    /// Whether what it says is a gain on the dry sound, so that it is silent in silence whatever it has
    /// learned.
    fn is_gain(&self) -> bool {
        false
    }

    /// Its last layer, of one tap and a bias, where the answer is what that says, beside dry at most;
    /// `None`: another.
    fn head_mut(&mut self) -> Option<&mut Conv> {
        None
    }

    /// Adds its number of `by` to each channel of output, where the last layer has a bias for it.
    fn shift_output(&mut self, by: &[f32]) {
        if let Some(head) = self.head_mut() {
            head.shift(by);
        }
    }

    /// What training compares with the wet windows: the prediction of every size of a slimmable
    /// network, smallest first, else the one prediction; each as [`EffectNetwork::forward`].
    fn forward_sizes(&self, dry: Tensor<3>) -> Vec<Tensor<3>> {
        vec![self.forward(dry)]
    }
}

/// How far back a network listens: over a number of samples, or, through a memory, over all. So
/// a network that never forgets cannot leave out how its memory is carried on.
#[derive(Clone, Copy, Debug)]
pub enum Reach<'a> {
    /// Input samples that one output sample depends on: 1 for a network of fixed windows, whose
    /// output depends on its whole window instead.
    Samples(usize),
    /// Everything heard so far.
    Memory(&'a dyn Memory),
}

/// A network whose answer depends on a state beside its input.
pub trait Memory: std::fmt::Debug {
    /// `[batch, dry + controls, lookback + n]` → `[batch, wet, n]` from where `state` stands, and
    /// where it stands afterwards.
    fn advance(&self, dry: Tensor<3>, state: State) -> (Tensor<3>, State);

    /// Samples of a window that only fill the memory.
    fn warm_up(&self) -> usize;

    /// Past samples that an answer needs beside the state.
    fn lookback(&self) -> usize {
        0
    }
}

/// `[batch, inputs, lookback + warm_up + n]` → `[batch, wet, n]`, from where `state` stands.
pub(super) fn warmed_up(network: &impl Memory, dry: Tensor<3>, state: State) -> Tensor<3> {
    let (output, _) = network.advance(dry, state);
    let warm_up = network.warm_up();
    let len = output.dims()[2] - warm_up;
    output.narrow(2, warm_up, len)
}

/// What follows from a network's answers.
impl dyn EffectNetwork {
    /// Input samples that one output sample depends on; `None` for networks that never quite
    /// forget.
    pub fn receptive_field(&self) -> Option<usize> {
        match self.reach() {
            Reach::Samples(field) => Some(field),
            Reach::Memory(_) => None,
        }
    }

    /// As [`EffectNetwork::forward`] from where `state` stands: `[batch, dry + controls, lookback +
    /// n + lookahead]` → `[batch, wet, n]`, and where it stands afterwards. Only networks with
    /// memory have a state; for the others lookback is the context.
    pub fn advance(&self, dry: Tensor<3>, state: State) -> (Tensor<3>, State) {
        match self.reach() {
            Reach::Samples(_) => (self.forward(dry), state),
            Reach::Memory(memory) => memory.advance(dry, state),
        }
    }

    /// Past samples that an answer needs beside the memory's state.
    pub fn lookback(&self) -> usize {
        match self.reach() {
            Reach::Samples(field) => field - 1 - self.lookahead(),
            Reach::Memory(memory) => memory.lookback(),
        }
    }

    /// Samples that only fill the memory.
    pub fn warm_up(&self) -> usize {
        match self.reach() {
            Reach::Samples(_) => 0,
            Reach::Memory(memory) => memory.warm_up(),
        }
    }

    /// Past samples that a window needs before its first output: what the network looks back
    /// over, and what its memory is filled with first.
    pub fn context(&self) -> usize {
        self.lookback() + self.warm_up()
    }
}

/// Where a network is to be built.
pub(super) struct Site<'a> {
    /// The whole `[model]` table: some settings serve several kinds.
    pub model: &'a ModelConfig,
    pub windows: &'a WindowConfig,
    /// Channels that enter: sound, then knobs.
    pub inputs: usize,
    /// Of sound.
    pub audio: AudioChannels,
    pub init: WeightInit,
}

/// Settings that a network is built from. `M` can hold it, and stands for the type that holds
/// them all: a network's file need not know the others.
pub(super) trait Build<M> {
    /// The network, its first weights drawn from `site.init`.
    fn build(&self, site: &mut Site<'_>) -> M;
}
