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
use super::parts::{numbers, sound_and_knobs};
use super::state::State;
use super::work::Work;
use crate::config::WienerHammersteinConfig;
use crate::network::{self, Architecture, Control, Layer};
use burn::module::Param;
use burn::prelude::*;

/// Stages `x ← tanh(gain · filter(x) + offset) − tanh(offset)`, the last one without the tanh.
/// Silence gives silence, up to rounding.
#[derive(Module, Debug)]
pub struct WienerHammerstein {
    filters: Vec<GainedFilter>,
    /// Where on its curve each clipper rests: `[clippers]`, one fewer than filters.
    offsets: Param<Tensor<1>>,
    warm_up: usize,
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
        let poles = self.bank.channels();
        let filtered = self.bank.forward(x.repeat_dim(1, poles), before, after);
        let y = filtered.sum_dim(1) * self.log_gain.val().exp().reshape([1, 1, 1]);
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
    pub fn new(config: &WienerHammersteinConfig, inputs: usize, init: &mut WeightInit) -> Self {
        let clippers = config.clippers;
        let mut filter = |at: usize| {
            let gain = match at {
                0 => config.drive,
                _ if at == clippers => LAST_GAIN,
                _ => NEXT_GAIN,
            };
            GainedFilter::new(config, gain, inputs - 1, init)
        };
        Self {
            filters: (0..=clippers).map(&mut filter).collect(),
            offsets: init.constant([clippers], OFFSET),
            warm_up: config.warm_up,
        }
    }

    fn clippers(&self) -> usize {
        self.filters.len() - 1
    }
}

impl EffectNetwork for WienerHammerstein {
    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        self.forward_from(input, State::default())
    }

    fn forward_from(&self, input: Tensor<3>, state: State) -> Tensor<3> {
        warmed_up(self, input, state)
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
        filters.sum::<Work>().times(self.warm_up + len)
    }

    fn architecture(&self, _: u32, _: &[Control]) -> Architecture {
        let offsets = numbers(&self.offsets);
        let mut layers = Vec::new();
        for (at, filter) in self.filters.iter().enumerate() {
            let offset = offsets.get(at).copied();
            layers.extend(filter.describe(offset));
            if let Some(offset) = offset {
                layers.push(Layer::Activation(network::Activation::Tanh));
                layers.push(shift(-offset.tanh()));
            }
        }
        Architecture::Sequential(network::Sequential {
            input_channels: 1,
            layers,
        })
    }
}

impl Memory for WienerHammerstein {
    fn advance(&self, input: Tensor<3>, state: State) -> (Tensor<3>, State) {
        let (mut x, knobs) = sound_and_knobs(input, 1);
        let (mut before, mut after) = (state, State::default());
        for (at, filter) in self.filters.iter().enumerate() {
            x = filter.forward(x, knobs.as_ref(), &mut before, &mut after);
            if at < self.clippers() {
                let offset = self.offsets.val().narrow(0, at, 1).reshape([1, 1, 1]);
                x = (x + offset.clone()).tanh() - offset.tanh();
            }
        }
        (x, after)
    }

    fn warm_up(&self) -> usize {
        self.warm_up
    }
}

impl<M: From<WienerHammerstein>> Build<M> for WienerHammersteinConfig {
    fn build(&self, site: &mut Site<'_>) -> M {
        WienerHammerstein::new(self, site.inputs, &mut site.init).into()
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
