//! A chain of filters and clippers (Wiener–Hammerstein, of several stages), as a distortion
//! pedal is built: filter → gain → clip → filter → gain → clip → … → filter → gain.
//!
//! Everything between two clippers is linear and has few weights, so a few seconds of sound are
//! enough, and what was learned at one level holds at others, where larger networks guess.
//! Filters with learned poles in a chain with saturations: Kuznetsov, Parker & Esqueda 2020,
//! Nercessian, Sarroff & Werner 2021. A knob scales the gains, as a potentiometer does. Knows no other
//! network.

use super::effect_network::{Build, EffectNetwork, Memory, Reach, Site, warmed_up};
use super::filter_bank::FilterBank;
use super::init::WeightInit;
use super::parts::{Conv, numbers, sound_and_knobs};
use super::state::State;
use super::work::Work;
use crate::config::WienerHammersteinConfig;
use crate::network::{self, Architecture, AudioChannels, Branches, Control, Join, Layer, Split};
use burn::module::Param;
use burn::prelude::*;

/// Stages `x ← tanh(gain · filter(x) + offset) − tanh(offset)`, the last one without the tanh.
/// Silence gives silence, up to rounding. Of a stereo effect each side has a chain of its own, which hears
/// the dry channel, or the two mixed.
#[derive(Module, Debug)]
pub struct WienerHammerstein {
    filters: Vec<GainedFilter>,
    /// Where on its curve each clipper rests: `[clippers]`, one fewer than filters.
    offsets: Param<Tensor<1>>,
    /// How the dry channels are mixed for each side, where there are two: `[2, 2, 1]`.
    mix: Option<Conv>,
    /// The right side's chain, where there is one.
    right: Vec<Chain>,
    #[module(skip)]
    audio: AudioChannels,
    warm_up: usize,
}

/// Stages as those of the whole network.
#[derive(Module, Debug)]
struct Chain {
    filters: Vec<GainedFilter>,
    offsets: Param<Tensor<1>>,
}

/// A filter and the gain behind it.
#[derive(Module, Debug)]
struct GainedFilter {
    /// Its channels' outputs are summed.
    bank: FilterBank,
    /// ln of the gain: `[1]`
    log_gain: Param<Tensor<1>>,
    /// By how much each knob raises the gain, as a share of it: `[controls]`; `None` without.
    knobs: Option<Param<Tensor<1>>>,
}

impl GainedFilter {
    fn new(
        config: &WienerHammersteinConfig,
        gain: f32,
        controls: usize,
        init: &mut WeightInit,
    ) -> Self {
        Self {
            bank: FilterBank::nearly_straight(config.poles, config.memory, init),
            log_gain: init.constant([1], gain.ln()),
            knobs: (controls > 0).then(|| init.uniform([controls], KNOB)),
        }
    }

    /// `[batch, 1, n]` and knobs `[batch, controls, 1]` → `[batch, 1, n]`.
    fn forward(
        &self,
        x: Tensor<3>,
        knobs: Option<&Tensor<3>>,
        before: &mut State,
        after: &mut State,
    ) -> Tensor<3> {
        let filtered = self.bank.forward_summed(x, before, after);
        let y = filtered * self.log_gain.val().exp().reshape([1, 1, 1]);
        match (&self.knobs, knobs) {
            (Some(shares), Some(knobs)) => {
                let shares = shares.val().reshape([1, -1, 1]);
                y * ((knobs.clone() * shares).sum_dim(1) + 1.0)
            }
            _ => y,
        }
    }

    /// The offset of the clipper behind it, if there is one, comes last, after the knobs.
    fn describe(&self, offset: Option<f32>) -> Vec<Layer> {
        let poles = self.bank.channels();
        let gain = numbers(&self.log_gain)[0].exp();
        let dense = |inputs, outputs, weight| {
            Layer::Conv1d(network::Conv1d::dense(inputs, outputs, weight, Vec::new()))
        };
        let mut layers = vec![
            dense(1, poles, vec![1.0; poles]),
            Layer::S4d(self.bank.describe()),
            dense(poles, 1, vec![gain; poles]),
        ];
        if let Some(shares) = &self.knobs {
            let shares = numbers(shares);
            let share = network::Conv1d::dense(shares.len(), 1, shares.clone(), vec![1.0]);
            layers.push(Layer::Film(network::Film {
                generator: vec![Layer::Conv1d(share)],
                shift: false,
            }));
        }
        layers.extend(offset.map(shift));
        layers
    }
}

/// x + `by`, for one channel.
fn shift(by: f32) -> Layer {
    Layer::Affine(network::Affine {
        scale: vec![1.0],
        shift: vec![by],
    })
}

impl WienerHammerstein {
    /// For inputs of `inputs` channels: sound, then knobs.
    pub fn new(
        config: &WienerHammersteinConfig,
        inputs: usize,
        audio: AudioChannels,
        init: &mut WeightInit,
    ) -> Self {
        let controls = inputs - audio.dry;
        let Chain { filters, offsets } = Chain::new(config, controls, init);
        // Each side hears its own channel at first.
        let straight = || init.given([2, 2, 1], vec![1.0, 0.0, 0.0, 1.0]);
        let mix = (audio.dry == 2).then(|| Conv::of(straight()));
        let right = (1..audio.wet).map(|_| Chain::new(config, controls, init));
        Self {
            filters,
            offsets,
            mix,
            right: right.collect(),
            audio,
            warm_up: config.warm_up,
        }
    }
}

impl Chain {
    fn new(config: &WienerHammersteinConfig, controls: usize, init: &mut WeightInit) -> Self {
        let clippers = config.clippers;
        let mut filter = |at: usize| {
            let gain = match at {
                0 => config.drive,
                _ if at == clippers => LAST_GAIN,
                _ => NEXT_GAIN,
            };
            GainedFilter::new(config, gain, controls, init)
        };
        Self {
            filters: (0..=clippers).map(&mut filter).collect(),
            offsets: init.constant([clippers], OFFSET),
        }
    }
}

/// What the stages of a chain make of `[batch, 1, n]`.
fn play(
    (filters, offsets): (&[GainedFilter], &Param<Tensor<1>>),
    mut x: Tensor<3>,
    knobs: Option<&Tensor<3>>,
    (before, after): (&mut State, &mut State),
) -> Tensor<3> {
    for (at, filter) in filters.iter().enumerate() {
        x = filter.forward(x, knobs, before, after);
        if at + 1 < filters.len() {
            let offset = offsets.val().narrow(0, at, 1).reshape([1, 1, 1]);
            x = (x + offset.clone()).tanh() - offset.tanh();
        }
    }
    x
}

/// The stages of a chain as layers.
fn describe((filters, offsets): (&[GainedFilter], &Param<Tensor<1>>)) -> Vec<Layer> {
    let offsets = numbers(offsets);
    let mut layers = Vec::new();
    for (at, filter) in filters.iter().enumerate() {
        let offset = offsets.get(at).copied();
        layers.extend(filter.describe(offset));
        if let Some(offset) = offset {
            layers.push(Layer::Activation(network::Activation::Tanh));
            layers.push(shift(-offset.tanh()));
        }
    }
    layers
}

impl WienerHammerstein {
    /// The sides' chains.
    fn chains(&self) -> impl Iterator<Item = (&[GainedFilter], &Param<Tensor<1>>)> {
        let right = self
            .right
            .iter()
            .map(|c| (c.filters.as_slice(), &c.offsets));
        std::iter::once((self.filters.as_slice(), &self.offsets)).chain(right)
    }

    /// A side's chain behind its mix of the dry channels.
    fn side(&self, at: usize, chain: Vec<Layer>) -> Vec<Layer> {
        let mix = self.mix.as_ref().map(|mix| {
            let mix = mix.describe();
            let inputs = mix.in_channels;
            let own = mix.weight[at * inputs..][..inputs].to_vec();
            Layer::Conv1d(network::Conv1d::dense(inputs, 1, own, Vec::new()))
        });
        mix.into_iter().chain(chain).collect()
    }
}

impl EffectNetwork for WienerHammerstein {
    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        self.forward_from(input, State::default())
    }

    fn forward_from(&self, input: Tensor<3>, state: State) -> Tensor<3> {
        warmed_up(self, input, state)
    }

    fn audio_channels(&self) -> AudioChannels {
        self.audio
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Memory(self)
    }

    /// Multiply-adds of a window of `len` output samples, counted as those of
    /// [`super::S4dNetwork`].
    fn work(&self, len: usize) -> Work {
        let each = |(at, filter): (usize, &GainedFilter)| {
            let poles = filter.bank.channels() * filter.bank.states();
            Work::nth(at, 6 * poles + filter.bank.channels())
        };
        let filters = self.filters.iter().enumerate().map(each);
        filters
            .sum::<Work>()
            .times(self.audio.wet * (self.warm_up + len))
    }

    fn architecture(&self, _: u32, _: &[Control]) -> Architecture {
        let mut sides = self.chains().map(describe);
        let layers = match self.audio.wet {
            1 => sides.next().unwrap_or_default(),
            _ => {
                let branches = sides.enumerate().map(|(at, chain)| self.side(at, chain));
                vec![Layer::Branches(Branches {
                    split: Split::Copy,
                    branches: branches.collect(),
                    join: Join::Concat,
                })]
            }
        };
        Architecture::Sequential(network::Sequential {
            input_channels: self.audio.dry,
            layers,
        })
    }
}

impl Memory for WienerHammerstein {
    fn advance(&self, input: Tensor<3>, state: State) -> (Tensor<3>, State) {
        let (sound, knobs) = sound_and_knobs(input, self.audio.dry);
        let heard = match &self.mix {
            Some(mix) => mix.forward(sound),
            None => sound,
        };
        let (mut before, mut after) = (state, State::default());
        let channels = heard.dims()[1];
        let mut sides = Vec::new();
        for (at, chain) in self.chains().enumerate() {
            let x = match channels {
                1 => heard.clone(),
                _ => heard.clone().narrow(1, at, 1),
            };
            sides.push(play(chain, x, knobs.as_ref(), (&mut before, &mut after)));
        }
        let answer = match sides.len() {
            1 => sides.swap_remove(0),
            _ => Tensor::cat(sides, 1),
        };
        (answer, after)
    }

    fn warm_up(&self) -> usize {
        self.warm_up
    }
}

impl<M: From<WienerHammerstein>> Build<M> for WienerHammersteinConfig {
    fn build(&self, site: &mut Site<'_>) -> M {
        WienerHammerstein::new(self, site.inputs, site.audio, &mut site.init).into()
    }
}

/// First gains: of the clippers after the first, whose input is as large as tanh lets it be, and
/// of the output.
const NEXT_GAIN: f32 = 3.0;
const LAST_GAIN: f32 = 0.4;
/// Small: how a knob turns is learned.
const KNOB: f32 = 0.1;
/// A little off the middle of the curve, so that the gradient knows on which side to look for an
/// uneven one.
const OFFSET: f32 = 0.05;
