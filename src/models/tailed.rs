//! Any network with a long linear filter behind it: an amplifier and its loudspeaker, an overdrive
//! and a room, an echo. The filter's taps are solved for, not searched (least squares on what the
//! network gives; `effigy::training` asks for it), so no gradient enters them; through the filter
//! it does. Knows no particular network.

use super::effect_network::{EffectNetwork, Memory, Reach, warmed_up};
use super::init::{WeightInit, parameter};
use super::parts::numbers;
use super::state::State;
use super::work::Work;
use crate::config::TailConfig;
use crate::kernels::{self, composed};
use crate::network::{Architecture, Control};
use burn::module::Param;
use burn::prelude::*;
use std::ops::{Deref, DerefMut};

/// `y[t] = Σ_i taps[i]·network(x)[t − i]`; `M` stands for the type that holds every network.
#[derive(Module, Debug)]
pub struct Tailed<M: Module> {
    /// One: a network holds itself only on the heap.
    network: Vec<M>,
    /// Impulse response, the newest tap first: `[taps]`.
    taps: Param<Tensor<1>>,
}

/// Fewer taps than this are a sum for each sample, in which an output depends, to the last bit, on
/// nothing that comes after it.
const LONG: usize = 512;

impl<M> Tailed<M>
where
    M: Module + Deref<Target = dyn EffectNetwork> + DerefMut,
{
    /// `network` with this impulse response behind it.
    pub fn new(network: M, taps: Vec<f32>, device: &Device) -> Self {
        Self {
            network: vec![network],
            taps: parameter([taps.len()], taps, device),
        }
    }

    /// `network` with a tail to be solved for: the taps drawn fade, and change the level little.
    pub(super) fn drawn(network: M, tail: &TailConfig, init: &mut WeightInit) -> Self {
        let mut taps = init.numbers(tail.taps, 0.5 / (tail.taps as f32).sqrt());
        taps[0] += 1.0;
        Self {
            network: vec![network],
            taps: init.given([tail.taps], taps),
        }
    }

    /// The network without its tail.
    pub fn network(&self) -> &M {
        // There is one from the beginning.
        &self.network[0]
    }

    /// The impulse response.
    pub fn taps(&self) -> Vec<f32> {
        numbers(&self.taps)
    }

    /// The same network with another impulse response of as many taps.
    pub fn with_taps(mut self, taps: Vec<f32>) -> Self {
        self.taps = self.taps.map(|old| {
            let data = TensorData::new(taps, old.dims());
            Tensor::from_data(data, &old.device())
        });
        self
    }

    fn len(&self) -> usize {
        self.taps.dims()[0]
    }

    /// `[batch, 1, taps − 1 + n]` → `[batch, 1, n]`.
    fn filter(&self, sound: Tensor<3>) -> Tensor<3> {
        let taps = self.taps.val().detach();
        match self.len() < LONG {
            true => {
                let weight = composed::oldest_first(taps);
                kernels::conv1d(sound, weight, None, [0, 0], 1)
            }
            false => kernels::long_filter(sound, taps),
        }
    }
}

impl<M> EffectNetwork for Tailed<M>
where
    M: Module + Deref<Target = dyn EffectNetwork> + DerefMut,
{
    fn forward(&self, dry: Tensor<3>) -> Tensor<3> {
        self.forward_from(dry, State::default())
    }

    fn forward_from(&self, dry: Tensor<3>, state: State) -> Tensor<3> {
        match self.network().reach() {
            Reach::Samples(_) => self.filter(self.network().forward(dry)),
            Reach::Memory(_) => warmed_up(self, dry, state),
        }
    }

    fn reach(&self) -> Reach<'_> {
        match self.network().reach() {
            Reach::Samples(field) => Reach::Samples(field + self.len() - 1),
            Reach::Memory(_) => Reach::Memory(self),
        }
    }

    /// The tail's share is counted as the transforms that it takes.
    fn work(&self, len: usize) -> Work {
        let heard = len + self.len() - 1;
        let transforms = 8 * heard * heard.max(2).ilog2() as usize;
        self.network().work(heard) + Work::inner(transforms)
    }

    fn architecture(&self, sample_rate: u32, controls: &[Control]) -> Architecture {
        self.network().architecture(sample_rate, controls)
    }

    fn tail(&self) -> Vec<f32> {
        self.taps()
    }

    fn lookahead(&self) -> usize {
        self.network().lookahead()
    }

    fn is_gain(&self) -> bool {
        self.network().is_gain()
    }

    /// A constant passes the filter by the sum of its taps; where they cancel it cannot be had.
    fn shift_output(&mut self, by: &[f32]) {
        let taps = self.taps();
        let (sum, size) = taps.iter().fold((0.0, 0.0), |(sum, size), tap| {
            (sum + f64::from(*tap), size + f64::from(tap.abs()))
        });
        if sum.abs() > 1e-3 * size {
            let by: Vec<f32> = by.iter().map(|by| (f64::from(*by) / sum) as f32).collect();
            self.network
                .iter_mut()
                .for_each(|network| network.shift_output(&by));
        }
    }
}

impl<M> Memory for Tailed<M>
where
    M: Module + Deref<Target = dyn EffectNetwork> + DerefMut,
{
    /// The state is what the network gave last, then its own.
    fn advance(&self, dry: Tensor<3>, mut state: State) -> (Tensor<3>, State) {
        let (batch, past) = (dry.dims()[0], self.len() - 1);
        let before = state
            .take()
            .unwrap_or_else(|| Tensor::zeros([batch, past], &dry.device()));
        let (given, state) = self.network().advance(dry, state);
        let given = match past {
            0 => given,
            _ => Tensor::cat(vec![before.unsqueeze_dim(1), given], 2),
        };
        let heard = given.dims()[2];
        let last = given.clone().narrow(2, heard - past, past);
        (self.filter(given), state.behind(last.squeeze_dim(1)))
    }

    fn warm_up(&self) -> usize {
        self.network().warm_up() + self.len() - 1
    }

    fn lookback(&self) -> usize {
        self.network().lookback()
    }
}
